import { RtasStatus, rtas } from "./rtas.js";

/** Copies memory into NVRAM: offset, buffer, length. */
export const nvramStore = rtas(
  0x2013,
  "nvram-store",
  [3, 2],
  (host, { inputs: [offset = 0, buffer = 0, length = 0], outputs }) => {
    outputs.push(0);
    const bytes = host.memory.view(buffer, length);
    if (!bytes || !host.nvram.store(offset, bytes)) return RtasStatus.parameterError;
    outputs[0] = length;
    return RtasStatus.success;
  },
);
