import { rtas, RtasStatus } from "./rtas.js";

/** Writes one character to the console. */
export const displayCharacter = rtas(0x2000, "display-character", [1, 1], ({ console }, { inputs: [character = 0] }) =>
  console.put(1, BigInt(character & 255) << 56n, 0n) ? RtasStatus.success : RtasStatus.busy,
);
