/**
 * What test programs of others expect of a PC, and what no PC has but by `test-devices=on`: a port that ends the run with a
 * status, one that tells of the machine, some bytes that keep what is written, lines of interrupts that are driven by hand. All
 * of it as QEMU has it: isa-debug-exit, fw_cfg, pc-testdev. Source: QEMU, docs/specs/fw_cfg.rst; kvm-unit-tests, x86/README.
 */
import { testMemory, testPorts } from "./memory-map.js";
import { bytewise, type PortDevice } from "./ports.js";

/** What `fw_cfg` is asked for, by its selector. */
const Item = { signature: 0, id: 1, ramSize: 3, cpus: 5, maxCpus: 15 } as const;

export interface TestHost {
  readonly memorySize: number;
  readonly cpus: number;
  /** The run ends, with a status from 0 to 255. */
  exit(status: number): void;
  /** A line of the interrupt controllers. */
  line(number: number, level: boolean): void;
}

/** An access to memory, of which a read is to be given its data. */
interface MemoryAccess {
  readonly physAddr: bigint;
  readonly length: number;
  readonly isWrite: boolean;
  data: bigint;
}

/** Memory that every access leaves the guest for. */
export class TestMemory {
  #bytes: Uint8Array | undefined;

  /** An access that lies wholly inside. */
  answer(access: MemoryAccess): void {
    this.#bytes ??= new Uint8Array(Number(testMemory.size));
    const at = Number(access.physAddr - testMemory.start);
    let data = 0n;
    for (let i = 0; i < access.length; i++) {
      if (access.isWrite) this.#bytes[at + i] = Number((access.data >> BigInt(8 * i)) & 0xffn);
      else data |= BigInt(this.#bytes[at + i] ?? 0) << BigInt(8 * i);
    }
    if (!access.isWrite) access.data = data;
  }
}

const littleEndian = (value: number, length: number): number[] =>
  Array.from({ length }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);

export function testDevices({ memorySize, cpus, exit, line }: TestHost): readonly PortDevice[] {
  const items: Readonly<Record<number, readonly number[]>> = {
    [Item.signature]: [...new TextEncoder().encode("QEMU")],
    [Item.id]: littleEndian(1, 4),
    [Item.ramSize]: littleEndian(memorySize, 8),
    [Item.cpus]: littleEndian(cpus, 2),
    [Item.maxCpus]: littleEndian(cpus, 2),
  };
  let item: readonly number[] = [];
  let next = 0;
  const kept = new Uint8Array(testPorts.kept.count);
  return [
    { ...testPorts.exit, read: () => 0, write: (_, __, value) => exit(value & 0xff) },
    {
      ...testPorts.firmware,
      read: (at) => (at === 1 ? (item[next++] ?? 0) : 0),
      write: (at, size, value) => {
        if (at !== 0 || size !== 2) return;
        item = items[value] ?? [];
        next = 0;
      },
    },
    bytewise(
      testPorts.kept,
      (at) => kept[at] ?? 0,
      (at, byte) => {
        kept[at] = byte;
      },
    ),
    {
      ...testPorts.lines,
      read: () => 0xffff_ffff,
      write: (at, _, value) => line(at, value !== 0),
    },
  ];
}
