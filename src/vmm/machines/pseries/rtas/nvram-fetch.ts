import { RtasStatus, rtas } from "./rtas.js";

/** Copies NVRAM into memory: offset, buffer, length. */
export const nvramFetch = rtas(
  0x2012,
  "nvram-fetch",
  [3, 2],
  (host, { inputs: [offset = 0, buffer = 0, length = 0], outputs }) => {
    outputs.push(0);
    const bytes = host.nvram.fetch(offset, length);
    if (!bytes || !host.memory.write(buffer, bytes)) return RtasStatus.parameterError;
    outputs[0] = length;
    return RtasStatus.success;
  },
);
