/**
 * The interrupt controller of PAPR guests in XIVE exploitation mode. A source has an event state buffer of two bits; an
 * event that passes it is an entry of the queue of the source's (server, priority) in guest memory, and the server's thread
 * is shown its priority. Priority 0 is the most favoured.
 * Source: PAPR, "XIVE Exploitation Mode"; Documentation/virt/kvm/devices/xive.rst.
 */
import { KvmError } from "../../../../base/errors.js";
import { allocate } from "../../../../kvm/heap.js";
import { locked } from "../../../../kvm/lock.js";
import type { VmMemory } from "../../../../kvm/memory.js";
import { isSourceNumber, SourceBlocks, sourceMax } from "../source-blocks.js";
import {
  lastPriority,
  masked,
  queueEntries,
  queueShift,
  queueSources,
  SourceFlag,
  serverMax,
  serverState,
  sourceState,
  xiveState,
} from "./state.js";
import { ThreadContext } from "./thread.js";

const xive = xiveState.offset;
const server = serverState.offset;
const source = sourceState.offset;

/** What the controller does to the outside. */
export interface XiveOutputs {
  /** Raises or lowers the external interrupt of the vCPU created as number `index`. */
  setExternal(index: number, asserted: boolean): void;
  /** The guest ends a level interrupt. */
  ended(irq: number): void;
  /** Writes a word of guest memory, big-endian and at once. Nothing happens where there is no memory. */
  write(address: bigint, word: number): boolean;
  /** Whether those bytes of guest memory can be written. */
  writable(address: bigint, bytes: number): boolean;
  markDirty(address: bigint, bytes: number): void;
}

export interface SourceTarget {
  readonly server: number;
  readonly priority: number;
  readonly masked: boolean;
  /** 31 bits. */
  readonly eisn: number;
}

export interface Queue {
  readonly address: bigint;
  /** log2 of its bytes. */
  readonly shift: number;
  readonly index: number;
  readonly toggle: number;
}

/** PQ: ready, pending, pending with another queued behind it, off. */
const Pq = { reset: 0, off: 1, pending: 2, queued: 3 } as const;

/** Which page of a window. */
export type Pages = "tima" | "esb";

export class Xive {
  readonly #memory: VmMemory;
  readonly #base: number;
  readonly #outputs: XiveOutputs;
  readonly #sources: SourceBlocks<typeof sourceState.fields>;

  constructor(memory: VmMemory, base: number, outputs: XiveOutputs) {
    this.#memory = memory;
    this.#base = base;
    this.#outputs = outputs;
    this.#sources = new SourceBlocks(memory, base + xive.blocks, sourceState);
  }

  /** Its state as after power-on; the address. */
  static create(memory: VmMemory): number {
    const base = allocate(memory, xiveState.size);
    memory.setI32(base + xive.serverCount, serverMax);
    memory.setI64(base + xive.tima, -1n);
    memory.setI64(base + xive.esb, -1n);
    return base;
  }

