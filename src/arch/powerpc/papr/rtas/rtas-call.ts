/** How an RTAS call of the kernel side is declared. Source: PAPR, "RTAS Call Defined". */
import type { HcallVm } from "../hcall.js";

/** The first of a call's results. */
export const RtasStatus = { success: 0, parameterError: -3 } as const;

export interface RtasCall {
  readonly name: string;
  readonly arguments: number;
  /** With the status. */
  readonly results: number;
  readonly handler: (vm: HcallVm, args: readonly number[]) => readonly [status: number, ...values: number[]];
}
