/**
 * The table of processors and interrupts that PCs had before ACPI, for kernels without it. Source: Intel MultiProcessor
 * Specification, version 1.4, "MP Configuration Table".
 */
import { little } from "./acpi/aml.js";
import { Address, ioapicId, pciLine, pciPins, pciSlots } from "./memory-map.js";

const ascii = (text: string): number[] => Array.from(text, (letter) => letter.charCodeAt(0));
const sumTo0 = (bytes: readonly number[]): number => (256 - (bytes.reduce((sum, byte) => sum + byte, 0) & 0xff)) & 0xff;

const Entry = { processor: 0, bus: 1, ioapic: 2, interrupt: 3, local: 4 } as const;
const Kind = { vectored: 0, nonMaskable: 1, external: 3 } as const;
const Bus = { pci: 0, isa: 1 } as const;
const lapicVersion = 0x14;
const ioapicVersion = 0x11;
const everyLapic = 0xff;
const headerSize = 44;

/** To be put at `Address.mpTable`: the pointer that is looked for, and the table behind it. `signature`: CPUID 1's EAX. */
export function mpTable(cpus: number, signature: number, features: number): Uint8Array {
  const ioapic = ioapicId(cpus);
  const to = (kind: number, bus: number, source: number, pin: number): number[] => [
    ...[Entry.interrupt, kind, 0, 0, bus, source, ioapic, pin],
  ];
  const entries: number[][] = [
    ...Array.from({ length: cpus }, (_, cpu) => [
      ...[Entry.processor, cpu, lapicVersion, cpu === 0 ? 3 : 1],
      ...[...little(signature, 4), ...little(features, 4), ...little(0, 8)],
    ]),
    [Entry.bus, Bus.pci, ...ascii("PCI   ")],
    [Entry.bus, Bus.isa, ...ascii("ISA   ")],
    [Entry.ioapic, ioapic, ioapicVersion, 1, ...little(Address.ioapic, 4)],
    // The timer comes in where the second of the older controllers would.
    ...Array.from({ length: 16 }, (_, line) => line)
      .filter((line) => line !== 2)
      .map((line) => to(Kind.vectored, Bus.isa, line, line === 0 ? 2 : line)),
    ...Array.from({ length: pciSlots - 1 }, (_, i) => i + 1).flatMap((slot) =>
      Array.from({ length: pciPins }, (_, pin) => to(Kind.vectored, Bus.pci, (slot << 2) | pin, pciLine(slot, pin))),
    ),
    [Entry.local, Kind.external, 0, 0, Bus.isa, 0, everyLapic, 0],
    [Entry.local, Kind.nonMaskable, 0, 0, Bus.isa, 0, everyLapic, 1],
  ];
  const body = entries.flat();
  const pointer = [...ascii("_MP_"), ...little(Address.mpTable + 16, 4), 1, 4, 0, 0, 0, 0, 0, 0];
  pointer[10] = sumTo0(pointer);
  const table = [
    ...[...ascii("PCMP"), ...little(headerSize + body.length, 2), 4, 0, ...ascii("UNIKVM  "), ...ascii("PC          ")],
    ...[...little(0, 4), ...little(0, 2), ...little(entries.length, 2), ...little(Address.lapic, 4), ...little(0, 4)],
    ...body,
  ];
  table[7] = sumTo0(table);
  return Uint8Array.from([...pointer, ...table]);
}
