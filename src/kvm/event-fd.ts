/** Eventfds, and their bindings to interrupts (irqfd) and to guest writes (ioeventfd). All state is in the VM's memory. */
import { KvmError } from "../base/errors.js";
import { hostTurn } from "../base/host-turn.js";
import { guard } from "../base/takes.js";
import { locked } from "./lock.js";
import type { VmMemory } from "./memory.js";
import { eventFdSignatures } from "./signatures.js";
import * as layout from "./state.js";
import {
  type EventFd,
  type Ioeventfd,
  type Irqfd,
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IOEVENTFD_FLAG_PIO,
  KVM_IRQFD_FLAG_DEASSIGN,
  KVM_IRQFD_FLAG_RESAMPLE,
} from "./uapi.js";

const { vmState, eventFdAt: at, ioeventfdAt: busAt } = layout;
const fields = layout.eventFd.offset;
const bus = layout.ioeventfd.offset;

/** What eventfds need of the VM. */
export interface EventFdHost {
  /** False once the VM has moved to another kvm: its memory is not to be touched any more. */
  current(): boolean;
  /** Calls back soon and again, until what it returns is called. */
  poll(callback: () => void): () => void;
  hasInterruptController(): boolean;
  /** Whether somebody calls `resample`. */
  hearsEnds(): boolean;
  /** Whether the architecture has ports. */
  readonly hasPorts: boolean;
  setGsi(gsi: number, level: boolean): void;
}

/** Signals can come as fast as a guest writes: after so long, ms, what else waits for the thread has its turn. */
const longestTurn = 2;

type AsyncWait = { async: false } | { async: true; value: Promise<string> };
type WaitAsync = (array: Int32Array, index: number, value: number) => AsyncWait;

/** One VM's eventfds as one thread sees them. */
export class EventFds {
  readonly #memory: VmMemory;
  readonly #host: EventFdHost;
  readonly #listeners = new Map<number, Set<() => void>>();
  /** Eventfds that something here waits for, or did. */
  readonly #waiting = new Set<number>();

  constructor(memory: VmMemory, host: EventFdHost) {
    this.#memory = memory;
    this.#host = host;
  }

