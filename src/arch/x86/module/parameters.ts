import { orderingParameters } from "../../../engine/ordering.js";
import { kvmModuleParameters } from "../../../kvm/parameters.js";

/** What both vendors' modules can be told. */
export const x86Parameters = { ...kvmModuleParameters, ...orderingParameters } as const;
