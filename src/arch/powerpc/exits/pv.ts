/**
 * KVM's own hypercalls, for guests that are not told of PAPR's: `sc` in supervisor state with a magic number in r0, the
 * call in r11, its arguments from r3 on; the status goes to r3, results follow from r4 on.
 * Source: Documentation/virt/kvm/ppc-pv.rst; ePAPR, "Hypercalls".
 */

import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { archLayout } from "../engines/layout.js";
import { Magic } from "../interrupts/magic.js";
import { gpr, setGpr } from "../processor/vcpu.js";
import type { PpcPvinfo } from "../uapi.js";
import { ppcVcpuOf } from "../vm/ppc-vm.js";

/** KVM_PPC_PVINFO_FLAGS_EV_IDLE: EV_IDLE can be called. */
const evIdleFlag = 1;

/** Calls by token: the vendor's number in the upper half. */
const token = { idle: (1 << 16) | 16, features: (42 << 16) | 3 } as const;
/** EV_SUCCESS, EV_UNIMPLEMENTED. */
const status = { success: 0n, unimplemented: 12n } as const;

/** KVM_PPC_GET_PVINFO. From then on the VM's guest can make the calls. */
export function getPvinfo(vm: VmInside): PpcPvinfo {
  vm.mem.store(archLayout.pvCalls, 1);
  const lis = 0x3c000000 | (Magic.pvR0 >>> 16);
  const ori = 0x60000000 | (Magic.pvR0 & 0xffff);
  const sc = 0x44000002;
  const nop = 0x60000000;
  return { flags: evIdleFlag, hcall: [lis, ori, sc, nop] };
}

/** The guest has made one. There is no magic page: all registers it would hold are the guest's own here. */
export function pvCall(vcpu: VcpuInside): void {
  switch (Number(BigInt.asUintN(32, gpr(vcpu, 11)))) {
    case token.features:
      setGpr(vcpu, 4, 0n);
      setGpr(vcpu, 3, status.success);
      return;
    case token.idle:
      setGpr(vcpu, 3, status.success);
      ppcVcpuOf(vcpu).halt();
      return;
    default:
      setGpr(vcpu, 3, status.unimplemented);
  }
}
