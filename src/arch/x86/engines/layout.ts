/** What a vCPU keeps in the VM's memory: x86's registers beside the engine's fields. */
import { codePages, engineFields, layOut, softTlb, vcpuParts } from "../../../engine/layout.js";
import { longest } from "../isa/decoder.js";

const built = layOut({
  /** RAX to R15; then one that is always 0: an address without a base or an index has it. */
  general: ["i64", 17],
  // The arithmetic flags, each as a value: isa/machine.ts.
  zero: ["i64", 1],
  sign: ["i64", 1],
  overflow: ["i64", 1],
  carry: ["i32", 1],
  adjust: ["i32", 1],
  /** RFLAGS but for those. */
  systemFlags: ["i64", 1],
  /** ES, CS, SS, DS, FS, GS; then one that is always 0: no segment. */
  segmentBase: ["i64", 7],
  /** The exception that `raise` was called for. */
  vector: ["i32", 1],
  ...engineFields,
});

export const state = built.fields;
export const tlb = softTlb(12);
export const codePage = codePages({ unit: 1, longest, pages: 64, orders: 1 });
export const vcpu = vcpuParts(built.size, tlb, codePage);

/** Number of the general register that is always 0, and of the segment that is none. */
export const noRegister = 16;
export const noSegment = 6;
