import { machineHcall } from "./hcall.js";

/** What the RTAS stub calls: r4 is the real address of the argument buffer. */
export const hRtas = machineHcall(0xf000, "H_RTAS", (context, [buffer = 0n]) => context.rtas(buffer));
