/**
 * When V8's optimiser takes a function over from its quick compiler: after so many bytes of the quickly made code have run, a
 * function counting all of its code for each time that it is left. A platform that can say how many does so here, on each
 * thread that compiles; a page cannot.
 */

export interface Optimiser {
  /** The budget of what is hot beyond doubt, or small. */
  readonly least: number;
  /** Gives functions of modules that are compiled meanwhile this budget. Threads that compile at the same moment get it too. */
  within<T>(budget: number, compile: () => T): T;
  /**
   * Has functions of modules that are compiled meanwhile optimised before the module is there. Of what other threads compile at that
   * moment, too, nothing is quickly made: they wait longer for it. Undefined: it is not to be done.
   */
  readonly optimised?: (<T>(compile: () => T) => T) | undefined;
}

let ofThread: Optimiser | undefined;

export function setOptimiser(optimiser: Optimiser): void {
  ofThread = optimiser;
}

export function getOptimiser(): Optimiser | undefined {
  return ofThread;
}
