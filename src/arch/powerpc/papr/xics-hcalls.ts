/** The hypercalls of the XICS (CONFIG_KVM_XICS). Without it they go to the user side. */

import { cppr } from "./cppr.js";
import { eoi } from "./eoi.js";
import type { Hcall } from "./hcall.js";
import { interruptPoll } from "./interrupt-poll.js";
import { ipi } from "./ipi.js";
import { xirr } from "./xirr.js";
import { xirrX } from "./xirr-x.js";

export const xicsHcalls: readonly Hcall[] = [eoi, cppr, ipi, interruptPoll, xirr, xirrX];
