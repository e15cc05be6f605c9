/** Misuse of a vCPU's calls. */

import assert from "node:assert/strict";
import { KVM_REG_PPC_DAR, KVM_REG_PPC_ICP_STATE } from "../../src/arch/powerpc/uapi.js";
import {
  KVM_CAP_IRQ_XICS,
  KVM_CAP_PPC_IRQ_XIVE,
  KVM_CAP_PPC_PAPR,
  KVM_DEV_TYPE_XICS,
  KVM_GUESTDBG_ENABLE,
  KVM_REG_PPC,
  KVM_REG_SIZE_U32,
} from "../../src/kvm/constants.js";
import { allocate } from "../../src/kvm/heap.js";
import type { VmCore } from "../../src/kvm/vm.js";
import type { CasesOf } from "./cases.js";
import { type Fixture, soon } from "./fixture.js";
import { full } from "./vm-cases.js";

const unknown = KVM_REG_PPC | 0x0030_0000_0000_0fffn;
const narrow = (KVM_REG_PPC_DAR & 0xffffn) | KVM_REG_PPC | KVM_REG_SIZE_U32;

function closed({ vm, cpu }: Fixture) {
  cpu.close();
  // The fixture closes once more, which is harmless.
  return { vm, cpu };
}

/** From inside run(): what a second thread would find. */
function runTwice(it: Fixture): void {
  it.code("li 3, 0x58\nsc 1\n");
  it.vm.setTrace({ categories: ["exit"], sink: () => it.cpu.run({ deadline: soon() }) });
  it.cpu.run({ deadline: soon() });
}

/** Takes what is left where no page has room. */
function exhaust(vm: object): void {
  assert.throws(() => {
    for (;;) allocate((vm as VmCore).mem, 64);
  }, /ENOMEM/);
}

export const vcpuCases: CasesOf<
  | "KVM_ENABLE_CAP (vcpu)"
  | "KVM_GET_STATS_FD (vcpu)"
  | "KVM_RUN"
  | "KVM_GET_REGS"
  | "KVM_SET_REGS"
  | "KVM_GET_SREGS"
  | "KVM_SET_SREGS"
  | "KVM_GET_ONE_REG"
  | "KVM_SET_ONE_REG"
  | "KVM_GET_REG_LIST"
  | "KVM_INTERRUPT"
  | "KVM_SET_GUEST_DEBUG"
  | "KVM_GET_MP_STATE"
  | "KVM_SET_MP_STATE"
> = {
  "KVM_ENABLE_CAP (vcpu)": {
    EBADF: ({ cpu }) => cpu.enableCap({ cap: KVM_CAP_IRQ_XICS, args: [1003, 0] }),
    EBUSY: ({ xics, cpu }) => cpu.enableCap({ cap: KVM_CAP_IRQ_XICS, args: [xics.fd, 0] }),
    EEXIST: ({ xics, vm }) => vm.createVcpu(1).enableCap({ cap: KVM_CAP_IRQ_XICS, args: [xics.fd, 0] }),
    EINVAL: ({ cpu }) => cpu.enableCap({ cap: KVM_CAP_PPC_PAPR, flags: 1 }),
    ENOMEM: (it) => {
      const { xive, vm } = it;
      const vcpu = vm.createVcpu(1);
      full(it);
      exhaust(vm);
      vcpu.enableCap({ cap: KVM_CAP_PPC_IRQ_XIVE, args: [xive.fd, 1] });
    },
    EPERM: ({ vm, cpu }) => {
      vm.createDevice(KVM_DEV_TYPE_XICS);
      cpu.enableCap({ cap: KVM_CAP_IRQ_XICS, args: [5, 0] });
    },
  },
  "KVM_GET_STATS_FD (vcpu)": { EBADF: (it) => closed(it).cpu.getStatsFd() },
  KVM_RUN: {
    EBADF: (it) => closed(it).cpu.run({ deadline: soon() }),
    EBUSY: runTwice,
    EINVAL: ({ cpu }) => cpu.run({ wait: true, deadline: soon() }),
  },
  KVM_GET_REGS: {},
  KVM_SET_REGS: { EINVAL: ({ cpu }) => cpu.setRegs({ ...cpu.getRegs(), gpr: [1n] }) },
  KVM_GET_SREGS: {},
  KVM_SET_SREGS: { EINVAL: ({ cpu }) => cpu.setSregs({} as { pvr: bigint }) },
  KVM_GET_ONE_REG: {
    EINVAL: ({ cpu }) => cpu.getOneReg(narrow),
    ENOENT: ({ cpu }) => cpu.getOneReg(unknown),
    ENXIO: ({ cpu }) => cpu.getOneReg(KVM_REG_PPC_ICP_STATE),
  },
  KVM_SET_ONE_REG: {
    EINVAL: ({ cpu }) => cpu.setOneReg(KVM_REG_PPC_DAR, 1n << 64n),
    ENOENT: ({ cpu }) => cpu.setOneReg(unknown, 0n),
    ENXIO: ({ cpu }) => cpu.setOneReg(KVM_REG_PPC_ICP_STATE, 0n),
  },
  KVM_GET_REG_LIST: {},
  KVM_INTERRUPT: { EINVAL: ({ cpu }) => cpu.interrupt(1) },
  KVM_SET_GUEST_DEBUG: {
    EINVAL: ({ cpu }) => cpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE, breakpoints: Array(17).fill(0n) }),
  },
  KVM_GET_MP_STATE: { EINVAL: ({ cpu }) => cpu.getMpState() },
  KVM_SET_MP_STATE: { EINVAL: ({ cpu }) => cpu.setMpState(0) },
};
