/**
 * ACPI's tables of machine pc: what a kernel learns of its processors, interrupt controllers, bus and power. Source: Advanced
 * Configuration and Power Interface Specification, "ACPI Software Programming Model"; PCI Firmware Specification, "MCFG Table".
 */
import {
  Address,
  cmosPorts,
  ioapicId,
  Line,
  olderLine,
  Port,
  pciConfigPorts,
  pciLine,
  pciPins,
  pciSlots,
  pciWindows,
  powerPorts,
  serialPorts,
} from "../memory-map.js";
import { PowerRegister, sleepTypeOff } from "../power.js";
import * as aml from "./aml.js";
import { little } from "./aml.js";

const ascii = (text: string, length: number): number[] =>
  Array.from({ length }, (_, i) => text.charCodeAt(i) || (text.length < length && i >= text.length ? 0x20 : 0));
const sumTo0 = (bytes: readonly number[]): number => (256 - (bytes.reduce((sum, byte) => sum + byte, 0) & 0xff)) & 0xff;

const maker = ascii("UNIKVM", 6);
const headerSize = 36;
const checksumAt = 9;

/** A table with its header. */
function table(signature: string, revision: number, body: readonly number[]): number[] {
  const bytes = [
    ...[...ascii(signature, 4), ...little(headerSize + body.length, 4), revision, 0],
    ...[...maker, ...ascii("UNIKVMPC", 8), ...little(1, 4), ...ascii("UKVM", 4), ...little(1, 4), ...body],
  ];
  bytes[checksumAt] = sumTo0(bytes);
  return bytes;
}

/** A register's place: ports. */
const portAddress = (port: number, size: number): number[] => [
  ...[1, 8 * size, 0, size > 2 ? 3 : size],
  ...little(port, 8),
];
const noAddress = portAddress(0, 0).map(() => 0);

const facs = [...ascii("FACS", 4), ...little(64, 4), ...Array<number>(24).fill(0), 2, ...Array<number>(31).fill(0)];

/** Which of the fixed hardware is there: no buttons, WBINVD, C1, no alarm, a reset register. */
const fixedFeatures = (1 << 0) | (1 << 2) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 10);
/** Devices of ISA's; no VGA. */
const bootFlags = (1 << 0) | (1 << 2);
const never = 0xffff;
const centuryPlace = 0x32;
export const resetValue = 6;

function fadt(facsAt: number, dsdtAt: number): number[] {
  const { status, control, timer } = PowerRegister;
  const at = (register: number): number => Port.power + register;
  const bytes = [
    ...[...little(facsAt, 4), ...little(dsdtAt, 4), 0, 4, ...little(Line.power, 2), ...little(0, 4), 0, 0, 0, 0],
    // Events, control, the timer; 0 for what there is no second of, and for general events.
    ...[...little(at(status), 4), ...little(0, 4), ...little(at(control), 4), ...little(0, 4), ...little(0, 4)],
    ...[...little(at(timer), 4), ...little(0, 4), ...little(0, 4), 4, 2, 0, 4, 0, 0, 0, 0],
    ...[...little(never, 2), ...little(never, 2), ...little(0, 4), 0, 0, 0, 0, centuryPlace],
    ...[...little(bootFlags, 2), 0, ...little(fixedFeatures, 4), ...portAddress(Port.resetControl, 1), resetValue],
    ...[0, 0, 0, ...little(facsAt, 8), ...little(dsdtAt, 8)],
    ...[...portAddress(at(status), 4), ...noAddress, ...portAddress(at(control), 2), ...noAddress, ...noAddress],
    ...[...portAddress(at(timer), 4), ...noAddress, ...noAddress, ...noAddress, ...noAddress, ...ascii("UNIKVM", 8)],
  ];
  return table("FACP", 6, bytes);
}

const Madt = { lapic: 0, ioapic: 1, override: 2, lapicNmi: 4 } as const;
/** Active high, level-triggered. */
const levelHigh = 0xd;
const entry = (type: number, ...body: readonly number[]): number[] => [type, 2 + body.length, ...body];

function madt(cpus: number): number[] {
  const each = Array.from({ length: cpus }, (_, cpu) => entry(Madt.lapic, cpu, cpu, ...little(1, 4)));
  return table("APIC", 5, [
    // There are the older controllers, too.
    ...[...little(Address.lapic, 4), ...little(1, 4), ...each.flat()],
    ...entry(Madt.ioapic, ioapicId(cpus), 0, ...little(Address.ioapic, 4), ...little(0, 4)),
    ...entry(Madt.override, 0, 0, ...little(2, 4), ...little(0, 2)),
    ...entry(Madt.override, 0, Line.power, ...little(Line.power, 4), ...little(levelHigh, 2)),
    ...entry(Madt.lapicNmi, 0xff, ...little(0, 2), 1),
  ]);
}

