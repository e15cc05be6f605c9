/**
 * KVM_GET_FPU, KVM_GET_XSAVE, KVM_GET_XCRS, KVM_GET_DEBUGREGS, and what sets them. Source: Documentation/virt/kvm/api.rst; Intel
 * SDM, volume 1, "XSAVE Area".
 */
import { KvmError } from "../../../base/errors.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { AreaPart, extendedComponents, StateComponent } from "../engines/extended-state.js";
import { FloatControl, FloatException, FloatStatus, Mxcsr } from "../engines/float-words.js";
import { Request } from "../engines/layout.js";
import { KVM_XSAVE_SIZE, type X86Fpu, type X86Xcrs } from "../uapi.js";
import { getCpuid, stateComponents } from "./cpuid.js";
import { contextChanged, getField, request, setField } from "./vcpu.js";

const vectors = 16;
const keysAt = extendedComponents[1].offset;
/** Of an image, bytes. */
const Image = {
  control: 0,
  status: 2,
  tags: 4,
  opcode: 6,
  instruction: 8,
  data: 16,
  mxcsr: 24,
  mask: 28,
  stack: 32,
  xmm: 160,
} as const;

const put128 = (view: DataView, at: number, value: bigint): void => {
  view.setBigUint64(at, BigInt.asUintN(64, value), true);
  view.setBigUint64(at + 8, BigInt.asUintN(64, value >> 64n), true);
};
const get128 = (view: DataView, at: number): bigint =>
  view.getBigUint64(at, true) | (view.getBigUint64(at + 8, true) << 64n);
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** Where a register of the x87's stack is. */
const place = (status: bigint, i: number): number => (Number(status >> BigInt(FloatStatus.top)) + i) & 7;

/** The x87's and SSE's part of an area, as FXSAVE has it. */
function putImage(vcpu: VcpuInside, view: DataView): void {
  const status = getField(vcpu, "floatStatus");
  view.setUint16(Image.control, Number(getField(vcpu, "floatControl")), true);
  view.setUint16(Image.status, Number(status), true);
  view.setUint8(Image.tags, Number(getField(vcpu, "floatTags")));
  view.setUint16(Image.opcode, Number(getField(vcpu, "floatOpcode")), true);
  view.setBigUint64(Image.instruction, getField(vcpu, "floatInstruction"), true);
  view.setBigUint64(Image.data, getField(vcpu, "floatData"), true);
  view.setUint32(Image.mxcsr, Number(getField(vcpu, "mxcsr")), true);
  view.setUint32(Image.mask, Mxcsr.writable, true);
  for (let i = 0; i < 8; i++) {
    const value = BigInt.asUintN(80, getField(vcpu, "floatRegister", place(status, i)));
    put128(view, Image.stack + 16 * i, value);
  }
  for (let i = 0; i < vectors; i++) put128(view, Image.xmm + 16 * i, getField(vcpu, "vector", i));
}

/** The x87's words as they can be: bit 6 of the control word is set, and an exception that is not masked waits. */
function setFloat(vcpu: VcpuInside, view: DataView): void {
  const control = (view.getUint16(Image.control, true) & 0x1f3f) | FloatControl.reserved;
  let status = view.getUint16(Image.status, true) & ~(FloatStatus.summary | FloatStatus.busy);
  if (status & ~control & FloatException.exceptions) status |= FloatStatus.summary | FloatStatus.busy;
  setField(vcpu, "floatControl", BigInt(control));
  setField(vcpu, "floatStatus", BigInt(status));
  setField(vcpu, "floatTags", BigInt(view.getUint8(Image.tags)));
  setField(vcpu, "floatOpcode", BigInt(view.getUint16(Image.opcode, true) & 0x7ff));
  setField(vcpu, "floatInstruction", view.getBigUint64(Image.instruction, true));
  setField(vcpu, "floatData", view.getBigUint64(Image.data, true));
  for (let i = 0; i < 8; i++) {
    const value = BigInt.asUintN(80, get128(view, Image.stack + 16 * i));
    setField(vcpu, "floatRegister", value, place(BigInt(status), i));
  }
}

