/**
 * The interrupt controller of PAPR guests before POWER9's XIVE: sources present interrupts to servers (one per vCPU), each
 * of which shows its vCPU the most favoured. Priority 0 is the most favoured, 0xff means masked.
 * Source: PAPR, "Interrupt Source Controller", "Presentation Layer".
 */
import { KvmError } from "../../../../base/errors.js";
import { allocate } from "../../../../kvm/heap.js";
import { locked } from "../../../../kvm/lock.js";
import type { VmMemory } from "../../../../kvm/memory.js";
import { SourceBlocks } from "../source-blocks.js";
import {
  firstSource,
  ipi,
  masked,
  SourceFlag,
  serverMax,
  serverState,
  sourceState,
  xicsSize,
  xicsState,
} from "./state.js";

const xics = xicsState.offset;
const server = serverState.offset;
const source = sourceState.offset;

/** What the controller does to the outside. */
export interface XicsOutputs {
  /** Raises or lowers the external interrupt of the vCPU created as number `index`. */
  setExternal(index: number, asserted: boolean): void;
  /** The guest has ended the interrupt. */
  ended(irq: number): void;
}

/** A source as the user side and RTAS see it. */
export interface SourceConfig {
  readonly server: number;
  readonly priority: number;
}

export interface SourceState extends SourceConfig {
  readonly level: boolean;
  readonly masked: boolean;
  readonly pending: boolean;
  readonly presented: boolean;
}

export interface ServerState {
  readonly cppr: number;
  readonly xisr: number;
  readonly mfrr: number;
  readonly pendingPriority: number;
}

export class Xics {
  readonly #memory: VmMemory;
  readonly #base: number;
  readonly #outputs: XicsOutputs;
  readonly #sources: SourceBlocks<typeof sourceState.fields>;

  constructor(memory: VmMemory, base: number, outputs: XicsOutputs) {
    this.#memory = memory;
    this.#base = base;
    this.#outputs = outputs;
    this.#sources = new SourceBlocks(memory, base + xics.blocks, sourceState);
  }

  /** Its state as after power-on; the address. */
  static create(memory: VmMemory): number {
    const base = allocate(memory, xicsSize);
    memory.setI32(base + xics.serverCount, serverMax);
    return base;
  }

