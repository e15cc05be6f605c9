export type HelperType = "i32" | "i64" | "v128";

/**
 *   pure      depends on its arguments only
 *   state     reads or writes named registers other than LR, CTR and the XER bits; never GPRs, VSRs or CR
 *   faults    as `state`, and may raise an interrupt instead of returning a result: the instruction ends there
 *   context   as `state`, and may change what the next instruction fetch sees (MSR, translation, code, time): the
 *             next instruction is looked up afresh, after pending interrupts. May raise an interrupt too
 *   leaves    always sets the next instruction address itself (interrupts and returns from them); may read and
 *             write any register
 */
export type HelperEffect = "pure" | "state" | "faults" | "context" | "leaves";

export interface HelperSignature {
  readonly params: readonly HelperType[];
  readonly result: HelperType | "void";
  readonly effect: HelperEffect;
}

/** Declares a routine of the run-time library: what it does to the machine, its parameters, its result. */
export function helper<const P extends readonly HelperType[], const R extends HelperType | "void">(
  effect: HelperEffect,
  params: P,
  result: R,
): { readonly params: P; readonly result: R; readonly effect: HelperEffect } {
  return { params, result, effect };
}
