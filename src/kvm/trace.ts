/** Events of the kernel side, for who asked. Costs one test of a bit when nobody did. */
import type { TraceCategory, TraceEvent, TraceOptions } from "./uapi.js";

export const traceBit = { exit: 1, hcall: 2, rtas: 4, interrupt: 8, mmu: 16, insn: 32 } as const satisfies Record<
  TraceCategory,
  number
>;

/** One thread's tracing of one VM. */
export class Tracer {
  /** Bits of the categories that are wanted: look here before making the values of an event. */
  mask = 0;
  #sink: (event: TraceEvent) => void = () => {};

  set({ categories, sink }: TraceOptions): void {
    this.mask = categories.reduce((mask, category) => mask | traceBit[category], 0);
    this.#sink = sink;
  }

  emit(category: TraceCategory, vcpu: number, name: string, values: TraceEvent["values"] = {}): void {
    if (this.mask & traceBit[category]) this.#sink({ category, vcpu, name, values });
  }
}