  /** The VM has moved to another kvm: nobody listens here any more. */
  depart(): void {
    for (const id of this.#waiting) this.#memory.notify(at(id) + fields.sequence);
    this.#listeners.clear();
  }

  create(): EventFd {
    const memory = this.#memory;
    const id = locked(memory, vmState.lock, () => {
      for (let i = 0; i < layout.eventFdMax; i++) {
        const address = at(i);
        if (memory.i32(address + fields.state) !== 0) continue;
        memory.setI64(address + fields.count, 0n);
        memory.setI32(address + fields.gsi, 0);
        memory.setI32(address + fields.resample, 0);
        memory.store(address + fields.state, 1);
        memory.setI32(vmState.eventFdEnd, Math.max(memory.i32(vmState.eventFdEnd), i + 1));
        return i;
      }
      throw new KvmError("ENOMEM", `a VM has at most ${layout.eventFdMax} eventfds; close some`);
    });
    return this.#handle(id);
  }

  open(id: number): EventFd {
    this.#requireOpen(id);
    return this.#handle(id);
  }

  /** From any thread: raises the interrupt it is bound to, or counts up and wakes its listeners. */
  signal(id: number, value = 1n): void {
    const memory = this.#memory;
    const address = at(id);
    const gsi = memory.load(address + fields.gsi);
    if (gsi !== 0) {
      this.#host.setGsi(gsi - 1, true);
      // Without a resample eventfd nobody would lower it again: an edge.
      if (memory.load(address + fields.resample) === 0) this.#host.setGsi(gsi - 1, false);
      return;
    }
    Atomics.add(memory.i64s, (address + fields.count) / 8, value);
    this.#wakeListeners(id);
  }

  /** The guest has ended the interrupt `gsi`: lowers it and tells whoever may raise it again. */
  resample(gsi: number): void {
    const memory = this.#memory;
    for (let i = 0, end = memory.i32(vmState.eventFdEnd); i < end; i++) {
      const resample = memory.load(at(i) + fields.resample);
      if (resample === 0 || memory.load(at(i) + fields.gsi) !== gsi + 1) continue;
      this.#host.setGsi(gsi, false);
      this.signal(resample - 1);
    }
  }

  irqfd({ fd, gsi, flags = 0, resamplefd }: Irqfd): void {
    if (flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE)) {
      throw new KvmError("EINVAL", `KVM_IRQFD: unknown flags 0x${flags.toString(16)}`);
    }
    this.#requireOpen(fd.id);
    if (!(Number.isInteger(gsi) && gsi >= 0 && gsi < 0x1000000)) {
      throw new KvmError("EINVAL", `KVM_IRQFD: ${gsi} is no interrupt`);
    }
    const memory = this.#memory;
    const address = at(fd.id);
    if (flags & KVM_IRQFD_FLAG_DEASSIGN) {
      const last = locked(memory, vmState.lock, () => {
        if (memory.i32(address + fields.gsi) !== gsi + 1) return false;
        const level = memory.i32(address + fields.resample) !== 0;
        memory.store(address + fields.gsi, 0);
        memory.store(address + fields.resample, 0);
        return level && !this.#hasResampler(gsi);
      });
      // Nobody is left who would end it.
      if (last) this.#host.setGsi(gsi, false);
      return;
    }
    if (!this.#host.hasInterruptController()) {
      throw new KvmError("EAGAIN", "KVM_IRQFD: the VM has no interrupt controller yet; create the device first");
    }
    if (flags & KVM_IRQFD_FLAG_RESAMPLE) {
      if (!this.#host.hearsEnds()) {
        throw new KvmError(
          "EINVAL",
          "KVM_IRQFD: who has the line's controller hears when its interrupt ends: not this kvm",
        );
      }
      if (!resamplefd) throw new KvmError("EBADF", "KVM_IRQFD: KVM_IRQFD_FLAG_RESAMPLE needs a resamplefd");
      this.#requireOpen(resamplefd.id);
    }
    const raised = locked(memory, vmState.lock, () => {
      if (memory.i32(address + fields.gsi) !== 0) {
        throw new KvmError("EBUSY", `KVM_IRQFD: eventfd ${fd.id} is bound to an interrupt already`);
      }
      const resample = flags & KVM_IRQFD_FLAG_RESAMPLE && resamplefd ? resamplefd.id + 1 : 0;
      memory.store(address + fields.resample, resample);
      memory.store(address + fields.gsi, gsi + 1);
      return this.#take(fd.id) !== 0n;
    });
    // What was signalled before the binding counts.
    if (raised) this.signal(fd.id);
  }

  ioeventfd({ fd, addr, len, flags = 0, datamatch = 0n }: Ioeventfd): void {
    const refuse = (why: string) => new KvmError("EINVAL", `KVM_IOEVENTFD: ${why}`);
    if (![0, 1, 2, 4, 8].includes(len)) throw refuse(`length ${len} is none of 0, 1, 2, 4, 8`);
    if (BigInt.asUintN(64, addr) !== addr || addr + BigInt(len) > 1n << 64n) throw refuse("the range wraps");
    const port = this.#host.hasPorts ? KVM_IOEVENTFD_FLAG_PIO : 0;
    if (flags & ~(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN | port)) {
      throw refuse(`flags 0x${flags.toString(16)} are unknown or for another architecture`);
    }
    const match = (flags & KVM_IOEVENTFD_FLAG_DATAMATCH) !== 0;
    if (len === 0 && match) throw refuse("a datamatch needs a length");
    this.#requireOpen(fd.id);
    const wanted = {
      fd: fd.id,
      addr,
      len,
      match,
      datamatch: match ? BigInt.asUintN(64, datamatch) : 0n,
      port: (flags & port) !== 0,
    };
    locked(this.#memory, vmState.lock, () =>
      flags & KVM_IOEVENTFD_FLAG_DEASSIGN ? this.#unbind(wanted) : this.#bind(wanted),
    );
  }

