import { RtasStatus, rtas } from "./rtas.js";

const longestMessage = 255;

/** The operating system reports its own death, with a message of at most 255 bytes at a real address. */
export const osTerm = rtas(0x201f, "ibm,os-term", [1, 1], (host, { inputs: [address = 0] }) => {
  const room = Math.max(0, Math.min(longestMessage, host.memory.size - address));
  const bytes = host.memory.read(address, room) ?? new Uint8Array(0);
  const end = bytes.indexOf(0);
  host.crash(printable(bytes.subarray(0, end < 0 ? bytes.length : end)) || "no message");
  return RtasStatus.success;
});

/** The message goes to the user's terminal, so that no control character of the guest's may pass. */
function printable(bytes: Uint8Array): string {
  return [...bytes]
    .map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : " "))
    .join("")
    .trim();
}
