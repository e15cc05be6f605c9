/** A POWER VM as its handlers see it: one per VM and thread, over what lies in the VM's memory. */
import { byteSwap } from "../../../base/bits.js";
import { KvmError } from "../../../base/errors.js";
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { archLayout } from "../engines/layout.js";
import { Xics } from "../interrupts/xics/xics.js";
import { loadPage, storePage } from "../interrupts/xive/pages.js";
import { Xive } from "../interrupts/xive/xive.js";
import { Hpt, type HptPlace, packHpt, unpackHpt } from "../mmu/hpt.js";
import type { Hcall, HcallVcpu, HcallVm } from "../papr/hcall.js";
import { rtasCalls } from "../papr/rtas/list.js";
import { logDispatch, setYielded } from "../papr/vpa.js";
import { debugChanged } from "../processor/debug.js";
import { timeBase } from "../processor/time.js";
import { addressOf, getField, notifyInterrupt, recordAt, setField, setGpr } from "../processor/vcpu.js";
import { TceTables } from "../vio/tce-table.js";
import { GuestMemory } from "./guest-memory.js";
import { hcallLimit, ppcVcpu, ppcVm, ppcVmPointer } from "./state.js";
import { flushTranslations } from "./translations.js";

const fields = ppcVm.offset;

export class PpcVmState implements HcallVm {
  readonly core: VmInside;
  /** Address of `ppcVm`. */
  readonly address: number;
  readonly memory: GuestMemory;
  readonly tceTables: TceTables;
  readonly hashTable: Hpt;
  #xics: Xics | undefined;
  #xive: Xive | undefined;
  #added: ReadonlyMap<number, Hcall> | undefined;
  readonly #vcpus = new Map<VcpuInside, PpcVcpuState>();

  constructor(core: VmInside) {
    this.core = core;
    this.address = core.mem.u32(ppcVmPointer);
    this.memory = new GuestMemory(core);
    this.tceTables = new TceTables(core.mem, this.address);
    this.hashTable = new Hpt(core.mem, () => this.flushTranslations());
  }

  get xics(): Xics | undefined {
    const { mem } = this.core;
    const base = mem.u32(this.address + fields.xics);
    if (!this.#xics && base !== 0) {
      this.#xics = new Xics(mem, base, {
        setExternal: (index, asserted) => this.#setExternal(index, asserted),
        ended: (irq) => this.core.eventFds.resample(irq),
      });
    }
    return this.#xics;
  }

  get xive(): Xive | undefined {
    const { mem } = this.core;
    const base = mem.u32(this.address + fields.xive);
    if (!this.#xive && base !== 0) {
      this.#xive = new Xive(mem, base, {
        setExternal: (index, asserted) => this.#setExternal(index, asserted),
        ended: (irq) => this.core.eventFds.resample(irq),
        write: (address, word) => this.memory.storeWord(address, word),
        writable: (address, bytes) => this.memory.isWritable(address, bytes),
        markDirty: (address, bytes) => void this.memory.write(address, bytes, () => undefined),
      });
    }
    return this.#xive;
  }

  /** The interrupt controller of the kernel side. */
  get controller(): Pick<Xics | Xive, "setIrq"> | undefined {
    return this.xics ?? this.xive;
  }

  #setExternal(index: number, asserted: boolean): void {
    const vcpu = this.core.vcpus()[index];
    if (vcpu) setExternal(vcpu, asserted);
  }

  of(core: VcpuInside): PpcVcpuState {
    const known = this.#vcpus.get(core);
    if (known) return known;
    const created = new PpcVcpuState(this, core);
    this.#vcpus.set(core, created);
    return created;
  }

  vcpu(id: bigint): PpcVcpuState | undefined {
    const core = this.core.vcpus().find((vcpu) => BigInt(vcpu.id) === id);
    return core && this.of(core);
  }

  flushTranslations(): void {
    flushTranslations(this.core);
  }

  /** Undefined while the guest has radix translation. */
  get hpt(): Hpt | undefined {
    return this.core.mem.load(archLayout.radix) === 0 && this.hashTable.table ? this.hashTable : undefined;
  }

  /** The table that KVM_PPC_RESIZE_HPT_PREPARE made. */
  get preparedHpt(): HptPlace | undefined {
    return unpackHpt(this.core.mem.u32(this.address + fields.preparedHpt));
  }
  set preparedHpt(table: HptPlace | undefined) {
    this.core.mem.setI32(this.address + fields.preparedHpt, table ? packHpt(table) : 0);
  }

  /** All that there are. */
  get hptTables(): HptPlace[] {
    return [this.hashTable.table, this.preparedHpt].filter((table) => table !== undefined);
  }

  setInterruptMode({ ail, littleEndian }: { ail?: number; littleEndian?: boolean }): void {
    const { mem } = this.core;
    if (ail !== undefined) mem.store(archLayout.ail, ail);
    if (littleEndian !== undefined) mem.store(archLayout.interruptLittleEndian, littleEndian ? 1 : 0);
  }

  busWrite(vcpu: HcallVcpu, address: bigint, length: number, data: bigint): boolean {
    if (this.core.eventFds.busWrite(address, length, data)) return true;
    const { xive } = this;
    return xive !== undefined && storePage(xive, vcpu.xiveServer, address, length, byteSwap(data, length));
  }

  busRead(vcpu: HcallVcpu, address: bigint, length: number): bigint | undefined {
    const { xive } = this;
    const found = xive && loadPage(xive, vcpu.xiveServer, address, length);
    return found === undefined ? undefined : byteSwap(found, length);
  }

  rtasCall(token: number): string | undefined {
    if (token === 0) return undefined;
    const { mem } = this.core;
    return rtasCalls.find((_, index) => mem.u32(this.address + fields.rtasTokens + 4 * index) === token)?.name;
  }

  /** A hypercall of another module. */
  addedHcall(number: number): Hcall | undefined {
    if (this.core.extensions.length === 0) return undefined;
    this.#added ??= new Map(
      this.core.extensions.flatMap(({ value }) => (value as readonly Hcall[]).map((hcall) => [hcall.number, hcall])),
    );
    return this.#added.get(number);
  }

  hcallEnabled(number: number): boolean {
    if (number >= hcallLimit) return true;
    const word = this.core.mem.load(this.address + fields.hcallEnabled + 4 * (number >>> 7));
    return ((word >>> ((number >>> 2) & 31)) & 1) === 1;
  }

  enableHcall(number: number, enable: boolean): void {
    const address = this.address + fields.hcallEnabled + 4 * (number >>> 7);
    const bit = 1 << ((number >>> 2) & 31);
    if (enable) this.core.mem.or(address, bit);
    else this.core.mem.and(address, ~bit);
  }

  countHcall(number: number): void {
    const slot = number < hcallLimit && number % 4 === 0 ? number / 4 : hcallLimit / 4;
    this.core.mem.add(this.address + fields.hcallCount + 4 * slot, 1);
  }
}

