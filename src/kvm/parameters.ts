/** The parameters of kvm modules. Those of VMs are each only the default of one of the VM's own, which KVM_ENABLE_CAP sets. */
import type { Parameters, ParameterValues } from "../modules/parameters.js";
import { KVM_CAP_HALT_POLL } from "./constants.js";
import type { VmMemory } from "./memory.js";
import { vmState } from "./state.js";

export const kvmParameters = {
  halt_poll_ns: {
    type: "uint",
    // As on Linux for x86.
    default: 200_000,
    writable: true,
    description: "How long a vCPU that halts may look for work before it sleeps, ns; a VM's own: KVM_CAP_HALT_POLL",
  },
} as const satisfies Parameters;

/** Besides, what is the module's own. */
export const kvmModuleParameters = {
  ...kvmParameters,
  node: {
    type: "charp",
    default: "kvm",
    description: "The name in /dev, of which each kvm that is loaded has its own",
  },
} as const satisfies Parameters;

export type KvmParameters = ParameterValues<typeof kvmParameters>;

/** What the parameters are if nobody gives others. */
export const kvmDefaults: KvmParameters = { halt_poll_ns: kvmParameters.halt_poll_ns.default };

/** The extension that sets a VM's own value. */
export const perVmCapability = {
  halt_poll_ns: KVM_CAP_HALT_POLL,
} as const satisfies Record<keyof typeof kvmParameters, number>;

/** Gives a new VM the defaults as they are now; changing them later changes no VM. */
export function setDefaults(memory: VmMemory, parameters: KvmParameters): void {
  memory.setI32(vmState.haltPollNs, parameters.halt_poll_ns);
}
