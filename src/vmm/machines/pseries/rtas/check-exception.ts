import { rtas } from "./rtas.js";

/** Status of an event call that found nothing. Source: LoPAPR, "event-scan". */
export const noEvent = 1;

/** An error's log, if there is one. This machine has no sources of platform errors. */
export const checkException = rtas(0x200e, "check-exception", [6, 1], () => noEvent);