export class PpcVcpuState implements HcallVcpu {
  readonly core: VcpuInside;
  readonly vm: PpcVmState;

  constructor(vm: PpcVmState, core: VcpuInside) {
    this.vm = vm;
    this.core = core;
  }

  get id(): number {
    return this.core.id;
  }

  get server(): number | undefined {
    const server = this.core.vm.mem.i32(recordAt(this.core, "xicsServer"));
    return server === 0 ? undefined : server - 1;
  }

  get xiveServer(): number | undefined {
    const server = this.core.vm.mem.i32(recordAt(this.core, "xiveServer"));
    return server === 0 ? undefined : server - 1;
  }

  setGpr(number: number, value: bigint): void {
    setGpr(this.core, number, value);
  }
  getRegister(name: "msr" | "pc" | "ciabr" | "dawr0" | "dawrx0"): bigint {
    return getField(this.core, name);
  }
  setRegister(name: "msr" | "ciabr" | "dawr0" | "dawrx0" | "sprg0", value: bigint): void {
    setField(this.core, name, value);
    if (name === "ciabr" || name === "dawr0" || name === "dawrx0") debugChanged(this.core);
  }

  timeBase(): bigint {
    return timeBase(this.core);
  }

  halt(): void {
    setYielded(this, true);
    this.core.halt();
  }

  resumed(): void {
    this.takeProd();
    setYielded(this, false);
    logDispatch(this);
  }

  giveWay(): void {
    if (!this.core.vm.shared) this.core.requestExit();
  }

  takeProd(): boolean {
    return this.core.vm.mem.exchange(addressOf(this.core, "prodded"), 0) !== 0;
  }

  prod(): void {
    this.core.vm.mem.store(addressOf(this.core, "prodded"), 1);
    this.core.wake();
  }

  trace(category: "hcall" | "rtas" | "interrupt" | "mmu", name: string, values: Record<string, bigint | number>): void {
    const { trace } = this.core.vm;
    if (trace.mask) trace.emit(category, this.core.id, name, values);
  }
}

/** Raises or lowers the external interrupt. [any thread] */
export function setExternal(vcpu: VcpuInside, asserted: boolean): void {
  vcpu.vm.mem.store(addressOf(vcpu, "externalPending"), asserted ? 1 : 0);
  if (asserted) notifyInterrupt(vcpu);
}

/** Registers a vCPU with the VM's interrupt controller as a server. */
export function setServer(vcpu: VcpuInside, controller: "xics" | "xive", server: number): void {
  vcpu.vm.mem.setI32(vcpu.archRecord + ppcVcpu.offset[`${controller}Server`], server + 1);
}

/** EEXIST: a VM has one interrupt controller, whichever it is. */
export function requireNoController(vm: VmInside): void {
  if (ppcVmOf(vm).controller) throw new KvmError("EEXIST", "the VM has an interrupt controller already");
}

const states = new WeakMap<VmInside, PpcVmState>();

/** The POWER side of a VM that the core holds. */
export function ppcVmOf(core: VmInside): PpcVmState {
  const known = states.get(core);
  if (known) return known;
  const created = new PpcVmState(core);
  states.set(core, created);
  return created;
}

export const ppcVcpuOf = (core: VcpuInside): PpcVcpuState => ppcVmOf(core.vm).of(core);
