/** When a vCPU runs, waits and wakes: its timers, INIT and SIPI, HLT. */
import { codeMaps } from "../../../engine/code-maps.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { vmLayout } from "../../../kvm/layout.js";
import { codePage } from "../engines/layout.js";
import { RFlags } from "../engines/registers.js";
import { runs } from "../paravirt/steal-time.js";
import { showVapic } from "../paravirt/vapic.js";
import {
  KVM_GUESTDBG_BLOCKIRQ,
  KVM_MP_STATE_HALTED,
  KVM_MP_STATE_INIT_RECEIVED,
  KVM_MP_STATE_RUNNABLE,
} from "../uapi.js";
import * as vendor from "../vendor.js";
import { started, x86VcpuOf } from "../vm/x86-vm.js";
import { resetRegisters, startAt } from "./reset.js";
import { addressOf, getField, recordAt, tscRate } from "./vcpu.js";

/** The soft TLB's pages have 4 KiB. */
const { prepareCode, createCodeMaps } = codeMaps(addressOf, { maps: codePage.kinds, ownedPage: 4096n, codePage });

export { createCodeMaps };

export function enter(vcpu: VcpuInside, deadline: number): void {
  const { mem } = vcpu.vm;
  prepareCode(vcpu.vm);
  if (mem.i32(recordAt(vcpu, "ready")) === 0) {
    vcpu.engineReset();
    mem.setI32(recordAt(vcpu, "ready"), 1);
  }
  runs(vcpu);
  const one = x86VcpuOf(vcpu);
  // The engine leaves when an interrupt could be put in.
  if (mem.load(recordAt(vcpu, "window")) !== 0 && one.takesFromUser) mem.store(addressOf(vcpu, "interruptRequest"), 1);
  one.vm.irqchip?.expire(one, one.isFirst, one.now);
  showVapic(vcpu);
  const due = Math.min(deadline - mem.f64(vmLayout.clockBase), timerDue(vcpu));
  // In the time-stamp counter's ticks, without its offset; 0 is never.
  mem.setI64(addressOf(vcpu, "leaveAt"), Number.isFinite(due) ? BigInt(Math.max(1, Math.ceil(due * tscRate))) : 0n);
}

/** The guest's time, ms. */
function timerDue(vcpu: VcpuInside): number {
  const one = x86VcpuOf(vcpu);
  return one.vm.irqchip?.due(one, one.isFirst) ?? Number.POSITIVE_INFINITY;
}

/** When a halted one has something to do by itself: ms of the host's clock. */
export function wakeTime(vcpu: VcpuInside): number {
  const { mem } = vcpu.vm;
  if (mem.load(recordAt(vcpu, "mpState")) !== KVM_MP_STATE_HALTED) return Number.POSITIVE_INFINITY;
  return mem.f64(vmLayout.clockBase) + timerDue(vcpu);
}

export function runnable(vcpu: VcpuInside): boolean {
  const { mem } = vcpu.vm;
  takeInit(vcpu);
  const state = mem.load(recordAt(vcpu, "mpState"));
  if (state === KVM_MP_STATE_RUNNABLE) return true;
  if (state === KVM_MP_STATE_INIT_RECEIVED) return (mem.load(recordAt(vcpu, "startVector")) & started) !== 0;
  if (state !== KVM_MP_STATE_HALTED) return false;
  if (mem.exchange(recordAt(vcpu, "kicked"), 0) !== 0) return true;
  const one = x86VcpuOf(vcpu);
  one.vm.irqchip?.expire(one, one.isFirst, one.now);
  if (mem.load(addressOf(vcpu, "exceptionPending")) !== 0) return true;
  // What is kept away ends no halt.
  if (getField(vcpu, "guestDebug") & BigInt(KVM_GUESTDBG_BLOCKIRQ)) return false;
  if (mem.load(addressOf(vcpu, "nmiPending")) !== 0 && mem.load(addressOf(vcpu, "nmiBlocked")) === 0) return true;
  if (!(getField(vcpu, "systemFlags") & BigInt(RFlags.interrupt))) return false;
  if (mem.load(addressOf(vcpu, "interruptPending")) !== 0) return true;
  return mem.load(addressOf(vcpu, "interruptRequest")) !== 0 && (one.vm.irqchip?.waits(one) ?? false);
}

export function resumed(vcpu: VcpuInside): void {
  const { mem } = vcpu.vm;
  if (mem.load(recordAt(vcpu, "mpState")) === KVM_MP_STATE_INIT_RECEIVED) {
    const vector = BigInt(mem.exchange(recordAt(vcpu, "startVector"), 0) & 0xff);
    startAt(vcpu, vector << 8n, vector << 12n, 0n);
  }
  mem.store(recordAt(vcpu, "mpState"), KVM_MP_STATE_RUNNABLE);
}

/** An INIT that waits: the vCPU stops until a SIPI. True: there was one. */
export function takeInit(vcpu: VcpuInside): boolean {
  const { mem } = vcpu.vm;
  if (mem.load(recordAt(vcpu, "initPending")) === 0) return false;
  // Before the INIT is none any more: a SIPI that comes meanwhile, from another thread, must find the one or the other.
  mem.store(recordAt(vcpu, "mpState"), KVM_MP_STATE_INIT_RECEIVED);
  mem.store(recordAt(vcpu, "initPending"), 0);
  const one = x86VcpuOf(vcpu);
  resetRegisters(vcpu, BigInt(vendor.signature));
  one.vm.irqchip?.locked(() => one.lapic.reset(vcpu.id, one.isBoot));
  mem.setI64(recordAt(vcpu, "endOfInterrupt"), 0n);
  mem.store(recordAt(vcpu, "kicked"), 0);
  return true;
}
