/**
 * Model-specific registers: those that the engine keeps, and a row for each that the kernel side answers for.
 * Source: Intel SDM, volume 4; AMD APM, volume 2; Documentation/virt/kvm/x86/msr.rst.
 */
import type { VcpuInside } from "../../../kvm/inside.js";
import { msrPlaces } from "../engines/msrs.js";
import type { X86MsrEntry } from "../uapi.js";
import * as vendor from "../vendor.js";
import { x86Vcpu } from "../vm/state.js";
import { x86VmOf } from "../vm/x86-vm.js";
import { kvmClockMsrs } from "./kvmclock.js";
import type { MsrRow } from "./msr-row.js";
import { contextChanged, flushTranslations, getField, getMsr, setField, setMsr, timeStamp } from "./vcpu.js";

/** Registers that the engine keeps, by number: their places. */
const kept: ReadonlyMap<number, number> = new Map<number, number>([
  [0x1b, msrPlaces.apicBase],
  [0x8b, msrPlaces.microcode],
  [0x174, msrPlaces.sysenterCs],
  [0x175, msrPlaces.sysenterEsp],
  [0x176, msrPlaces.sysenterEip],
  [0x1a0, msrPlaces.miscEnable],
  [0x250, msrPlaces.mtrrFixed],
  [0x258, msrPlaces.mtrrFixed + 1],
  [0x259, msrPlaces.mtrrFixed + 2],
  ...Array.from({ length: 8 }, (_, i) => [0x268 + i, msrPlaces.mtrrFixed + 3 + i] as const),
  ...Array.from({ length: 16 }, (_, i) => [0x200 + i, msrPlaces.mtrrVariable + i] as const),
  [0x277, msrPlaces.pat],
  [0x2ff, msrPlaces.mtrrDefaultType],
  [0xc0000080, msrPlaces.efer],
  [0xc0000081, msrPlaces.star],
  [0xc0000082, msrPlaces.lstar],
  [0xc0000083, msrPlaces.cstar],
  [0xc0000084, msrPlaces.syscallMask],
  [0xc0000102, msrPlaces.kernelGsBase],
  [0xc0000103, msrPlaces.tscAux],
]);

const keptAt = x86Vcpu.offset.kept;

const apicFirst = 0x800;
const apicLast = 0x8ff;
const apicBits = { first: 0x100n, registers: 0x400n, enabled: 0x800n } as const;
/** Of IA32_APIC_BASE what there is: the address has 40 bits. */
const apicKnown = 0xff_ffff_ffffn & ~0x2ffn;

const fixed = (number: number, value: bigint, takesWrites: boolean): MsrRow => ({
  number,
  read: () => value,
  write: () => takesWrites,
});
/** Keeps what is written into it, of these bits. */
const keeping = (number: number, place: number, bits = -1n): MsrRow => ({
  number,
  read: ({ archRecord, vm }) => vm.mem.u64(archRecord + keptAt + 8 * place),
  write: ({ archRecord, vm }, value) => {
    if (value & ~bits) return false;
    vm.mem.setI64(archRecord + keptAt + 8 * place, value);
    return true;
  },
});