  /** EBUSY: a vCPU is connected already. EINVAL: out of range. */
  setServerCount(count: number): void {
    if (!(count >= 1 && count <= serverMax)) throw new KvmError("EINVAL", `a XICS has 1 to ${serverMax} servers`);
    this.#locked(() => {
      if (this.#memory.i32(this.#base + xics.connected) > 0) {
        throw new KvmError("EBUSY", "the number of servers is fixed once a vCPU is connected");
      }
      this.#memory.setI32(this.#base + xics.serverCount, count);
    });
  }

  /** Gives a vCPU its server. EINVAL: no such server. EEXIST: it has a vCPU. */
  connect(number: number, vcpuIndex: number): void {
    this.#locked(() => {
      const at = this.#serverAt(number);
      if (at === undefined) throw new KvmError("EINVAL", `the XICS has no server ${number}`);
      if (this.#memory.i32(at + server.vcpu) !== 0) throw new KvmError("EEXIST", `server ${number} has a vCPU`);
      this.#setServer(at, { cppr: 0, xisr: 0, mfrr: masked, pendingPriority: masked });
      this.#memory.setI32(at + server.vcpu, vcpuIndex + 1);
      this.#memory.setI32(this.#base + xics.connected, this.#memory.i32(this.#base + xics.connected) + 1);
    });
  }

  // What a server's vCPU does.

  /** H_XIRR: takes the interrupt presented; its priority becomes the processor's. Priority << 24 | interrupt. */
  accept(number: number): number {
    return (
      this.#atServer(number, (at) => {
        const memory = this.#memory;
        const xirr = this.#xirr(at);
        this.#output(at, false);
        memory.setI32(at + server.cppr, memory.i32(at + server.pendingPriority));
        memory.setI32(at + server.xisr, 0);
        memory.setI32(at + server.pendingPriority, masked);
        if (xirr & 0xffffff) return xirr;
        // Nothing was there: the priority stays as it was.
        memory.setI32(at + server.cppr, xirr >>> 24);
        return xirr;
      }) ?? 0
    );
  }

  /** H_IPOLL: what is presented, and the IPI's priority. Undefined: no such server. */
  poll(number: number): { readonly xirr: number; readonly mfrr: number } | undefined {
    return this.#atServer(number, (at) => ({ xirr: this.#xirr(at), mfrr: this.#memory.i32(at + server.mfrr) }));
  }

  /** H_CPPR. */
  setPriority(number: number, cppr: number): void {
    this.#atServer(number, (at) => this.#setCppr(number, at, cppr));
  }

  /** H_EOI: ends an interrupt and restores the priority that accept gave. */
  end(number: number, xirr: number): void {
    const irq = xirr & 0xffffff;
    this.#atServer(number, (at) => {
      this.#memory.setI32(at + server.cppr, xirr >>> 24);
      const ended = this.#sourceAt(irq);
      if (ended !== undefined) this.#clear(ended, SourceFlag.presented);
      if (ended !== undefined && this.#flags(ended) & SourceFlag.level) this.#resendLevel(ended, irq);
      if (this.#memory.i32(at + server.xisr) === 0) this.#resend(number, at);
    });
    if (irq !== ipi) this.#outputs.ended(irq);
  }

  /** H_IPI: asks for (or, with masked, takes back) an inter-processor interrupt. False: no such server. */
  setMfrr(number: number, mfrr: number): boolean {
    return (
      this.#atServer(number, (at) => {
        const memory = this.#memory;
        memory.setI32(at + server.mfrr, mfrr);
        if (mfrr < memory.i32(at + server.cppr)) this.#checkIpi(at);
        return true;
      }) ?? false
    );
  }

  // What a source does.

  /** The line of a level source, or a message (an edge, when `level` is true). False: no such source. */
  setIrq(irq: number, level: boolean): boolean {
    return this.#locked(() => {
      const at = this.#sourceAt(irq);
      if (at === undefined) return false;
      if (this.#flags(at) & SourceFlag.level) {
        if (level) this.#set(at, SourceFlag.asserted);
        else this.#clear(at, SourceFlag.asserted);
        this.#resendLevel(at, irq);
      } else if (level) {
        this.#message(at, irq);
      }
      return true;
    });
  }

  /** ibm,set-xive. False: no such source or server. */
  configure(irq: number, { server: target, priority }: SourceConfig): boolean {
    return this.#locked(() => {
      const at = this.#sourceAt(irq);
      if (at === undefined || !this.#connected(target)) return false;
      this.#write(at, irq, target, priority, priority);
      return true;
    });
  }

  /** ibm,get-xive. */
  configuration(irq: number): SourceConfig | undefined {
    return this.#locked(() => {
      const at = this.#sourceAt(irq);
      if (at === undefined) return undefined;
      return { server: this.#memory.i32(at + source.server), priority: this.#memory.i32(at + source.priority) };
    });
  }

  /** ibm,int-off. */
  off(irq: number): boolean {
    return this.#locked(() => {
      const at = this.#sourceAt(irq);
      if (at === undefined) return false;
      const priority = this.#memory.i32(at + source.priority);
      const saved = priority === masked ? this.#memory.i32(at + source.savedPriority) : priority;
      this.#write(at, irq, this.#memory.i32(at + source.server), masked, saved);
      return true;
    });
  }

  /** ibm,int-on. */
  on(irq: number): boolean {
    return this.#locked(() => {
      const at = this.#sourceAt(irq);
      if (at === undefined) return false;
      const saved = this.#memory.i32(at + source.savedPriority);
      this.#write(at, irq, this.#memory.i32(at + source.server), saved, saved);
      return true;
    });
  }

  // State, for the device's attributes and for ONE_REG.

  sourceState(irq: number): SourceState | undefined {
    return this.#locked(() => {
      const at = this.#sourceAt(irq);
      if (at === undefined) return undefined;
      const flags = this.#flags(at);
      const priority = this.#memory.i32(at + source.priority);
      const level = (flags & SourceFlag.level) !== 0;
      const pending = level ? SourceFlag.asserted : SourceFlag.maskedPending | SourceFlag.rejected;
      return {
        server: this.#memory.i32(at + source.server),
        priority: priority === masked ? this.#memory.i32(at + source.savedPriority) : priority,
        level,
        masked: priority === masked,
        pending: (flags & pending) !== 0,
        presented: (flags & SourceFlag.presented) !== 0,
      };
    });
  }

  /** Creates the source if need be. EINVAL: a priority and no such server. */
  setSourceState(irq: number, state: SourceState): void {
    this.#locked(() => {
      if (state.priority !== masked && !this.#connected(state.server)) {
        throw new KvmError("EINVAL", `source ${irq}: server ${state.server} has no vCPU`);
      }
      const at = this.#sourceAt(irq) ?? this.#sources.place(irq);
      const memory = this.#memory;
      let flags: number = SourceFlag.exists;
      if (state.level) flags |= SourceFlag.level;
      if (state.level && state.pending) flags |= SourceFlag.asserted;
      if (state.level && state.presented) flags |= SourceFlag.presented;
      memory.setI32(at + source.flags, flags);
      memory.setI32(at + source.server, state.server);
      memory.setI32(at + source.priority, state.masked ? masked : state.priority);
      memory.setI32(at + source.savedPriority, state.priority);
      if (state.level) this.#resendLevel(at, irq);
      else if (state.pending) this.#message(at, irq);
    });
  }

  serverState(number: number): ServerState | undefined {
    return this.#atServer(number, (at) => ({
      cppr: this.#memory.i32(at + server.cppr),
      xisr: this.#memory.i32(at + server.xisr),
      mfrr: this.#memory.i32(at + server.mfrr),
      pendingPriority: this.#memory.i32(at + server.pendingPriority),
    }));
  }

  /** Sources that were presented there come back when their own state is restored. */
  restoreServer(number: number, state: ServerState): void {
    this.#atServer(number, (at) => {
      this.#setServer(at, state);
      this.#memory.setI32(at + server.needResend, 1);
      if (state.xisr === 0) this.#resend(number, at);
    });
  }

  // Below, the lock is held.

  #setCppr(number: number, at: number, cppr: number): void {
    const memory = this.#memory;
    const old = memory.i32(at + server.cppr);
    memory.setI32(at + server.cppr, cppr);
    const xisr = memory.i32(at + server.xisr);
    if (cppr < old) {
      // What is presented may no longer be favoured enough.
      if (xisr !== 0 && cppr <= memory.i32(at + server.pendingPriority)) {
        memory.setI32(at + server.xisr, 0);
        memory.setI32(at + server.pendingPriority, masked);
        this.#output(at, false);
        this.#reject(at, xisr);
      }
    } else if (xisr === 0) {
      this.#resend(number, at);
    }
  }

  /** Presents the IPI unless something at least as favoured is there. */
  #checkIpi(at: number): void {
    const memory = this.#memory;
    const xisr = memory.i32(at + server.xisr);
    const mfrr = memory.i32(at + server.mfrr);
    if (xisr !== 0 && memory.i32(at + server.pendingPriority) <= mfrr) return;
    if (xisr !== 0) this.#reject(at, xisr);
    memory.setI32(at + server.xisr, ipi);
    memory.setI32(at + server.pendingPriority, mfrr);
    this.#output(at, true);
  }

  /** A source asks its server to present it. */
  #present(irq: number, target: number, priority: number): void {
    const memory = this.#memory;
    const at = this.#serverAt(target);
    if (at === undefined || memory.i32(at + server.vcpu) === 0) return;
    const xisr = memory.i32(at + server.xisr);
    if (
      priority >= memory.i32(at + server.cppr) ||
      (xisr !== 0 && memory.i32(at + server.pendingPriority) <= priority)
    ) {
      this.#reject(at, irq);
      return;
    }
    if (xisr !== 0) this.#reject(at, xisr);
    memory.setI32(at + server.xisr, irq);
    memory.setI32(at + server.pendingPriority, priority);
    this.#output(at, true);
  }

  /** Turned away: the source keeps it until the server asks again. The IPI is kept by MFRR itself. */
  #reject(at: number, irq: number): void {
    const rejected = this.#sourceAt(irq);
    if (rejected === undefined) return;
    if (this.#flags(rejected) & SourceFlag.level) this.#clear(rejected, SourceFlag.presented);
    else this.#set(rejected, SourceFlag.rejected);
    this.#memory.setI32(at + server.needResend, 1);
  }

  /** The server can take something: its IPI, or sources that it turned away. */
  #resend(number: number, at: number): void {
    const memory = this.#memory;
    if (memory.i32(at + server.mfrr) < memory.i32(at + server.cppr)) this.#checkIpi(at);
    if (memory.i32(at + server.needResend) === 0) return;
    memory.setI32(at + server.needResend, 0);
    this.#sources.forEach((candidate, irq) => {
      if (memory.i32(candidate + source.server) !== number) return;
      const flags = this.#flags(candidate);
      if (flags & SourceFlag.level) {
        this.#resendLevel(candidate, irq);
      } else if (flags & SourceFlag.rejected) {
        this.#clear(candidate, SourceFlag.rejected);
        this.#message(candidate, irq);
      }
    });
  }

  #message(at: number, irq: number): void {
    const priority = this.#memory.i32(at + source.priority);
    if (priority === masked) this.#set(at, SourceFlag.maskedPending);
    else this.#present(irq, this.#memory.i32(at + source.server), priority);
  }

  #resendLevel(at: number, irq: number): void {
    const flags = this.#flags(at);
    const priority = this.#memory.i32(at + source.priority);
    if (priority === masked || !(flags & SourceFlag.asserted) || flags & SourceFlag.presented) return;
    this.#set(at, SourceFlag.presented);
    this.#present(irq, this.#memory.i32(at + source.server), priority);
  }

  #write(at: number, irq: number, target: number, priority: number, saved: number): void {
    const memory = this.#memory;
    memory.setI32(at + source.server, target);
    memory.setI32(at + source.priority, priority);
    memory.setI32(at + source.savedPriority, saved);
    if (priority === masked) return;
    const flags = this.#flags(at);
    if (flags & SourceFlag.level) {
      this.#resendLevel(at, irq);
    } else if (flags & SourceFlag.maskedPending) {
      this.#clear(at, SourceFlag.maskedPending);
      this.#message(at, irq);
    } else if (flags & SourceFlag.rejected) {
      // Its new server knows nothing of it yet.
      this.#clear(at, SourceFlag.rejected);
      this.#message(at, irq);
    }
  }

  #xirr(at: number): number {
    return ((this.#memory.i32(at + server.cppr) << 24) | this.#memory.i32(at + server.xisr)) >>> 0;
  }

  #output(at: number, asserted: boolean): void {
    const vcpu = this.#memory.i32(at + server.vcpu);
    if (vcpu !== 0) this.#outputs.setExternal(vcpu - 1, asserted);
  }

  #setServer(at: number, state: ServerState): void {
    const memory = this.#memory;
    memory.setI32(at + server.cppr, state.cppr);
    memory.setI32(at + server.xisr, state.xisr);
    memory.setI32(at + server.mfrr, state.mfrr);
    memory.setI32(at + server.pendingPriority, state.pendingPriority);
    this.#output(at, state.xisr !== 0);
  }

  #serverAt(number: number): number | undefined {
    if (!(number >= 0 && number < this.#memory.i32(this.#base + xics.serverCount))) return undefined;
    return this.#base + xicsState.size + number * serverState.size;
  }

  #connected(number: number): boolean {
    const at = this.#serverAt(number);
    return at !== undefined && this.#memory.i32(at + server.vcpu) !== 0;
  }

  #sourceAt(irq: number): number | undefined {
    return irq >= firstSource ? this.#sources.at(irq) : undefined;
  }

  #flags(at: number): number {
    return this.#memory.i32(at + source.flags);
  }
  #set(at: number, bits: number): void {
    this.#memory.setI32(at + source.flags, this.#flags(at) | bits);
  }
  #clear(at: number, bits: number): void {
    this.#memory.setI32(at + source.flags, this.#flags(at) & ~bits);
  }

  #locked<T>(body: () => T): T {
    return locked(this.#memory, this.#base + xics.lock, body);
  }

  /** Runs `body` at a server that has a vCPU; undefined if there is none. */
  #atServer<T>(number: number, body: (at: number) => T): T | undefined {
    return this.#locked(() => {
      const at = this.#serverAt(number);
      return at === undefined || this.#memory.i32(at + server.vcpu) === 0 ? undefined : body(at);
    });
  }
}
