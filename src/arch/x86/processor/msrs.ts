/**
 * Model-specific registers: those that the engine keeps, and a row for each that the kernel side answers for.
 * Source: Intel SDM, volume 4; AMD APM, volume 2; Documentation/virt/kvm/x86/msr.rst.
 */
import { KvmError } from "../../../base/errors.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { keptMsrs, msrPlaces } from "../engines/msrs.js";
import { DebugControl } from "../engines/registers.js";
import { isCanonical } from "../mmu/paging.js";
import { endOfInterrupt } from "../paravirt/end-of-interrupt-msr.js";
import { stealTime } from "../paravirt/steal-time.js";
import { KVM_MAX_MSR_ENTRIES, type X86MsrEntry } from "../uapi.js";
import * as vendor from "../vendor.js";
import { x86Vcpu } from "../vm/state.js";
import { x86VmOf } from "../vm/x86-vm.js";
import { apicBits, setApicBase } from "./apic-base.js";
import { clockChanged, kvmClockMsrs } from "./kvmclock.js";
import type { MsrRow } from "./msr-row.js";
import { knownEfer } from "./regs.js";
import { contextChanged, flushTranslations, getField, getMsr, setField, timeStamp } from "./vcpu.js";

/** Registers that the engine keeps, by number: their places. */
const kept: ReadonlyMap<number, number> = new Map(
  Object.values(keptMsrs).flatMap(({ number, place, ...rest }) =>
    Array.from({ length: "count" in rest ? rest.count : 1 }, (_, i) => [number + i, place + i] as const),
  ),
);

const keptAt = x86Vcpu.offset.kept;

const apicFirst = 0x800;
const apicLast = 0x8ff;
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
    write: (vcpu, value) => moveTimeStamp(vcpu, value - timeStamp(vcpu)),
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
      setApicBase(vcpu, value);
      return true;
    },
  },
  // IA32_TSC_ADJUST.
  {
    number: 0x3b,
    read: (vcpu) => keeping(0x3b, 0).read(vcpu),
    write: (vcpu, value) => {
      const row = keeping(0x3b, 0);
      return moveTimeStamp(vcpu, value - (row.read(vcpu) ?? 0n)) && row.write(vcpu, value);
    },
  },
  // IA32_SPEC_CTRL: IBRS and BHI_DIS_S, which restrict nothing where nothing is predicted.
  ...(vendor.speculationControl ? [keeping(0x48, 1, 0x401n)] : []),
  // Machine checks: no banks.
  fixed(0x179, 0n, false),
  keeping(0x17a, 2),
  keeping(0x17b, 3),
  // IA32_XSS: no component is the supervisor's alone.
  keeping(0xda0, 5, 0n),
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
  stealTime,
  endOfInterrupt,
];

/** KVM's clock goes on as it was. */
function moveTimeStamp(vcpu: VcpuInside, by: bigint): boolean {
  setField(vcpu, "tscOffset", getField(vcpu, "tscOffset") + by);
  clockChanged(vcpu);
  return true;
}

function setBase(vcpu: VcpuInside, segment: number, value: bigint): boolean {
  if (!isCanonical(value)) return false;
  setField(vcpu, "segmentBase", value, segment);
  contextChanged(vcpu);
  return true;
}

/**
 * What older or larger processors say of themselves, which systems read without a question and KVM answers with the same, for no
 * list: IA32_PLATFORM_ID, EBL_CR_POWERON, EBC_FREQUENCY_ID, FSB_FREQ, BBL_CR_CTL3, IA32_PERF_STATUS, IA32_PERF_CTL.
 */
const told: readonly MsrRow[] = (
  [
    [0x17, 0n],
    [0x2a, 0n],
    [0x2c, 1n << 24n],
    [0xcd, 3n],
    [0x11e, 0xbe702111n],
    [0x198, 1000n | (4n << 40n)],
    [0x199, 0n],
  ] as const
).map(([number, value]) => fixed(number, value, false));

/** What is only written: nobody has a value of it to save. IA32_PRED_CMD: there are no predictions to forget. */
const commands: readonly MsrRow[] = vendor.speculationControl
  ? [{ number: 0x49, read: () => undefined, write: (_, value) => value >> 1n === 0n }]
  : [];

const commonByNumber: ReadonlyMap<number, MsrRow> = new Map(
  [...common, ...told, ...commands].map((row) => [row.number, row]),
);

const { sysenterEsp, sysenterEip, lstar, cstar, kernelGsBase } = msrPlaces;
const addresses: readonly number[] = [sysenterEsp, sysenterEip, lstar, cstar, kernelGsBase];