const mcfg = (): number[] =>
  table("MCFG", 1, [...little(0, 8), ...little(Address.pciConfig, 8), ...little(0, 2), 0, 0, ...little(0, 4)]);

/** Where each pin of each slot goes: nothing can move it. */
const routing = (input: (line: number) => number): aml.Aml => {
  const rows = Array.from({ length: pciSlots - 1 }, (_, i) => i + 1).flatMap((slot) =>
    Array.from({ length: pciPins }, (_, pin) =>
      aml.list(aml.integer(slot * 0x1_0000 + 0xffff), aml.integer(pin), [0], aml.integer(input(pciLine(slot, pin)))),
    ),
  );
  return aml.list(...rows);
};

/** What the kernel has said it takes interrupts by: the IOAPIC, if it is not 0, or the older controllers. */
const byIoapic = "\\PICM";

function dsdt(): number[] {
  const { io, memory32, memory64 } = pciWindows;
  const bridge = aml.device(
    "PCI0",
    aml.name("_HID", aml.eisaId("PNP0A08")),
    aml.name("_CID", aml.eisaId("PNP0A03")),
    ...["_UID", "_BBN", "_SEG"].map((what) => aml.name(what, aml.integer(0))),
    aml.name(
      "_CRS",
      aml.resources(
        aml.busNumbers(0, 1),
        aml.ports(pciConfigPorts),
        aml.portWindow(Number(io.start), Number(io.size)),
        aml.memoryWindow(memory32.start, memory32.size),
        aml.memoryWindow(memory64.start, memory64.size),
      ),
    ),
    aml.method("_PRT", 0, aml.when(byIoapic, aml.answer(routing(Number))), aml.answer(routing(olderLine))),
  );
  const board = aml.device(
    "MBRD",
    aml.name("_HID", aml.eisaId("PNP0C02")),
    aml.name(
      "_CRS",
      aml.resources(
        aml.fixedMemory(Address.pciConfig, Address.pciConfigSize),
        aml.ports(powerPorts),
        aml.ports({ first: Port.resetControl, count: 1 }),
      ),
    ),
  );
  const simple = (at: string, id: string, ...what: readonly aml.Aml[]): aml.Aml =>
    aml.device(at, aml.name("_HID", aml.eisaId(id)), aml.name("_UID", [1]), aml.name("_CRS", aml.resources(...what)));
  const off = aml.list(aml.integer(sleepTypeOff), aml.integer(sleepTypeOff), [0], [0]);
  return table("DSDT", 2, [
    ...aml.name(byIoapic, [0]),
    ...aml.method("\\_PIC", 1, aml.keepArgument(byIoapic)),
    ...aml.scope(
      "\\_SB",
      bridge,
      board,
      simple("COM1", "PNP0501", aml.ports(serialPorts), aml.line(Line.com1)),
      simple("RTC", "PNP0B00", aml.ports(cmosPorts), aml.line(Line.clock)),
    ),
    ...aml.name("\\_S5", off),
  ]);
}

/** Bytes that a table begins at a multiple of; FACS's is 64. */
const alignment = 64;

/** All of them, to be put at `Address.acpi`; the root pointer is the first. */
export function acpiTables(cpus: number): Uint8Array {
  const bytes: number[] = Array<number>(alignment).fill(0);
  const put = (table: readonly number[]): number => {
    const at = bytes.length;
    bytes.push(...table, ...Array<number>(-table.length & (alignment - 1)).fill(0));
    return Address.acpi + at;
  };
  const [facsAt, dsdtAt] = [put(facs), put(dsdt())];
  const pointers = [put(fadt(facsAt, dsdtAt)), put(madt(cpus)), put(mcfg())];
  const xsdt = put(
    table(
      "XSDT",
      1,
      pointers.flatMap((at) => little(at, 8)),
    ),
  );
  const root = [
    ...ascii("RSD PTR ", 8),
    0,
    ...maker,
    2,
    ...little(0, 4),
    ...little(36, 4),
    ...little(xsdt, 8),
    0,
    0,
    0,
    0,
  ];
  root[8] = sumTo0(root.slice(0, 20));
  root[32] = sumTo0(root);
  root.forEach((byte, i) => {
    bytes[i] = byte;
  });
  return Uint8Array.from(bytes);
}
