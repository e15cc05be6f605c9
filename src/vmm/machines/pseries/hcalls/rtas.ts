import type { MachineHandlers } from "./hcall.js";

export const rtasHcalls = {
  /** What the RTAS stub calls: r4 is the real address of the argument buffer. */
  H_RTAS: (context, [buffer = 0n]) => context.rtas(buffer),
} satisfies MachineHandlers;
