import { RtasStatus, rtas } from "./rtas.js";

/** Ends the machine. The inputs name events that could turn it on again, of which there are none. */
export const powerOff = rtas(0x2003, "power-off", [2, 1], (host) => {
  host.powerOff();
  return RtasStatus.success;
});
