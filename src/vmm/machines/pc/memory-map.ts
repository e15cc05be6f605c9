/** Where a PC has what: in memory and at ports. Source: for the ports, what every PC since the first has. */

/** RAM: below the 640 KiB that the first PC had, less a page of firmware's data; from 1 MiB on; up to the devices. */
export const lowMemoryEnd = 0x9_f000;
export const highMemory = 0x10_0000;
export const highestMemory = 0xc000_0000;

export const Port = {
  cmos: 0x70,
  keyboardCommand: 0x64,
  com1: 0x3f8,
  /** Power management: events, control, the timer. */
  power: 0x600,
  resetControl: 0xcf9,
} as const;

/** Lines of the interrupt controllers. */
export const Line = { com1: 4, power: 9 } as const;

/** Ports, from the first on. */
export interface PortRange {
  readonly first: number;
  readonly count: number;
}

/** The serial port: a vCPU's thread answers for it. */
export const serialPorts: PortRange = { first: Port.com1, count: 8 };

/** What the machine's thread answers for. */
export const machinePorts: readonly PortRange[] = [
  { first: Port.cmos, count: 2 },
  { first: Port.keyboardCommand, count: 1 },
  { first: Port.power, count: 12 },
  { first: Port.resetControl, count: 1 },
];

/** Whether an access of so many bytes lies wholly in the range, or touches it. */
export const within = ({ first, count }: PortRange, port: number, size: number): boolean =>
  port >= first && port + size <= first + count;
export const touches = ({ first, count }: PortRange, port: number, size: number): boolean =>
  port + size > first && port < first + count;
