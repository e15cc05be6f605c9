import { noEvent } from "./check-exception.js";
import { rtas } from "./rtas.js";

/** The platform's next event, if there is one. This machine has no sources of events. */
export const eventScan = rtas(0x200f, "event-scan", [4, 1], () => noEvent);
