/** A POWER vCPU's registers in the VM's memory, for the slow paths. Only for who holds the vCPU (see kvm/uapi.ts). */
import { vcpuFields } from "../../../engine/vcpu-fields.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { Request, type StateField, state } from "../engines/layout.js";
import { type RegisterName, registers } from "../isa/registers.js";
import { ppcVcpu } from "../vm/state.js";

export const { addressOf, getField, setField, request } = vcpuFields<StateField>(state);

export const gpr = (vcpu: VcpuInside, number: number): bigint => vcpu.vm.mem.u64(addressOf(vcpu, "gpr", number));
export const setGpr = (vcpu: VcpuInside, number: number, value: bigint): void =>
  vcpu.vm.mem.setI64(addressOf(vcpu, "gpr", number), value);

/** The engine renews what derives from registers before it goes on. */
export function contextChanged(vcpu: VcpuInside): void {
  request(vcpu, Request.context);
}

/** Something became pending: a running vCPU looks, a halted one wakes. [any thread] */
export function notifyInterrupt(vcpu: VcpuInside): void {
  request(vcpu, Request.interrupt);
  vcpu.wake();
}

/** The architecture's part of the vCPU's record. */
export const recordAt = (vcpu: VcpuInside, field: keyof typeof ppcVcpu.offset): number =>
  vcpu.archRecord + ppcVcpu.offset[field];

/** CR as mfcr gives it. */
export function getCr(vcpu: VcpuInside): bigint {
  let cr = 0n;
  for (let field = 0; field < 8; field++) cr = (cr << 4n) | getField(vcpu, "cr", field);
  return cr;
}

export function setCr(vcpu: VcpuInside, value: bigint): void {
  for (let field = 0; field < 8; field++) setField(vcpu, "cr", (value >> BigInt(28 - 4 * field)) & 15n, field);
}

/** XER's bits that are registers of their own: name and place from the least significant end. */
const xerBits = [
  ["so", 31n],
  ["ov", 30n],
  ["ca", 29n],
  ["ov32", 19n],
  ["ca32", 18n],
] as const satisfies readonly (readonly [RegisterName, bigint])[];

export function getXer(vcpu: VcpuInside): bigint {
  return xerBits.reduce((xer, [name, bit]) => xer | (getField(vcpu, name) << bit), getField(vcpu, "xerRest"));
}

export function setXer(vcpu: VcpuInside, value: bigint): void {
  let rest = value;
  for (const [name, bit] of xerBits) {
    setField(vcpu, name, (value >> bit) & 1n);
    rest &= ~(1n << bit);
  }
  setField(vcpu, "xerRest", rest);
}

export const isRegister = (name: string): name is RegisterName => name in registers;
