/** Processors: who runs, and in which mode. */
import { Msr } from "../isa/msr.js";
import { type HcallHandlers, HcallStatus } from "./hcall.js";
import { registerVpa } from "./register-vpa.js";
import { setMode } from "./set-mode.js";

const everyone = BigInt.asUintN(64, -1n);

export const processorHcalls = {
  /** Gives the processor back until an interrupt or a prod, with external interrupts enabled. */
  H_CEDE: (vcpu) => {
    vcpu.setRegister("msr", vcpu.getRegister("msr") | Msr.EE);
    if (!vcpu.takeProd()) vcpu.halt();
    return HcallStatus.success;
  },

  /**
   * Gives this processor's time to another. Where every vCPU has a thread of the host there is nothing to hand over: the host
   * schedules whoever can run. Where they share one, the others come first.
   */
  H_CONFER: (vcpu, [target]) => {
    if (target !== everyone && !vcpu.vm.vcpu(target)) return HcallStatus.parameter;
    vcpu.giveWay();
    return HcallStatus.success;
  },

  /** Wakes a processor that ceded, or makes its next H_CEDE return at once. */
  H_PROD: (vcpu, [target]) => {
    const other = vcpu.vm.vcpu(target);
    if (!other) return HcallStatus.parameter;
    other.prod();
    return HcallStatus.success;
  },

  /** Writes SPRG0 of the calling processor. Its being there is what "hcall-sprg0" in the device tree promises. */
  H_SET_SPRG0: (vcpu, [value]) => {
    vcpu.setRegister("sprg0", value);
    return HcallStatus.success;
  },

  H_REGISTER_VPA: registerVpa,

  H_SET_MODE: setMode,
} satisfies HcallHandlers;
