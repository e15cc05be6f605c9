/** The virtual terminal. Source: PAPR, "Virtual Terminal (Vterm)". */
import { vtyTransfer } from "../../../devices/vty.js";
import { HcallStatus, type VcpuHandlers } from "./hcall.js";

export const terminalHcalls = {
  /** Reads up to 16 bytes from a virtual terminal: the count in r4, the bytes packed big-endian in r5 and r6. */
  H_GET_TERM_CHAR: (context, args) => {
    const terminal = context.terminal(args[0] ?? 0n);
    if (!terminal) return HcallStatus.parameter;
    const { length, high, low } = terminal.get();
    args[0] = BigInt(length);
    args[1] = high;
    args[2] = low;
    if (length > 0) context.consoleChanged();
    return HcallStatus.success;
  },

  /** Writes up to 16 bytes, packed big-endian in two registers, to a virtual terminal. */
  H_PUT_TERM_CHAR: (context, [unit = 0n, length = 0n, high = 0n, low = 0n]) => {
    const terminal = context.terminal(unit);
    if (!terminal || length < 0n || length > BigInt(vtyTransfer)) return HcallStatus.parameter;
    if (!terminal.put(Number(length), high, low)) {
      context.outputFull();
      return HcallStatus.busy;
    }
    context.consoleChanged();
    return HcallStatus.success;
  },
} satisfies VcpuHandlers;
