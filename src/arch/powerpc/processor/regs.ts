/** KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS. */
import { KvmError } from "../../../base/errors.js";
import { listOf, options, u64 } from "../../../base/takes.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { state } from "../engines/layout.js";
import type { PpcRegs, PpcSregs } from "../uapi.js";
import { processorChanged } from "./processor.js";
import { contextChanged, getCr, getField, getXer, setCr, setField, setXer } from "./vcpu.js";

const plain = ["pc", "ctr", "lr", "msr", "srr0", "srr1", "pid"] as const;
const sprgs = ["sprg0", "sprg1", "sprg2", "sprg3"] as const;
/** struct kvm_regs has eight; Book3S four. */
const sprgCount = 8;

const takesRegs = options({
  ...Object.fromEntries(plain.map((name) => [name, u64])),
  cr: u64,
  xer: u64,
  sprg: listOf(u64),
  gpr: listOf(u64),
});
const takesSregs = options({ pvr: u64 });

export function getRegs(vcpu: VcpuInside): PpcRegs {
  const one = (name: (typeof plain)[number]) => getField(vcpu, name);
  return {
    pc: one("pc"),
    cr: getCr(vcpu),
    ctr: one("ctr"),
    lr: one("lr"),
    xer: getXer(vcpu),
    msr: one("msr"),
    srr0: one("srr0"),
    srr1: one("srr1"),
    pid: one("pid"),
    sprg: Array.from({ length: sprgCount }, (_, i) => {
      const name = sprgs[i];
      return name ? getField(vcpu, name) : 0n;
    }),
    gpr: Array.from({ length: state.gpr.count }, (_, i) => getField(vcpu, "gpr", i)),
  };
}

/** EINVAL: not 32 GPRs and at least 4 SPRGs. */
export function setRegs(vcpu: VcpuInside, regs: PpcRegs): void {
  takesRegs(regs, "vcpu.setRegs", "regs");
  if (regs.gpr.length !== state.gpr.count || regs.sprg.length < sprgs.length) {
    throw new KvmError("EINVAL", "KVM_SET_REGS wants 32 GPRs and 8 SPRGs");
  }
  for (const name of plain) setField(vcpu, name, regs[name]);
  setCr(vcpu, regs.cr);
  setXer(vcpu, regs.xer);
  for (const [i, name] of sprgs.entries()) setField(vcpu, name, regs.sprg[i] ?? 0n);
  for (const [i, value] of regs.gpr.entries()) setField(vcpu, "gpr", value, i);
  contextChanged(vcpu);
}

export const getSregs = (vcpu: VcpuInside): PpcSregs => ({ pvr: getField(vcpu, "pvr") });

/** Which instructions there are goes by the PVR, as in KVM-PR. EINVAL: pvr is no number of 32 bits. */
export function setSregs(vcpu: VcpuInside, sregs: PpcSregs): void {
  takesSregs(sregs, "vcpu.setSregs", "sregs");
  const { pvr } = sregs;
  if (pvr >> 32n) throw new KvmError("EINVAL", "KVM_SET_SREGS: pvr is a bigint of 32 bits");
  setField(vcpu, "pvr", pvr);
  processorChanged(vcpu);
}
