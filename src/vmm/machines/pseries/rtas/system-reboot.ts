import { RtasStatus, rtas } from "./rtas.js";

/** Starts the machine anew. */
export const systemReboot = rtas(0x2004, "system-reboot", [0, 1], (host) => {
  host.reboot();
  return RtasStatus.success;
});
