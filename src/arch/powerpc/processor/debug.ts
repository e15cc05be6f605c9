/** Which breakpoints and watchpoints the engine is to look for: the guest's and those of KVM_SET_GUEST_DEBUG. */

import { KvmError } from "../../../base/errors.js";
import {
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_GUESTDBG_USE_HW_BP,
  KVM_GUESTDBG_USE_SW_BP,
} from "../../../kvm/constants.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import type { GuestDebug } from "../../../kvm/uapi.js";
import { Request } from "../engines/layout.js";
import { Ciabr, Dawrx } from "../interrupts/debug-registers.js";
import { KVMPPC_DEBUG_BREAKPOINT, KVMPPC_DEBUG_WATCH_READ, KVMPPC_DEBUG_WATCH_WRITE } from "../uapi/registers.js";
import { getField, request, setField } from "./vcpu.js";

const dawrxAccesses = Dawrx.load | Dawrx.store;
const kinds = KVMPPC_DEBUG_BREAKPOINT | KVMPPC_DEBUG_WATCH_READ | KVMPPC_DEBUG_WATCH_WRITE;

/** CIABR, DAWR0, DAWRX0 or the user's points were written. */
export function debugChanged(vcpu: VcpuInside): void {
  const breaking = (getField(vcpu, "ciabr") & Ciabr.privilege) !== 0n || getField(vcpu, "breakCount") !== 0n;
  const watching = (getField(vcpu, "dawrx0") & dawrxAccesses) !== 0n || getField(vcpu, "watchCount") !== 0n;
  // What was decoded or found without looking for them goes, and what was for their sake.
  if (breaking || getField(vcpu, "breaking") !== 0n) request(vcpu, Request.flushCode);
  if (watching || getField(vcpu, "watching") !== 0n) request(vcpu, Request.flushTlb);
  setField(vcpu, "breaking", breaking ? 1n : 0n);
  setField(vcpu, "watching", watching ? 1n : 0n);
}

export const guestDebugControl =
  KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP;

/** KVM_SET_GUEST_DEBUG. While single-stepping, points do not stop the step. EINVAL: an unknown kind of point, or x86's registers. */
export function setGuestDebug(vcpu: VcpuInside, { control, breakpoints = [], debugreg }: GuestDebug): void {
  if (debugreg) throw new KvmError("EINVAL", "KVM_SET_GUEST_DEBUG: debugreg is x86's; points are `breakpoints`");
  const on = (bit: number) => (control & KVM_GUESTDBG_ENABLE) !== 0 && (control & bit) !== 0;
  const points = breakpoints.map((point) =>
    typeof point === "bigint" ? { addr: point, type: KVMPPC_DEBUG_BREAKPOINT } : point,
  );
  for (const { type } of points) {
    if (type & ~kinds) throw new KvmError("EINVAL", `KVM_SET_GUEST_DEBUG: 0x${type.toString(16)} is no kind of point`);
  }
  setField(vcpu, "softwareBreakpoints", on(KVM_GUESTDBG_USE_SW_BP) ? 1n : 0n);
  const used = on(KVM_GUESTDBG_USE_HW_BP) && !on(KVM_GUESTDBG_SINGLESTEP) ? points : [];
  const breaks = used.filter(({ type }) => type & KVMPPC_DEBUG_BREAKPOINT);
  const watches = used.filter(({ type }) => type & ~KVMPPC_DEBUG_BREAKPOINT);
  setField(vcpu, "breakCount", BigInt(breaks.length));
  for (const [i, { addr }] of breaks.entries()) setField(vcpu, "breakAddress", addr, i);
  setField(vcpu, "watchCount", BigInt(watches.length));
  for (const [i, { addr, type }] of watches.entries()) {
    setField(vcpu, "watchAddress", addr, i);
    setField(vcpu, "watchKind", BigInt(type), i);
  }
  debugChanged(vcpu);
}
