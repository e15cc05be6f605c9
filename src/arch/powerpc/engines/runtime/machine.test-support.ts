/** A small VM around the run-time library alone, for its tests: memory, one slot of RAM, vCPUs, page tables. */
import { readFileSync } from "node:fs";
import { vmLayout } from "../../../../kvm/layout.js";
import { Msr } from "../../isa/msr.js";
import { archLayout, codePage, type StateField, state, vcpuLayout } from "../layout.js";

type Routine = (...parameters: (number | bigint)[]) => never;

export { Msr as MSR };

/** Rights of a leaf, as in its low bits. */
export const Leaf = { execute: 1n, write: 2n, read: 4n, privileged: 8n, changed: 0x80n, referenced: 0x100n } as const;
const valid = 1n << 63n;
const leaf = 1n << 62n;
const processTable = 0xe0000;
const widths: Record<number, readonly number[]> = { 12: [13, 9, 9, 9], 16: [13, 9, 9, 5], 21: [13, 9, 9], 30: [13, 9] };

const align = (n: number) => Math.ceil(n / 65536) * 65536;

export class TestMachine {
  static readonly ramSize = 16 << 20;
  readonly memory: WebAssembly.Memory;
  readonly view: DataView;
  readonly runtime: Record<string, Routine>;
  readonly vcpus: number[] = [];
  /** Pages told to the translator. */
  readonly dropped: number[] = [];
  readonly ram: number;
  /** The host's clock, ms. */
  clock = 1000;
  #nextTable = 0x100000;
  readonly #roots = new Map<number, number>();

  constructor({ vcpus = 1 } = {}) {
    const mapSize = (TestMachine.ramSize >> codePage.shift) * 4 * 2;
    let next = vmLayout.heap;
    const take = (size: number) => {
      const at = align(next);
      next = at + size;
      return at;
    };
    for (let i = 0; i < vcpus; i++) this.vcpus.push(take(vcpuLayout.size));
    const owners = take((TestMachine.ramSize >> 16) * 4);
    const maps = take(mapSize * vcpus);
    this.ram = take(TestMachine.ramSize);
    this.memory = new WebAssembly.Memory({ initial: align(next) / 65536, maximum: 65536 });
    const view = new DataView(this.memory.buffer);
    this.view = view;

    view.setInt32(vmLayout.vcpuCount, vcpus, true);
    for (const [i, s] of this.vcpus.entries()) view.setInt32(vmLayout.vcpus + 4 * i, s, true);
    view.setFloat64(vmLayout.clockRate, 512000, true);
    this.slot(0, 0n, TestMachine.ramSize, this.ram, 0, 0);
    view.setInt32(vmLayout.slotCount, 1, true);
    view.setBigInt64(archLayout.ramLimit, BigInt(TestMachine.ramSize), true);
    view.setInt32(archLayout.codeOwners, owners, true);
    for (const [i, s] of this.vcpus.entries()) view.setInt32(s + state.codeMaps.offset, maps + i * mapSize, true);
    view.setInt32(archLayout.codeMapSize, mapSize, true);
    view.setInt32(archLayout.radix, 1, true);
    view.setBigInt64(archLayout.processTableBase, BigInt(processTable), true);
    view.setInt32(archLayout.processTableSize, 4, true);
    view.setInt32(archLayout.ail, 3, true);
    view.setInt32(archLayout.interruptLittleEndian, 1, true);
    // A decode table that knows one instruction: opcode 31 is handler 9.
    const decode = [26, 63, ...new Array(64).fill(0), 0, 9];
    decode[2 + 31] = 66;
    for (const [i, word] of decode.entries()) view.setInt32(vmLayout.decodeTables + 4 * i, word, true);

    const module = new WebAssembly.Module(readFileSync(new URL("../runtime.wasm", import.meta.url)));
    const instance = new WebAssembly.Instance(module, {
      env: {
        memory: this.memory,
        now: () => this.clock,
        random: () => 0x12345678,
        codeDropped: (page: number) => this.dropped.push(page),
        sampled: () => {},
        mmuEvent: () => {},
        rest: () => {},
        pageMissing: () => {},
      },
    });
    this.runtime = instance.exports as unknown as Record<string, Routine>;
    for (const s of this.vcpus) {
      this.set("msr", Msr.SF | Msr.ME | Msr.LE, s);
      this.call("reset", s);
    }
  }

