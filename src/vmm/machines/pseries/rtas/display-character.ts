import { RtasStatus, rtas } from "./rtas.js";

/** Writes one character to the console. */
export const displayCharacter = rtas(0x2000, "display-character", [1, 1], (host, { inputs: [character = 0] }) =>
  host.displayCharacter(character & 255) ? RtasStatus.success : RtasStatus.busy,
);