/** A view of the x87 as FNINIT and XRSTOR have it begin. */
function initial(): DataView {
  const view = new DataView(new ArrayBuffer(AreaPart.header));
  view.setUint16(Image.control, FloatControl.initial, true);
  return view;
}

/** Components that are not as they begin. */
function inUse(vcpu: VcpuInside): number {
  const any = (field: "vector" | "vectorHigh" | "floatRegister", count: number) =>
    Array.from({ length: count }, (_, i) => i).some((i) => getField(vcpu, field, i) !== 0n);
  const words = (["floatStatus", "floatTags", "floatOpcode", "floatInstruction", "floatData"] as const).some(
    (name) => getField(vcpu, name) !== 0n,
  );
  const x87 = words || getField(vcpu, "floatControl") !== BigInt(FloatControl.initial) || any("floatRegister", 8);
  const sse = any("vector", vectors) || getField(vcpu, "mxcsr") !== BigInt(Mxcsr.initial);
  return (
    (x87 ? StateComponent.x87 : 0) |
    (sse ? StateComponent.sse : 0) |
    (any("vectorHigh", vectors) ? StateComponent.avx : 0) |
    (getField(vcpu, "pkru") !== 0n ? StateComponent.keys : 0)
  );
}

/** Components that the vCPU's CPUID says, of those that there are; without CPUID the least. */
function offered(vcpu: VcpuInside): number {
  const entry = getCpuid(vcpu).find((one) => one.function === 0xd && one.index === 0);
  return (entry ? entry.eax & stateComponents() : 0) | StateComponent.x87 | StateComponent.sse;
}

function requireMxcsr(call: string, mxcsr: number): void {
  if (mxcsr & ~Mxcsr.writable)
    throw new KvmError("EINVAL", `${call}: MXCSR 0x${mxcsr.toString(16)} has bits that the processor lacks`);
}

export function getFpu(vcpu: VcpuInside): X86Fpu {
  const bytes = new Uint8Array(AreaPart.header);
  const view = viewOf(bytes);
  putImage(vcpu, view);
  return {
    fpr: bytes.slice(Image.stack, Image.xmm),
    fcw: view.getUint16(Image.control, true),
    fsw: view.getUint16(Image.status, true),
    ftwx: view.getUint8(Image.tags),
    last_opcode: view.getUint16(Image.opcode, true),
    last_ip: view.getBigUint64(Image.instruction, true),
    last_dp: view.getBigUint64(Image.data, true),
    xmm: bytes.slice(Image.xmm, Image.xmm + 16 * vectors),
    mxcsr: view.getUint32(Image.mxcsr, true),
  };
}

/** EINVAL: MXCSR has bits that the processor lacks. */
export function setFpu(vcpu: VcpuInside, fpu: X86Fpu): void {
  requireMxcsr("KVM_SET_FPU", fpu.mxcsr);
  const bytes = new Uint8Array(AreaPart.header);
  const view = viewOf(bytes);
  view.setUint16(Image.control, fpu.fcw, true);
  view.setUint16(Image.status, fpu.fsw, true);
  view.setUint8(Image.tags, fpu.ftwx);
  view.setUint16(Image.opcode, fpu.last_opcode, true);
  view.setBigUint64(Image.instruction, fpu.last_ip, true);
  view.setBigUint64(Image.data, fpu.last_dp, true);
  bytes.set(fpu.fpr, Image.stack);
  setFloat(vcpu, view);
  const xmm = viewOf(fpu.xmm);
  for (let i = 0; i < vectors; i++) setField(vcpu, "vector", get128(xmm, 16 * i), i);
  setField(vcpu, "mxcsr", BigInt(fpu.mxcsr));
}

