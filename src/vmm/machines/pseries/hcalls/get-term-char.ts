import { HcallStatus, vcpuHcall } from "./hcall.js";

/** Reads up to 16 bytes from a virtual terminal: the count in r4, the bytes packed big-endian in r5 and r6. */
export const getTermChar = vcpuHcall(0x54, "H_GET_TERM_CHAR", (context, args) => {
  const terminal = context.terminal(args[0] ?? 0n);
  if (!terminal) return HcallStatus.parameter;
  const { length, high, low } = terminal.get();
  args[0] = BigInt(length);
  args[1] = high;
  args[2] = low;
  if (length > 0) context.consoleChanged();
  return HcallStatus.success;
});
