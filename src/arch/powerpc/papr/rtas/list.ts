/** Every RTAS call that the kernel side can handle, once its token is defined. */
import { getXive } from "./get-xive.js";
import { intOff } from "./int-off.js";
import { intOn } from "./int-on.js";
import type { RtasCall } from "./rtas-call.js";
import { setXive } from "./set-xive.js";

export const rtasCalls = [setXive, getXive, intOn, intOff] as const satisfies readonly RtasCall[];

export const rtasByName: ReadonlyMap<string, RtasCall> = new Map(rtasCalls.map((call) => [call.name, call]));