/** What every vendor's processor has beside what the engine keeps. */
const common: readonly MsrRow[] = [
  {
    number: 0x10,
    read: timeStamp,
    write: (vcpu, value) => {
      setField(vcpu, "tscOffset", getField(vcpu, "tscOffset") + value - timeStamp(vcpu));
      return true;
    },
  },
  {
    // IA32_APIC_BASE: from off to memory to registers; back only through off.
    number: 0x1b,
    read: (vcpu) => getMsr(vcpu, "apicBase"),
    write: (vcpu, value) => {
      const { enabled, registers } = apicBits;
      const old = getMsr(vcpu, "apicBase");
      if (value & ~apicKnown || (value & registers && !(value & enabled))) return false;
      if (old & registers && value & enabled && !(value & registers)) return false;
      if (!(old & enabled) && value & registers) return false;
      setMsr(vcpu, "apicBase", value);
      return true;
    },
  },
  // IA32_TSC_ADJUST.
  {
    number: 0x3b,
    read: (vcpu) => keeping(0x3b, 0).read(vcpu),
    write: (vcpu, value) => {
      const row = keeping(0x3b, 0);
      setField(vcpu, "tscOffset", getField(vcpu, "tscOffset") + value - (row.read(vcpu) ?? 0n));
      return row.write(vcpu, value);
    },
  },
  // IA32_SPEC_CTRL, IA32_PRED_CMD, IA32_FLUSH_CMD.
  keeping(0x48, 1, 0x7n),
  { number: 0x49, read: () => undefined, write: (_, value) => value === 0n || value === 1n },
  // Machine checks: no banks.
  fixed(0x179, 0n, false),
  keeping(0x17a, 2),
  keeping(0x17b, 3),
  // IA32_XSS: no component is the supervisor's alone.
  keeping(0xda0, 5, 0n),
  // IA32_DEBUGCTL.
  keeping(0x1d9, 4, 0n),
  {
    // IA32_TSC_DEADLINE.
    number: 0x6e0,
    read: (vcpu) => x86VmOf(vcpu.vm).irqchip && x86VmOf(vcpu.vm).of(vcpu).lapic.deadline,
    write: (vcpu, value) => {
      const { irqchip } = x86VmOf(vcpu.vm);
      if (!irqchip) return false;
      irqchip.locked(() => {
        x86VmOf(vcpu.vm).of(vcpu).lapic.deadline = value;
      });
      return true;
    },
  },
  {
    number: 0xc0000100,
    read: (vcpu) => getField(vcpu, "segmentBase", 4),
    write: (vcpu, value) => setBase(vcpu, 4, value),
  },
  {
    number: 0xc0000101,
    read: (vcpu) => getField(vcpu, "segmentBase", 5),
    write: (vcpu, value) => setBase(vcpu, 5, value),
  },
  fixed(0xfe, 0x508n, false),
  ...kvmClockMsrs,
];

function setBase(vcpu: VcpuInside, segment: number, value: bigint): boolean {
  setField(vcpu, "segmentBase", value, segment);
  contextChanged(vcpu);
  return true;
}

const commonByNumber: ReadonlyMap<number, MsrRow> = new Map(common.map((row) => [row.number, row]));

/** What RDMSR gives, of a register that the engine has not; and for the user side of every one. */
export function readMsr(vcpu: VcpuInside, number: number): bigint | undefined {
  const row = commonByNumber.get(number);
  if (row) return row.read(vcpu);
  const place = kept.get(number);
  if (place !== undefined) return getField(vcpu, "msrs", place);
  if (number >= apicFirst && number <= apicLast) return readApic(vcpu, number - apicFirst);
  return vendor.msrs.find((one) => one.number === number)?.value;
}

export function writeMsr(vcpu: VcpuInside, number: number, value: bigint): boolean {
  const row = commonByNumber.get(number);
  if (row) return row.write(vcpu, value);
  const place = kept.get(number);
  if (place !== undefined) {
    setField(vcpu, "msrs", value, place);
    contextChanged(vcpu);
    if (place === msrPlaces.efer) flushTranslations(vcpu.vm);
    return true;
  }
  if (number >= apicFirst && number <= apicLast) {
    const { irqchip } = x86VmOf(vcpu.vm);
    const one = x86VmOf(vcpu.vm).of(vcpu);
    if (!irqchip || one.apicMode !== "registers") return false;
    return irqchip.locked(() => one.lapic.storeRegister(number - apicFirst, value, one.now));
  }
  return vendor.msrs.find((one) => one.number === number)?.takesWrites ?? false;
}

function readApic(vcpu: VcpuInside, register: number): bigint | undefined {
  const { irqchip } = x86VmOf(vcpu.vm);
  const one = x86VmOf(vcpu.vm).of(vcpu);
  if (!irqchip || one.apicMode !== "registers") return undefined;
  return irqchip.locked(() => one.lapic.loadRegister(register, one.now));
}

/** KVM_GET_MSRS: how many. */
export function getMsrs(vcpu: VcpuInside, entries: readonly X86MsrEntry[]): number {
  for (const [done, entry] of entries.entries()) {
    const value = readMsr(vcpu, entry.index);
    if (value === undefined) return done;
    entry.data = value;
  }
  return entries.length;
}

/** KVM_SET_MSRS: how many. */
export function setMsrs(vcpu: VcpuInside, entries: readonly X86MsrEntry[]): number {
  const failed = entries.findIndex(({ index, data }) => !writeMsr(vcpu, index, data));
  return failed < 0 ? entries.length : failed;
}

/** KVM_GET_MSR_INDEX_LIST. */
export const msrIndexList = (): number[] =>
  [...new Set([...commonByNumber.keys(), ...kept.keys()])].sort((a, b) => a - b);