/** An area that is not compacted, with all components that there are. */
export function getXsave(vcpu: VcpuInside): Uint8Array<ArrayBuffer> {
  const area = new Uint8Array(KVM_XSAVE_SIZE);
  const view = viewOf(area);
  putImage(vcpu, view);
  view.setBigUint64(AreaPart.header, BigInt(inUse(vcpu) & stateComponents()), true);
  for (let i = 0; i < vectors; i++) put128(view, AreaPart.extended + 16 * i, getField(vcpu, "vectorHigh", i));
  view.setUint32(keysAt, Number(getField(vcpu, "pkru")), true);
  return area;
}

/** EINVAL: components that the vCPU has not, a compacted area or another header that is none, bits of MXCSR that there are none of. */
export function setXsave(vcpu: VcpuInside, given: Uint8Array): void {
  const view = viewOf(given);
  const has = view.getBigUint64(AreaPart.header, true);
  const refuse = (what: string): never => {
    throw new KvmError("EINVAL", `KVM_SET_XSAVE: ${what}`);
  };
  if (has & ~BigInt(offered(vcpu))) refuse(`XSTATE_BV 0x${has.toString(16)} has components that the vCPU has not`);
  if (view.getBigUint64(AreaPart.compaction, true) !== 0n) refuse("XCOMP_BV is 0: areas are not compacted");
  if (given.subarray(AreaPart.reserved, AreaPart.extended).some((byte) => byte !== 0))
    refuse("the header's reserved bytes are 0");
  const mxcsr = view.getUint32(Image.mxcsr, true);
  const components = Number(has);
  if (components & (StateComponent.sse | StateComponent.avx)) requireMxcsr("KVM_SET_XSAVE", mxcsr);
  setFloat(vcpu, components & StateComponent.x87 ? view : initial());
  const put = (field: "vector" | "vectorHigh", component: number, from: number) => {
    for (let i = 0; i < vectors; i++)
      setField(vcpu, field, components & component ? get128(view, from + 16 * i) : 0n, i);
  };
  put("vector", StateComponent.sse, Image.xmm);
  put("vectorHigh", StateComponent.avx, AreaPart.extended);
  setKeys(vcpu, components & StateComponent.keys ? view.getUint32(keysAt, true) : 0);
  const keeps = components & (StateComponent.sse | StateComponent.avx);
  setField(vcpu, "mxcsr", BigInt(keeps ? mxcsr : Mxcsr.initial));
}

/** PKRU. Translations are as it was; the engine's own look at which would have to go is for what guests do often. */
function setKeys(vcpu: VcpuInside, value: number): void {
  if (getField(vcpu, "pkru") === BigInt(value)) return;
  setField(vcpu, "pkru", BigInt(value));
  request(vcpu, Request.flushTlb);
}

/** Whether XCR0 may be this where CPUID says these components. */
export const isXcr0 = (value: bigint, components: number): boolean =>
  (value & BigInt(StateComponent.x87)) !== 0n &&
  (value & ~BigInt(components)) === 0n &&
  ((value & BigInt(StateComponent.avx)) === 0n || (value & BigInt(StateComponent.sse)) !== 0n);

export const getXcrs = (vcpu: VcpuInside): X86Xcrs => ({ flags: 0, xcrs: [{ xcr: 0, value: getField(vcpu, "xcr0") }] });

/** EINVAL: flags, more registers than 16, or what XCR0 cannot be. */
export function setXcrs(vcpu: VcpuInside, { flags, xcrs }: X86Xcrs): void {
  if (flags !== 0) throw new KvmError("EINVAL", `KVM_SET_XCRS: flags 0x${flags.toString(16)}; there are none`);
  if (xcrs.length > 16) throw new KvmError("EINVAL", `KVM_SET_XCRS: ${xcrs.length} registers, and 16 at most`);
  // As Linux has it, others are left alone.
  const first = xcrs.find(({ xcr }) => xcr === 0);
  if (!first) return;
  if (!isXcr0(first.value, offered(vcpu)))
    throw new KvmError("EINVAL", `KVM_SET_XCRS: XCR0 cannot be 0x${first.value.toString(16)} on this vCPU`);
  setField(vcpu, "xcr0", first.value);
  contextChanged(vcpu);
}