  /** EBUSY: a vCPU is connected already. EINVAL: out of range. */
  setServerCount(count: number): void {
    if (!(count >= 1 && count <= serverMax)) throw new KvmError("EINVAL", `a XIVE has 1 to ${serverMax} servers`);
    this.#locked(() => {
      if (this.#memory.i32(this.#base + xive.connected) > 0) {
        throw new KvmError("EBUSY", "the number of servers is fixed once a vCPU is connected");
      }
      this.#memory.setI32(this.#base + xive.serverCount, count);
    });
  }

  /** Gives a vCPU its server. EINVAL: no such server. EEXIST: it has a vCPU. */
  connect(number: number, vcpuIndex: number): void {
    const memory = this.#memory;
    this.#locked(() => {
      if (!(Number.isInteger(number) && number >= 0 && number < memory.i32(this.#base + xive.serverCount))) {
        throw new KvmError("EINVAL", `the XIVE has no server ${number}`);
      }
      if (this.#serverAt(number) !== undefined) throw new KvmError("EEXIST", `server ${number} has a vCPU`);
      const at = allocate(memory, serverState.size);
      memory.setI32(at + server.vcpu, vcpuIndex);
      this.#thread(at).reset();
      memory.setI32(this.#base + xive.servers + 4 * number, at);
      memory.setI32(this.#base + xive.connected, memory.i32(this.#base + xive.connected) + 1);
    });
  }

  /** Where the guest finds its pages; -1 nowhere. */
  pagesAt(pages: Pages): bigint {
    return this.#memory.i64(this.#base + xive[pages]);
  }
  placePages(pages: Pages, address: bigint): void {
    this.#locked(() => this.#memory.setI64(this.#base + xive[pages], address));
  }

  // What a thread does in its management area. Undefined: the server has no vCPU.

  acknowledge(number: number): number | undefined {
    return this.#atServer(number, (thread) => thread.acknowledge());
  }
  setPriority(number: number, cppr: number): void {
    this.#atServer(number, (thread) => thread.setPriority(cppr));
  }
  setPending(number: number, priority: number): void {
    this.#atServer(number, (thread) => thread.notify(priority));
  }
  registers(number: number): number[] | undefined {
    return this.#atServer(number, (thread) => thread.registers);
  }
  setRegisters(number: number, registers: readonly number[]): void {
    this.#atServer(number, (thread) => {
      thread.registers = registers;
    });
  }

  // What a source does.

  /** The line of a level source, or a message (an edge, when `level` is true). False: no such source. */
  setIrq(irq: number, level: boolean): boolean {
    return this.#locked(() => {
      const at = this.#sources.at(irq);
      if (at === undefined) return false;
      const flags = this.#flags(at);
      if (!(flags & SourceFlag.level)) {
        if (level) this.#trigger(at);
        return true;
      }
      this.#memory.setI32(at + source.flags, level ? flags | SourceFlag.asserted : flags & ~SourceFlag.asserted);
      this.#levelAgain(at);
      return true;
    });
  }

  /**
   * A load from the page that manages a source: what it finds there. 0 to 0x7ff ends the interrupt, 0x800 to 0xbff looks at
   * PQ, 0xc00, 0xd00, 0xe00 and 0xf00 set it. Undefined: no such source.
   */
  load(irq: number, offset: number): number | undefined {
    if (offset < 0x800) return this.#end(irq);
    return this.#locked(() => {
      const at = this.#sources.at(irq);
      if (at === undefined) return undefined;
      return offset < 0xc00 ? this.#pq(at) : this.#setPq(at, (offset >> 8) & 3);
    });
  }

  /** A store there: below 0x400 a trigger, then an end, nothing, and as loads do. False: no such source. */
  store(irq: number, offset: number): boolean {
    if (offset >= 0x400 && offset < 0x800) return this.#end(irq) !== undefined;
    return this.#locked(() => {
      const at = this.#sources.at(irq);
      if (at === undefined) return false;
      if (offset < 0x400) this.#trigger(at);
      else if (offset >= 0xc00) this.#setPq(at, (offset >> 8) & 3);
      return true;
    });
  }

  has(irq: number): boolean {
    return this.#locked(() => this.#sources.at(irq) !== undefined);
  }

  // What the user side sets up.

  /** Makes a source, or anew: masked. E2BIG: out of range. */
  createSource(irq: number, { level, asserted }: { readonly level: boolean; readonly asserted: boolean }): void {
    if (!isSourceNumber(irq)) throw new KvmError("E2BIG", `sources have numbers to ${sourceMax - 1}`);
    const memory = this.#memory;
    this.#locked(() => {
      const at = this.#sources.place(irq);
      if (this.#flags(at) & SourceFlag.exists) this.#target(at, undefined);
      const kind = level ? SourceFlag.level | (asserted ? SourceFlag.asserted : 0) : 0;
      memory.setI32(at + source.flags, SourceFlag.exists | kind);
      memory.setI32(at + source.pq, Pq.off);
      memory.setI32(at + source.priority, masked);
    });
  }

  /**
   * ENOENT, EINVAL: no such source. EINVAL: the priority, or the server has no vCPU. ENXIO: it has no queue of that
   * priority. EBUSY: the queue has as many sources as it has room for.
   */
  configureSource(irq: number, target: SourceTarget): void {
    this.#locked(() => {
      const at = this.#requireSource(irq);
      requirePriority(target.priority);
      if (target.masked) {
        this.#target(at, undefined);
        return;
      }
      const to = this.#serverAt(target.server);
      if (to === undefined) throw new KvmError("EINVAL", `source ${irq}: server ${target.server} has no vCPU`);
      const word = 4 * target.priority;
      if (this.#memory.i32(to + server.queueShift + word) === 0) {
        throw new KvmError("ENXIO", `server ${target.server} has no queue of priority ${target.priority}`);
      }
      const same =
        this.#memory.i32(at + source.priority) === target.priority &&
        this.#memory.i32(at + source.server) === target.server;
      if (!same && this.#memory.i32(to + server.queueTargets + word) >= queueSources) {
        throw new KvmError("EBUSY", `the queue ${target.priority} of server ${target.server} takes no more sources`);
      }
      this.#target(at, target);
    });
  }

  /** ENOENT, EINVAL: no such source. What it triggered is in its queue already. */
  syncSource(irq: number): void {
    this.#locked(() => this.#requireSource(irq));
  }

  /** Undefined takes the queue away. ENOENT: the server has no vCPU. EINVAL: priority, size, address or index. */
  configureQueue(number: number, priority: number, queue: Queue | undefined): void {
    const memory = this.#memory;
    this.#locked(() => {
      const at = this.#requireServer(number);
      requirePriority(priority);
      if (queue) this.#requireQueue(queue);
      const { address = 0n, shift = 0, index = 0, toggle = 0 } = queue ?? {};
      memory.setI64(at + server.queueAddress + 8 * priority, address);
      memory.setI32(at + server.queueShift + 4 * priority, shift);
      memory.setI32(at + server.queueIndex + 4 * priority, index);
      memory.setI32(at + server.queueToggle + 4 * priority, toggle);
    });
  }

  /** Undefined: there is none. ENOENT, EINVAL as above. */
  queue(number: number, priority: number): Queue | undefined {
    const memory = this.#memory;
    return this.#locked(() => {
      const at = this.#requireServer(number);
      requirePriority(priority);
      const shift = memory.i32(at + server.queueShift + 4 * priority);
      if (shift === 0) return undefined;
      return {
        shift,
        address: memory.u64(at + server.queueAddress + 8 * priority),
        index: memory.i32(at + server.queueIndex + 4 * priority),
        toggle: memory.i32(at + server.queueToggle + 4 * priority),
      };
    });
  }

  /** The queues' pages count as written. */
  syncQueues(): void {
    const memory = this.#memory;
    this.#locked(() => {
      for (const at of this.#servers()) {
        for (let priority = 0; priority <= lastPriority; priority++) {
          const shift = memory.i32(at + server.queueShift + 4 * priority);
          if (shift === 0) continue;
          this.#outputs.markDirty(memory.u64(at + server.queueAddress + 8 * priority), 2 ** shift);
        }
      }
    });
  }

  /** No queues, and all sources that went somewhere masked. Threads keep their registers. */
  reset(): void {
    const memory = this.#memory;
    this.#locked(() => {
      this.#sources.forEach((at) => {
        if (memory.i32(at + source.priority) === masked) return;
        memory.setI32(at + source.pq, Pq.off);
        this.#target(at, undefined);
      });
      for (const at of this.#servers()) {
        for (let priority = 0; priority <= lastPriority; priority++) {
          memory.setI32(at + server.queueShift + 4 * priority, 0);
        }
      }
    });
  }

  // Under the lock.

  /** The interrupt is ended; 1 if there is another. */
  #end(irq: number): number | undefined {
    const level = this.#locked(() => {
      const at = this.#sources.at(irq);
      return at === undefined ? undefined : (this.#flags(at) & SourceFlag.level) !== 0;
    });
    // Whoever holds the line up lets it go before it counts again.
    if (level) this.#outputs.ended(irq);
    return this.#locked(() => {
      const at = this.#sources.at(irq);
      if (at === undefined) return undefined;
      const pq = this.#pq(at);
      if (pq === Pq.off) return 0;
      const again = pq === Pq.queued && !level;
      this.#memory.setI32(at + source.pq, again ? Pq.pending : Pq.reset);
      if (again) this.#notify(at);
      return this.#levelAgain(at) || again ? 1 : 0;
    });
  }

  #setPq(at: number, pq: number): number {
    const old = this.#pq(at);
    this.#memory.setI32(at + source.pq, pq);
    this.#levelAgain(at);
    return old;
  }

  #trigger(at: number): void {
    const pq = this.#pq(at);
    if (pq === Pq.off) return;
    this.#memory.setI32(at + source.pq, pq === Pq.reset ? Pq.pending : Pq.queued);
    if (pq === Pq.reset) this.#notify(at);
  }

  /** A level source that is ready triggers while its line is up. */
  #levelAgain(at: number): boolean {
    const up = SourceFlag.level | SourceFlag.asserted;
    if ((this.#flags(at) & up) !== up || this.#pq(at) !== Pq.reset) return false;
    this.#trigger(at);
    return true;
  }

  /** An event passes: into the queue, and to the thread. One that has nowhere to go is lost. */
  #notify(at: number): void {
    const memory = this.#memory;
    const priority = memory.i32(at + source.priority);
    if (priority === masked) return;
    const to = this.#serverAt(memory.i32(at + source.server));
    if (to === undefined || memory.i32(to + server.queueShift + 4 * priority) === 0) return;
    const [indexAt, toggleAt] = [to + server.queueIndex + 4 * priority, to + server.queueToggle + 4 * priority];
    const [index, toggle] = [memory.i32(indexAt), memory.i32(toggleAt)];
    const entry = memory.u64(to + server.queueAddress + 8 * priority) + BigInt(4 * index);
    if (!this.#outputs.write(entry, (toggle << 31) | memory.i32(at + source.eisn))) return;
    const next = (index + 1) % queueEntries;
    memory.setI32(indexAt, next);
    if (next === 0) memory.setI32(toggleAt, toggle ^ 1);
    this.#thread(to).notify(priority);
  }

  #target(at: number, target: SourceTarget | undefined): void {
    const memory = this.#memory;
    this.#countTarget(at, -1);
    memory.setI32(at + source.server, target?.server ?? 0);
    memory.setI32(at + source.priority, target?.priority ?? masked);
    memory.setI32(at + source.eisn, target?.eisn ?? 0);
    this.#countTarget(at, 1);
  }

  #countTarget(at: number, change: number): void {
    const priority = this.#memory.i32(at + source.priority);
    const to = priority === masked ? undefined : this.#serverAt(this.#memory.i32(at + source.server));
    if (to === undefined) return;
    const count = to + server.queueTargets + 4 * priority;
    this.#memory.setI32(count, this.#memory.i32(count) + change);
  }

  #requireSource(irq: number): number {
    const at = this.#sources.at(irq);
    if (at !== undefined) return at;
    throw new KvmError(this.#sources.hasBlock(irq) ? "EINVAL" : "ENOENT", `the XIVE has no source ${irq}`);
  }

  #requireServer(number: number): number {
    const at = this.#serverAt(number);
    if (at === undefined) throw new KvmError("ENOENT", `server ${number} has no vCPU`);
    return at;
  }

  #requireQueue({ address, shift, index, toggle }: Queue): void {
    const refuse = (why: string) => new KvmError("EINVAL", `a queue's ${why}`);
    if (shift !== queueShift) throw refuse(`size is 2^${queueShift} bytes, not 2^${shift}`);
    const bytes = 2 ** shift;
    if (address & BigInt(bytes - 1)) throw refuse("address is a multiple of its size");
    if (!this.#outputs.writable(address, bytes)) throw refuse(`address 0x${address.toString(16)} is not in memory`);
    if (!(index >= 0 && index < queueEntries)) throw refuse(`index is below ${queueEntries}, not ${index}`);
    if (toggle !== 0 && toggle !== 1) throw refuse(`toggle is 0 or 1, not ${toggle}`);
  }

  #serverAt(number: number): number | undefined {
    if (!(number >= 0 && number < serverMax)) return undefined;
    return this.#memory.u32(this.#base + xive.servers + 4 * number) || undefined;
  }

  #servers(): number[] {
    const addresses = Array.from({ length: serverMax }, (_, number) => this.#serverAt(number));
    return addresses.filter((at) => at !== undefined);
  }

  #thread(at: number): ThreadContext {
    return new ThreadContext(this.#memory, at, this.#outputs.setExternal);
  }

  #flags(at: number): number {
    return this.#memory.i32(at + source.flags);
  }
  #pq(at: number): number {
    return this.#memory.i32(at + source.pq);
  }

  #locked<T>(body: () => T): T {
    return locked(this.#memory, this.#base + xive.lock, body);
  }

  /** Runs `body` with a thread's context; undefined if it has no vCPU. */
  #atServer<T>(number: number, body: (thread: ThreadContext) => T): T | undefined {
    return this.#locked(() => {
      const at = this.#serverAt(number);
      return at === undefined ? undefined : body(this.#thread(at));
    });
  }
}

function requirePriority(priority: number): void {
  if (!(priority >= 0 && priority <= lastPriority)) {
    throw new KvmError("EINVAL", `${priority} is no priority from 0 to ${lastPriority}`);
  }
}
