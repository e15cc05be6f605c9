import { vtyTransfer } from "../../../devices/vty.js";
import { HcallStatus, vcpuHcall } from "./hcall.js";

/** Writes up to 16 bytes, packed big-endian in two registers, to a virtual terminal. */
export const putTermChar = vcpuHcall(
  0x58,
  "H_PUT_TERM_CHAR",
  (context, [unit = 0n, length = 0n, high = 0n, low = 0n]) => {
    const terminal = context.terminal(unit);
    if (!terminal || length < 0n || length > BigInt(vtyTransfer)) return HcallStatus.parameter;
    if (!terminal.put(Number(length), high, low)) {
      context.outputFull();
      return HcallStatus.busy;
    }
    context.consoleChanged();
    return HcallStatus.success;
  },
);
