/** Turns the kernel side's trace events into lines. */
import {
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  type TraceCategory,
  type Vcpu,
  type Vm,
} from "../../kvm/uapi.js";
import { VmmError } from "../errors.js";
import type { TraceSink } from "./machine.js";

/** What `--trace` may list. "insn" steps through every instruction and is very slow. */
export const traceCategories = ["exit", "hcall", "rtas", "interrupt", "mmu", "insn"] as const;

const kernelSide: readonly string[] = ["exit", "hcall", "rtas", "interrupt", "mmu"] satisfies TraceCategory[];

/** Checks names that a user gave. Throws VmmError listing the names there are. */
export function parseTraceCategories(names: readonly string[]): readonly string[] {
  for (const name of names) {
    if (!(traceCategories as readonly string[]).includes(name)) {
      throw new VmmError(`there is no trace category "${name}"; there are ${traceCategories.join(", ")}`);
    }
  }
  return names;
}

/** Has the kernel side report on this thread. */
export function traceKernelSide(vm: Vm, categories: readonly string[], sink: TraceSink): void {
  const wanted = categories.filter((name): name is TraceCategory => kernelSide.includes(name));
  vm.setTrace({
    categories: wanted,
    sink: ({ category, vcpu, name, values }) => {
      const text = Object.entries(values).map(([key, value]) => `${key}=${formatValue(value)}`);
      sink(category, vcpu, [name, ...text].join(" "));
    },
  });
}

/** Makes a vCPU leave after every instruction if "insn" is among the categories. */
export function traceSteps(vcpu: Vcpu, categories: readonly string[]): void {
  if (categories.includes("insn")) {
    vcpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP });
  }
}

function formatValue(value: bigint | number | string): string {
  if (typeof value === "string") return value;
  return `0x${(typeof value === "bigint" ? BigInt.asUintN(64, value) : value >>> 0).toString(16)}`;
}
