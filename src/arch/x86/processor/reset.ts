/** A vCPU after power-on and after INIT. Source: Intel SDM, volume 3, "Processor Management and Initialization". */

import type { VcpuInside } from "../../../kvm/inside.js";
import { FloatControl, Mxcsr } from "../engines/float-words.js";
import { Segment } from "../engines/layout.js";
import { Debug6, Debug7 } from "../engines/registers.js";
import { debugChanged } from "./debug.js";
import { contextChanged, setField, setMsr } from "./vcpu.js";

/** Present, and by kind: code, data, LDT, TSS of 32 bits. */
const Access = { code: 0x9bn, data: 0x93n, ldt: 0x82n, tss: 0x8bn } as const;
const apicBase = 0xfee0_0000n;
/** IA32_PAT: write-back, write-through, uncached minus, uncached; twice. */
const memoryTypes = 0x0007_0406_0007_0406n;

/** What both have in common. `signature` is CPUID's. */
export function resetRegisters(vcpu: VcpuInside, signature: bigint): void {
  const put = (field: Parameters<typeof setField>[1], value: bigint, index = 0) => setField(vcpu, field, value, index);
  for (let i = 0; i < 16; i++) put("general", i === 2 ? signature : 0n, i);
  put("zero", 1n);
  put("sign", 1n);
  put("overflow", 0n);
  put("carry", 0n);
  put("adjust", 0n);
  put("systemFlags", 2n);
  for (const number of [
    Segment.es,
    Segment.cs,
    Segment.ss,
    Segment.ds,
    Segment.fs,
    Segment.gs,
    Segment.ldtr,
    Segment.tr,
  ]) {
    const kinds: Readonly<Record<number, bigint>> = {
      [Segment.cs]: Access.code,
      [Segment.ldtr]: Access.ldt,
      [Segment.tr]: Access.tss,
    };
    put("selector", 0n, number);
    put("segmentBase", 0n, number);
    put("segmentLimit", 0xffffn, number);
    put("segmentAccess", kinds[number] ?? Access.data, number);
  }
  startAt(vcpu, 0xf000n, 0xffff_0000n, 0xfff0n);
  put("cpl", 0n);
  for (const table of ["gdt", "idt"] as const) {
    put(`${table}Base`, 0n);
    put(`${table}Limit`, 0xffffn);
  }
  put("control", 0x6000_0010n, 0);
  for (const i of [2, 3, 4]) put("control", 0n, i);
  put("taskPriority", 0n);
  put("xcr0", 1n);
  for (let i = 0; i < 6; i++) put("debug", 0n, i);
  put("debug", Debug6.fixed, 6);
  put("debug", BigInt(Debug7.fixed), 7);
  setMsr(vcpu, "debugControl", 0n);
  for (const field of [
    "debugPending",
    "shadow",
    "interruptPending",
    "interruptRequest",
    "nmiPending",
    "nmiBlocked",
  ] as const)
    put(field, 0n);
  debugChanged(vcpu);
  setMsr(vcpu, "efer", 0n);
  contextChanged(vcpu);
}

/** Power-on alone: what INIT leaves. */
export function powerOn(vcpu: VcpuInside, signature: bigint, isBoot: boolean): void {
  resetRegisters(vcpu, signature);
  setMsr(vcpu, "pat", memoryTypes);
  // As FNINIT leaves the x87, which RESET does not, but KVM.
  setField(vcpu, "floatControl", BigInt(FloatControl.initial));
  setField(vcpu, "mxcsr", BigInt(Mxcsr.initial));
  // Fast strings.
  setMsr(vcpu, "miscEnable", 1n);
  setMsr(vcpu, "apicBase", apicBase | 0x800n | (isBoot ? 0x100n : 0n));
  // Registers that the engine lacks are asked of the kernel side.
  setField(vcpu, "msrExits", 1n);
}

/** Where real-mode code goes on: so far from the code segment's base. */
export function startAt(vcpu: VcpuInside, selector: bigint, base: bigint, offset: bigint): void {
  setField(vcpu, "selector", selector, Segment.cs);
  setField(vcpu, "segmentBase", base, Segment.cs);
  setField(vcpu, "pc", base + offset);
}