  get s(): number {
    return this.vcpus[0] as number;
  }

  /** Fills entry `index` of the slot table. */
  slot(index: number, base: bigint, size: number, host: number, flags: number, bitmap: number): void {
    const at = vmLayout.slots + index * vmLayout.slotSize;
    this.view.setBigInt64(at, base, true);
    this.view.setBigInt64(at + 8, BigInt(size), true);
    this.view.setInt32(at + 16, host, true);
    this.view.setInt32(at + 20, flags, true);
    this.view.setInt32(at + 24, bitmap, true);
  }

  call<T = number>(name: string, ...parameters: (number | bigint)[]): T {
    const routine = this.runtime[name];
    if (!routine) throw new Error(`the run-time library has no ${name}`);
    return routine(...parameters);
  }

  /** A state field, unsigned. */
  get(name: StateField, s = this.s): bigint {
    const field = state[name];
    return field.type === "i32"
      ? BigInt(this.view.getUint32(s + field.offset, true))
      : this.view.getBigUint64(s + field.offset, true);
  }

  set(name: StateField, value: bigint, s = this.s): void {
    const field = state[name];
    if (field.type === "i32") this.view.setUint32(s + field.offset, Number(value), true);
    else this.view.setBigUint64(s + field.offset, value, true);
  }

  /** Sets MSR from outside. */
  mode(msr: bigint, s = this.s): void {
    this.set("msr", msr, s);
    this.call("contextRefresh", s);
  }

  /** Maps a page into the radix tree of a PID; returns the guest physical address of the leaf. */
  map(pid: number, ea: bigint, physical: number, shift: 12 | 16 | 21 | 30, rights: bigint): number {
    const view = this.view;
    let table = this.#roots.get(pid);
    if (table === undefined) {
      table = this.#table();
      this.#roots.set(pid, table);
      // RTS 21: 52 bits of address; root of 2^13 entries.
      const entry = (2n << 61n) | (5n << 5n) | BigInt(table) | 13n;
      view.setBigUint64(this.ram + processTable + pid * 16, entry);
    }
    const steps = widths[shift] as readonly number[];
    let left = 52;
    for (const [level, width] of steps.entries()) {
      left -= width;
      const index = Number((ea >> BigInt(left)) & ((1n << BigInt(width)) - 1n));
      const at = table + index * 8;
      if (level === steps.length - 1) {
        view.setBigUint64(this.ram + at, valid | leaf | BigInt(physical) | rights);
        return at;
      }
      const found = view.getBigUint64(this.ram + at);
      if (found & valid) {
        table = Number(found & 0x0fffffffffffff00n);
      } else {
        table = this.#table();
        view.setBigUint64(this.ram + at, valid | BigInt(table) | BigInt(steps[level + 1] as number));
      }
    }
    throw new Error("unreachable");
  }

  #table(): number {
    const table = this.#nextTable;
    this.#nextTable += 65536;
    return table;
  }

  /** A doubleword of a page table. */
  entry(physical: number): bigint {
    return this.view.getBigUint64(this.ram + physical);
  }

  load(ea: bigint, size: number, s = this.s): bigint {
    return BigInt.asUintN(64, this.call<bigint>("loadSlow", s, BigInt.asIntN(64, ea), size, 0));
  }

  store(ea: bigint, size: number, value: bigint, s = this.s): void {
    this.call("storeSlow", s, BigInt.asIntN(64, ea), size, BigInt.asIntN(64, value), 0);
  }

  /** What a look-up written inline finds: true if the soft TLB has the tag at +`tag`. */
  hits(ea: bigint, tag: number, s = this.s): boolean {
    const entry = Number(this.get("tlb", s)) + Number((ea >> 16n) & 1023n) * 32;
    return this.view.getBigUint64(entry + tag, true) === ((ea & ~0xffffn) | this.get("asid", s));
  }

  /** Reads and clears `fault`. */
  takeFault(s = this.s): boolean {
    const fault = this.get("fault", s) !== 0n;
    this.set("fault", 0n, s);
    return fault;
  }
}
