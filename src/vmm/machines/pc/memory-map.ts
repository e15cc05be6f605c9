/** Where a PC has what: in memory and at ports. Source: for the ports, what every PC since the first has. */

/** RAM: below the 640 KiB that the first PC had, less a page of firmware's data; from 1 MiB on; up to the devices. */
export const lowMemoryEnd = 0x9_f000;
export const highMemory = 0x10_0000;
export const highestMemory = 0xc000_0000;

/** Below RAM's second part, where firmware is: its tables; and above RAM. */
export const Address = {
  acpi: 0xe_0000,
  mpTable: 0xf_0000,
  firmwareEnd: 0x10_0000,
  /** Configuration space of the bus, 4 KiB a function. */
  pciConfig: 0xe000_0000,
  pciConfigSize: 0x10_0000,
  ioapic: 0xfec0_0000,
  lapic: 0xfee0_0000,
} as const;

/** The IOAPIC's number, behind the processors'. */
export const ioapicId = (cpus: number): number => cpus;

/** Where a kernel that reads ACPI's tables puts what is on the PCI bus. */
export const pciWindows = {
  io: { space: "io", start: 0xc000n, size: 0x4000n },
  memory32: { space: "memory", start: 0xc000_0000n, size: 0x2000_0000n },
  memory64: { space: "memory", start: 0x80_0000_0000n, size: 0x40_0000_0000n },
} as const;
/**
 * What the PCI host bridge hands on; addresses on the bus are the same. Without ACPI Linux puts devices right behind RAM, and at
 * ports behind the board's own: so all that is neither RAM nor the board's.
 */
export const pciReach = {
  io: { space: "io", start: 0x1000n, size: 0xf000n },
  memory32: { space: "memory", start: BigInt(highMemory), size: BigInt(Address.ioapic - highMemory) },
  memory64: pciWindows.memory64,
} as const;
/** Its configuration space in memory. */
export const pciConfigWindow = { start: BigInt(Address.pciConfig), size: BigInt(Address.pciConfigSize) } as const;
/** Of what test programs of others expect: memory that is reached as a device's. */
export const testMemory = { start: 0xff00_0000n, size: 0x1_0000n } as const;
/** What of memory the machine's thread answers for. */
export const machineMemory = [pciConfigWindow, pciReach.memory32, pciReach.memory64, testMemory] as const;
/** Slots of the bus, the first of which is the bridge's own; pins of each. */
export const pciSlots = 32;
export const pciPins = 4;
/** The IOAPIC's input of a pin, turned from slot to slot as boards do. */
export const pciLine = (slot: number, pin: number): number => 16 + ((slot + pin) % pciPins);
/** The input of the older controllers, of 16, that such a line leads to as well: nothing else has it. */
export const olderLine = (line: number): number => [10, 11, 5, 15][line - 16] ?? line;
/** A bit for each of these inputs, of each controller. */
export const olderLevels = [0x20, 0x8c] as const;

export const Port = {
  cmos: 0x70,
  keyboardCommand: 0x64,
  com1: 0x3f8,
  /** Power management: events, control, the timer. */
  power: 0x600,
  pciAddress: 0xcf8,
  /** Inside the former, since that takes words of 32 bits alone. */
  resetControl: 0xcf9,
  pciData: 0xcfc,
} as const;

/** Lines of the interrupt controllers. */
export const Line = { com1: 4, clock: 8, power: 9 } as const;

/** Ports, from the first on. */
export interface PortRange {
  readonly first: number;
  readonly count: number;
}

/** The serial port: a vCPU's thread answers for it. */
export const serialPorts: PortRange = { first: Port.com1, count: 8 };

export const cmosPorts: PortRange = { first: Port.cmos, count: 2 };
export const keyboardPorts: PortRange = { first: Port.keyboardCommand, count: 1 };
export const powerPorts: PortRange = { first: Port.power, count: 12 };
/** Of configuration space: the address, inside which the reset control is, and the data. */
export const pciConfigPorts: PortRange = { first: Port.pciAddress, count: 8 };
export const pciBusPorts: PortRange = { first: Number(pciReach.io.start), count: Number(pciReach.io.size) };

/**
 * Of what test programs of others expect (test-devices.ts): a port that ends the run, one that tells of the machine, bytes that
 * keep what is written, lines of interrupts.
 */
export const testPorts = {
  exit: { first: 0xf4, count: 4 },
  firmware: { first: 0x510, count: 2 },
  kept: { first: 0xe0, count: 4 },
  lines: { first: 0x2000, count: 24 },
} as const;

/** What the machine's thread answers for, if there is something. */
export const machinePorts: readonly PortRange[] = [
  ...[cmosPorts, keyboardPorts, powerPorts, pciConfigPorts, pciBusPorts],
  ...Object.values(testPorts),
];

/** Whether an access of so many bytes lies wholly in the range, or touches it. */
export const within = ({ first, count }: PortRange, port: number, size: number): boolean =>
  port >= first && port + size <= first + count;
export const touches = ({ first, count }: PortRange, port: number, size: number): boolean =>
  port + size > first && port < first + count;
