/** A machine that stands still between a scheduler's `pause` and its `resume`, unless its end has come. */
import { VmmError } from "../errors.js";
import type { Machine } from "./machine.js";

export class StandStill {
  readonly #machine: Machine;
  /** How long a vCPU may take to leave the guest, milliseconds; undefined: none has to be waited for. */
  readonly #patience: number | undefined;
  #here = false;
  #leaving = false;

  constructor(machine: Machine, patience?: number) {
    this.#machine = machine;
    this.#patience = patience;
  }

  get here(): boolean {
    return this.#here;
  }

  /** The run is over; who waits to pause it is told. */
  get leaving(): boolean {
    return this.#leaving;
  }
  leave(): void {
    this.#leaving = true;
  }

  /** Throws if the run is over. */
  requireGoing(): void {
    if (this.#leaving) throw new VmmError("the machine has ended, or is about to");
  }

  /** If the run ends meanwhile, the VM may be closed before it has stood still: whatever that throws, `requireGoing` has the reason. */
  async begin(): Promise<void> {
    await this.#machine.vm.pause(this.#patience === undefined ? {} : { timeout: this.#patience });
    this.#here = true;
    if (this.#leaving) this.end();
    this.requireGoing();
  }

  end(): void {
    if (!this.#here) return;
    this.#here = false;
    this.#machine.vm.resume();
  }
}
