/**
 * What an architecture is to the engine, whichever way its code runs: interpret/target.ts and translate/target.ts add what
 * each of the two asks for. An architecture fills them with `satisfies`, so that what is missing does not compile.
 */
import type { FunctionBuilder } from "../wasm/function-builder.js";
import type { EngineLayout } from "./layout.js";
import type { RuntimeFunctions } from "./recorder.js";
import type { engineRoutines, Routines } from "./routines.js";

/** A mode has code of its own: what differs between modes is decided when the interpreter is built or a region made. */
export interface Mode {
  /** What addresses, of code and of data, are cut to; undefined: nothing, they have 64 bits. */
  readonly addressMask: bigint | undefined;
  /** What the target of a jump is masked with; undefined: nothing. */
  readonly targetMask: bigint | undefined;
  /** Whether hot code in this mode is translated. */
  readonly translated: boolean;
}

export interface EngineTarget {
  readonly layout: EngineLayout;
  /** The run-time library's routines that emitted code calls, in the order in which modules import them. */
  readonly routines: Routines & Readonly<Record<keyof typeof engineRoutines, Routines[string]>>;
  /** By the number that the state's field `mode` has. */
  readonly modes: readonly Mode[];
}

/** What code is emitted with: where the state's address is, and the routines' indices. */
export interface Emission {
  readonly f: FunctionBuilder;
  /** Local that holds the state's address. */
  readonly state: number;
  readonly runtime: RuntimeFunctions;
}

/** The bit of `mode`, above the modes' numbers, that asks for one instruction at a time. */
export const aloneBit = ({ modes }: { readonly modes: { readonly length: number } }): number =>
  2 ** Math.ceil(Math.log2(modes.length));