  /** A guest's write, to a port or to memory: signals the eventfd bound to it. False if there is none. */
  busWrite(address: bigint, length: number, data: bigint, port = false): boolean {
    const memory = this.#memory;
    for (let i = 0, end = memory.load(vmState.ioeventfdEnd); i < end; i++) {
      const entry = busAt(i);
      if (memory.load(entry + bus.state) === 0 || memory.u64(entry + bus.address) !== address) continue;
      if ((memory.i32(entry + bus.port) !== 0) !== port) continue;
      const wanted = memory.i32(entry + bus.length);
      if (wanted !== 0 && wanted !== length) continue;
      if (memory.i32(entry + bus.match) !== 0 && memory.u64(entry + bus.datamatch) !== data) continue;
      this.signal(memory.i32(entry + bus.fd));
      return true;
    }
    return false;
  }

  #bind(wanted: Binding): void {
    const memory = this.#memory;
    let free = -1;
    for (let i = 0; i < layout.ioeventfdMax; i++) {
      const entry = this.#binding(i);
      if (!entry) {
        if (free < 0) free = i;
        if (i >= memory.i32(vmState.ioeventfdEnd)) break;
        continue;
      }
      if (collides(entry, wanted)) {
        throw new KvmError("EEXIST", `KVM_IOEVENTFD: 0x${wanted.addr.toString(16)} has an eventfd for such writes`);
      }
    }
    if (free < 0) throw new KvmError("ENOSPC", `KVM_IOEVENTFD: a VM has at most ${layout.ioeventfdMax}`);
    const address = busAt(free);
    memory.setI32(address + bus.fd, wanted.fd);
    memory.setI32(address + bus.length, wanted.len);
    memory.setI32(address + bus.match, wanted.match ? 1 : 0);
    memory.setI32(address + bus.port, wanted.port ? 1 : 0);
    memory.setI64(address + bus.address, wanted.addr);
    memory.setI64(address + bus.datamatch, wanted.datamatch);
    memory.store(address + bus.state, 1);
    memory.store(vmState.ioeventfdEnd, Math.max(memory.i32(vmState.ioeventfdEnd), free + 1));
  }

  #unbind(wanted: Binding): void {
    for (let i = 0; i < this.#memory.i32(vmState.ioeventfdEnd); i++) {
      const entry = this.#binding(i);
      if (!entry || entry.fd !== wanted.fd || entry.addr !== wanted.addr || entry.len !== wanted.len) continue;
      if (entry.match !== wanted.match || entry.datamatch !== wanted.datamatch || entry.port !== wanted.port) continue;
      this.#memory.store(busAt(i) + bus.state, 0);
      return;
    }
    throw new KvmError("ENOENT", `KVM_IOEVENTFD: eventfd ${wanted.fd} is not bound like that`);
  }

  #binding(index: number): Binding | undefined {
    const memory = this.#memory;
    const address = busAt(index);
    if (memory.i32(address + bus.state) === 0) return undefined;
    return {
      fd: memory.i32(address + bus.fd),
      addr: memory.u64(address + bus.address),
      len: memory.i32(address + bus.length),
      match: memory.i32(address + bus.match) !== 0,
      port: memory.i32(address + bus.port) !== 0,
      datamatch: memory.u64(address + bus.datamatch),
    };
  }

  #handle(id: number): EventFd {
    const handle: EventFd = {
      id,
      signal: (value = 1n) => {
        this.#requireOpen(id);
        this.signal(id, value);
      },
      read: () => this.#take(id),
      onSignal: (listener) => this.#listen(id, listener),
      close: () => this.#close(id),
    };
    return guard(handle, "eventfd", eventFdSignatures);
  }

  /** Whether an eventfd raises the interrupt until the guest has ended it. */
  #hasResampler(gsi: number): boolean {
    const memory = this.#memory;
    for (let i = 0, end = memory.i32(vmState.eventFdEnd); i < end; i++) {
      if (memory.i32(at(i) + fields.resample) !== 0 && memory.i32(at(i) + fields.gsi) === gsi + 1) return true;
    }
    return false;
  }

  #take(id: number): bigint {
    return Atomics.exchange(this.#memory.i64s, (at(id) + fields.count) / 8, 0n);
  }

  #close(id: number): void {
    const memory = this.#memory;
    locked(memory, vmState.lock, () => {
      if (memory.i32(at(id) + fields.state) === 0) return;
      memory.store(at(id) + fields.gsi, 0);
      for (let i = 0; i < memory.i32(vmState.ioeventfdEnd); i++) {
        const entry = busAt(i);
        if (memory.i32(entry + bus.fd) === id) memory.store(entry + bus.state, 0);
      }
      for (let i = 0; i < memory.i32(vmState.eventFdEnd); i++) {
        if (memory.i32(at(i) + fields.resample) === id + 1) memory.store(at(i) + fields.resample, 0);
      }
      memory.store(at(id) + fields.state, 0);
    });
    this.#wakeListeners(id);
  }

  #wakeListeners(id: number): void {
    this.#memory.add(at(id) + fields.sequence, 1);
    this.#memory.notify(at(id) + fields.sequence);
    for (const wake of this.#listeners.get(id) ?? []) wake();
  }

  #listen(id: number, listener: (count: bigint) => void): () => void {
    this.#requireOpen(id);
    const memory = this.#memory;
    let stopped = false;
    const over = (): boolean => stopped || !this.#host.current();
    const deliver = (): void => {
      if (over()) return;
      const count = this.#take(id);
      if (count !== 0n) listener(count);
    };
    const waitAsync = (Atomics as { waitAsync?: WaitAsync }).waitAsync;
    if (!memory.shared) {
      // One thread: the signal itself calls back, later, so that a device is never entered from within a vCPU's run().
      const wake = (): void => queueMicrotask(deliver);
      const set = this.#listeners.get(id) ?? new Set();
      this.#listeners.set(id, set.add(wake));
      wake();
      return () => {
        stopped = true;
        set.delete(wake);
      };
    }
    const loop = async (): Promise<void> => {
      let turn = performance.now();
      while (!over() && memory.load(at(id) + fields.state) !== 0) {
        const address = at(id) + fields.sequence;
        const seen = memory.load(address);
        deliver();
        if (over()) return;
        if (performance.now() - turn > longestTurn) await hostTurn();
        else if (waitAsync) {
          const wait = waitAsync(memory.i32s, address >>> 2, seen);
          if (!wait.async) continue;
          await wait.value;
        } else {
          await new Promise<void>((resolve) => {
            const end = this.#host.poll(() => {
              end();
              resolve();
            });
          });
        }
        turn = performance.now();
      }
    };
    void loop();
    this.#waiting.add(id);
    return () => {
      stopped = true;
      // Ends the pending wait, so that nothing keeps the memory.
      if (this.#host.current()) this.#wakeListeners(id);
    };
  }

  #requireOpen(id: number): void {
    if (!this.#host.current()) throw new KvmError("ESTALE", "the VM has moved to another kvm: attach again");
    const open = Number.isInteger(id) && id >= 0 && id < layout.eventFdMax && this.#memory.load(at(id) + fields.state);
    if (!open) throw new KvmError("EBADF", `eventfd ${id} is closed or not of this VM`);
  }
}

interface Binding {
  readonly fd: number;
  readonly addr: bigint;
  readonly len: number;
  readonly match: boolean;
  readonly port: boolean;
  readonly datamatch: bigint;
}

const collides = (a: Binding, b: Binding): boolean =>
  a.addr === b.addr &&
  a.port === b.port &&
  (a.len === 0 || b.len === 0 || (a.len === b.len && (!a.match || !b.match || a.datamatch === b.datamatch)));
