/**
 * Debug registers as the user side sees them, and KVM_SET_GUEST_DEBUG. What they do: interrupts/debug.as.ts. Source:
 * Documentation/virt/kvm/api.rst; Intel SDM, volume 3, "Debug Registers".
 */
import { KvmError } from "../../../base/errors.js";
import {
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_GUESTDBG_USE_HW_BP,
  KVM_GUESTDBG_USE_SW_BP,
} from "../../../kvm/constants.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import type { Exit, GuestDebug } from "../../../kvm/uapi.js";
import { Request } from "../engines/layout.js";
import { Debug6, Debug7 } from "../engines/registers.js";
import { Vector } from "../isa/machine.js";
import { KVM_GUESTDBG_BLOCKIRQ, KVM_GUESTDBG_INJECT_BP, KVM_GUESTDBG_INJECT_DB, type X86Debugregs } from "../uapi.js";
import { getField, notifyInterrupt, request, setField } from "./vcpu.js";

const status = 6;
const control = 7;
const addresses = [0, 1, 2, 3] as const;

/** DR7 has been written, or an address that it may name: the engine looks before it goes on. */
export const debugChanged = (vcpu: VcpuInside): void => request(vcpu, Request.debug);

export const getDebugregs = (vcpu: VcpuInside): X86Debugregs => ({
  db: addresses.map((i) => getField(vcpu, "debug", i)),
  dr6: getField(vcpu, "debug", status),
  dr7: getField(vcpu, "debug", control),
  flags: 0,
});

const statusOf = (value: bigint): bigint => Debug6.fixed | (value & BigInt(Debug6.writable));
const controlOf = (value: bigint): bigint => BigInt(Debug7.fixed) | (value & Debug7.writable);

/** EINVAL: flags, not four addresses, or DR6 or DR7 of more than 32 bits. */
export function setDebugregs(vcpu: VcpuInside, { db, dr6, dr7, flags }: X86Debugregs): void {
  if (flags !== 0) throw new KvmError("EINVAL", `KVM_SET_DEBUGREGS: flags 0x${flags.toString(16)}; there are none`);
  if (db.length !== addresses.length)
    throw new KvmError("EINVAL", `KVM_SET_DEBUGREGS: ${db.length} addresses in db, and there are four`);
  if ((dr6 | dr7) >> 32n) throw new KvmError("EINVAL", "KVM_SET_DEBUGREGS: dr6 and dr7 have 32 bits");
  for (const [i, address] of db.entries()) setField(vcpu, "debug", address, i);
  setField(vcpu, "debug", statusOf(dr6), status);
  setField(vcpu, "debug", controlOf(dr7), control);
  debugChanged(vcpu);
}

const injects = KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP;
/** What KVM_CAP_SET_GUEST_DEBUG2 answers. */
export const guestDebugControl =
  KVM_GUESTDBG_ENABLE |
  KVM_GUESTDBG_SINGLESTEP |
  KVM_GUESTDBG_USE_SW_BP |
  KVM_GUESTDBG_USE_HW_BP |
  KVM_GUESTDBG_BLOCKIRQ |
  injects;

/** EBUSY: something is to be put in, and an exception waits. EINVAL: not eight registers, a DR7 of more than 32 bits, POWER's points. */
export function setGuestDebug(vcpu: VcpuInside, { control: bits, breakpoints = [], debugreg }: GuestDebug): void {
  const refuse = (what: string): never => {
    throw new KvmError("EINVAL", `KVM_SET_GUEST_DEBUG: ${what}`);
  };
  const registers = debugreg ?? Array<bigint>(8).fill(0n);
  if (breakpoints.length > 0) refuse("`breakpoints` are POWER's; x86 has `debugreg`");
  if (registers.length !== 8) refuse(`${registers.length} registers in debugreg, and there are DR0 to DR7`);
  const dr7 = registers[control] ?? 0n;
  if (dr7 >> 32n) refuse("DR7 has 32 bits");
  if (bits & injects) {
    if (getField(vcpu, "exceptionPending") !== 0n)
      throw new KvmError("EBUSY", "KVM_SET_GUEST_DEBUG: an exception waits, and another one is to be put in");
    const vector = bits & KVM_GUESTDBG_INJECT_DB ? Vector.debug : Vector.breakpoint;
    setField(vcpu, "exceptionPending", BigInt(vector + 1));
    setField(vcpu, "exceptionError", 0n);
    setField(vcpu, "exceptionPayloadValid", 0n);
    notifyInterrupt(vcpu);
  }
  setField(vcpu, "guestDebug", bits & KVM_GUESTDBG_ENABLE ? BigInt(bits & ~injects) : 0n);
  for (const i of addresses) setField(vcpu, "hostDebug", registers[i] ?? 0n, i);
  setField(vcpu, "hostDebug", controlOf(dr7), control);
  debugChanged(vcpu);
}

/** An exit for the user side's debugger; `causes` are bits of DR6. */
function exitFor(vcpu: VcpuInside, exception: number, pc: bigint, causes: bigint): Exit {
  const isUsers = (getField(vcpu, "guestDebug") & BigInt(KVM_GUESTDBG_USE_HW_BP)) !== 0n;
  const dr7 = getField(vcpu, isUsers ? "hostDebug" : "debug", control);
  return { reason: "debug", address: pc, status: 0, arch: { exception, pc, dr6: Debug6.fixed | causes, dr7 } };
}

export const debugExit = (vcpu: VcpuInside): Exit =>
  exitFor(vcpu, Number(getField(vcpu, "exitSize")), getField(vcpu, "exitAddress"), getField(vcpu, "exitData"));

export const stepped = (vcpu: VcpuInside): Exit =>
  exitFor(vcpu, Vector.debug, getField(vcpu, "pc"), BigInt(Debug6.step));