/** What the user side may put into a register that the engine keeps; undefined: nothing such. */
function valueFor(place: number, value: bigint): bigint | undefined {
  if (addresses.includes(place)) return isCanonical(value) ? value : undefined;
  if (place === msrPlaces.efer) return value & ~knownEfer ? undefined : value;
  if (place === msrPlaces.pat) {
    const types = [0, 8, 16, 24, 32, 40, 48, 56].map((shift) => Number((value >> BigInt(shift)) & 0xffn));
    return types.every((type) => type < 8 && type !== 2 && type !== 3) ? value : undefined;
  }
  if (place === msrPlaces.debugControl) return value & ~3n ? undefined : value & BigInt(DebugControl.branchStep);
  if (place === msrPlaces.tscAux) return value >> 32n ? undefined : value;
  return place === msrPlaces.syscallMask ? value & 0xffff_ffffn : value;
}

/** The local APIC's. */
export const isApicMsr = (number: number): boolean => number >= apicFirst && number <= apicLast;
/** The engine answers for it, but for the place of the local APIC. */
export const isKeptMsr = (number: number): boolean => kept.has(number) && !commonByNumber.has(number);

/** Whether the kernel side has the register, whatever it answers. */
export function knowsMsr(vcpu: VcpuInside, number: number): boolean {
  if (commonByNumber.has(number) || kept.has(number)) return true;
  if (isApicMsr(number)) return x86VmOf(vcpu.vm).irqchip !== undefined;
  return vendor.msrs.some((one) => one.number === number);
}

/** What RDMSR gives, of a register that the engine has not; and for the user side of every one. */
export function readMsr(vcpu: VcpuInside, number: number): bigint | undefined {
  const row = commonByNumber.get(number);
  if (row) return row.read(vcpu);
  const place = kept.get(number);
  if (place !== undefined) return getField(vcpu, "msrs", place);
  if (isApicMsr(number)) return readApic(vcpu, number - apicFirst);
  return vendor.msrs.find((one) => one.number === number)?.value;
}

export function writeMsr(vcpu: VcpuInside, number: number, value: bigint): boolean {
  const row = commonByNumber.get(number);
  if (row) return row.write(vcpu, value);
  const place = kept.get(number);
  if (place !== undefined) {
    const taken = valueFor(place, value);
    if (taken === undefined) return false;
    setField(vcpu, "msrs", taken, place);
    contextChanged(vcpu);
    if (place === msrPlaces.efer) flushTranslations(vcpu.vm);
    return true;
  }
  if (isApicMsr(number)) {
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

function requireRoom(call: string, { length }: readonly X86MsrEntry[]): void {
  if (length <= KVM_MAX_MSR_ENTRIES) return;
  throw new KvmError("E2BIG", `${call}: ${length} entries; ${KVM_MAX_MSR_ENTRIES} at a time`);
}

function fill(entries: readonly X86MsrEntry[], read: (number: number) => bigint | undefined): number {
  requireRoom("KVM_GET_MSRS", entries);
  for (const [done, entry] of entries.entries()) {
    const value = read(entry.index);
    if (value === undefined) return done;
    entry.data = value;
  }
  return entries.length;
}

/** KVM_GET_MSRS: how many. */
export const getMsrs = (vcpu: VcpuInside, entries: readonly X86MsrEntry[]): number =>
  fill(entries, (number) => readMsr(vcpu, number));

/** KVM_SET_MSRS: how many. */
export function setMsrs(vcpu: VcpuInside, entries: readonly X86MsrEntry[]): number {
  requireRoom("KVM_SET_MSRS", entries);
  const failed = entries.findIndex(({ index, data }) => !writeMsr(vcpu, index, data));
  return failed < 0 ? entries.length : failed;
}

const microcode = keptMsrs.microcode.number;

/** KVM_GET_MSR_FEATURE_INDEX_LIST: what says which processor it is. */
export const msrFeatureIndexList = (): number[] =>
  [microcode, ...vendor.msrs.filter(({ feature }) => feature).map(({ number }) => number)].sort((a, b) => a - b);

/** KVM_GET_MSRS of the system: how many. */
export const getFeatureMsrs = (entries: readonly X86MsrEntry[]): number =>
  fill(entries, (number) =>
    number === microcode ? 0n : vendor.msrs.find((one) => one.feature && one.number === number)?.value,
  );

/** KVM_GET_MSR_INDEX_LIST. */
export const msrIndexList = (): number[] =>
  [...new Set([...common.map(({ number }) => number), ...kept.keys()])].sort((a, b) => a - b);
