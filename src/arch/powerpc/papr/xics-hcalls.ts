/** The XICS (CONFIG_KVM_XICS). Without it they go to the user side. Source: PAPR, "Interrupt Hypervisor Calls". */
import { type HcallHandlers, HcallStatus, tooHard } from "./hcall.js";

export const xicsHcalls = {
  /** Ends an interrupt: the argument is what H_XIRR gave. */
  H_EOI: ({ vm, server }, [xirr]) => {
    if (!vm.xics || server === undefined) return tooHard;
    vm.xics.end(server, Number(xirr & 0xffffffffn));
    return HcallStatus.success;
  },

  /** Sets the processor's priority: interrupts of this or a less favoured one wait. */
  H_CPPR: ({ vm, server }, [priority]) => {
    if (!vm.xics || server === undefined) return tooHard;
    vm.xics.setPriority(server, Number(priority & 0xffn));
    return HcallStatus.success;
  },

  /** Asks for an inter-processor interrupt at a server, with a priority; 0xff takes it back. */
  H_IPI: (vcpu, [server, priority]) => {
    const { xics } = vcpu.vm;
    if (!xics) return tooHard;
    if (server > 0xffffn) return HcallStatus.parameter;
    vcpu.trace("interrupt", "IPI", { server, priority });
    return xics.setMfrr(Number(server), Number(priority & 0xffn)) ? HcallStatus.success : HcallStatus.parameter;
  },

  /** What is presented at a server (r4) and its IPI's priority (r5), without taking it. */
  H_IPOLL: (vcpu, [server]) => {
    const { xics } = vcpu.vm;
    if (!xics) return tooHard;
    const state = server <= 0xffffn ? xics.poll(Number(server)) : undefined;
    if (!state) return HcallStatus.parameter;
    vcpu.setGpr(4, BigInt(state.xirr));
    vcpu.setGpr(5, BigInt(state.mfrr));
    return HcallStatus.success;
  },

  /** Takes the interrupt presented: r4 is the processor's old priority << 24 | the source. */
  H_XIRR: (vcpu) => {
    const { server, vm } = vcpu;
    if (!vm.xics || server === undefined) return tooHard;
    const taken = vm.xics.accept(server);
    vcpu.trace("interrupt", "XIRR", { server, xirr: taken });
    vcpu.setGpr(4, BigInt(taken));
    return HcallStatus.success;
  },

  /** H_XIRR, and in r5 the time base at which it came. */
  H_XIRR_X: (vcpu) => {
    const { server, vm } = vcpu;
    if (!vm.xics || server === undefined) return tooHard;
    vcpu.setGpr(4, BigInt(vm.xics.accept(server)));
    vcpu.setGpr(5, vcpu.timeBase());
    return HcallStatus.success;
  },
} satisfies HcallHandlers;
