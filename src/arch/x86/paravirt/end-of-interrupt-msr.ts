/** MSR_KVM_PV_EOI_EN, by which a guest says where its word is. */
import { placeOf } from "../processor/guest-memory.js";
import type { MsrRow } from "../processor/msr-row.js";
import { recordAt } from "../processor/vcpu.js";
import { x86VcpuOf, x86VmOf } from "../vm/x86-vm.js";
import { addressOf, enabled, reserved, value } from "./end-of-interrupt.js";

/** As KVM: the word is at a multiple of 4, in memory that there is. */
export const endOfInterrupt: MsrRow = {
  number: 0x4b564d04,
  read: value,
  write: (vcpu, msr) => {
    const vm = x86VmOf(vcpu.vm);
    if (msr & reserved || !vm.irqchip) return false;
    if (msr & enabled && placeOf(vcpu.vm, addressOf(msr), 4) === undefined) return false;
    // What was offered by the word before.
    vm.irqchip.locked(() => x86VcpuOf(vcpu).lapic.settleEnd());
    vcpu.vm.mem.setI64(recordAt(vcpu, "endOfInterrupt"), BigInt.asIntN(64, msr));
    return true;
  },
};
