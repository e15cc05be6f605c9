/** A VM as one thread holds it. What two threads need is in its memory. */
import { KvmError } from "../base/errors.js";
import { guard } from "../base/takes.js";
import type { ModuleReference } from "../modules/define-module.js";
import type { Member } from "../vac/vac.js";
import type { Arch } from "./arch.js";
import { checkCapability, enableCapability } from "./capability.js";
import { hostNow } from "./clock.js";
import { type DeviceOps, deviceHandle } from "./device.js";
import { createDirtyRing, pushDirty, resetDirtyRings } from "./dirty-ring.js";
import type { Engine } from "./engine.js";
import { EventFds } from "./event-fd.js";
import type { Extension } from "./extensions.js";
import { allocate, type Range } from "./heap.js";
import type { Implementation } from "./implementation.js";
import type { VmInside } from "./inside.js";
import { findRoutes, setRoutes, type Target } from "./irq-routing.js";
import { vmLayout } from "./layout.js";
import { locked } from "./lock.js";
import { VmMemory } from "./memory.js";
import { MemorySlots } from "./memory-slots.js";
import { MissingPages } from "./missing-pages.js";
import { pause } from "./pause.js";
import { reclaimerOf } from "./reclaim.js";
import { AttachedReferences, VmReferences } from "./references.js";
import { loadState, saveState } from "./save-state.js";
import { restoreVm } from "./save-vm.js";
import type { SavedVm } from "./saved.js";
import { vmSignatures } from "./signatures.js";
import { heapStart, userMax, vcpuRecord, vmState } from "./state.js";
import { instant, type Statistic, statsFd } from "./stats-fd.js";
import { Tracer } from "./trace.js";
import {
  type Device,
  type EnableCap,
  type EventFd,
  type FillPage,
  type Ioeventfd,
  type Irqfd,
  type IrqRoute,
  KVM_CREATE_DEVICE_TEST,
  type MemoryRegion,
  type PauseOptions,
  type SharedVm,
  type Stats,
  type StatsFd,
  type TraceOptions,
  type Vcpu,
  type Vm,
  type VmOptions,
  type VmState,
} from "./uapi.js";
import { VcpuCore } from "./vcpu.js";

/** The core's part of KVM_GET_STATS_FD. */
const vmStatistics: readonly Statistic<VmCore>[] = [
  instant("vcpus", ({ mem }) => mem.load(vmLayout.vcpuCount)),
  instant("memory_slots", ({ mem }) => mem.load(vmLayout.slotCount)),
  instant("guest_memory", ({ slots }) => slots.list().reduce((sum, { size }) => sum + size, 0n), "bytes"),
  instant("memory", ({ mem }) => mem.byteLength, "bytes"),
];

/** Addresses are 32 bits, and one past the end must be a number too. */
const memoryMax = 65535 * 65536;
/** The least limit of generated code: less would hold hardly a module. */
const leastCode = 65536;

export class VmCore implements Omit<Vm, "moveTo">, VmInside {
  static {
    const { pause: promising, ...others } = vmSignatures;
    guard(guard(VmCore.prototype, "vm", others), "vm", { pause: promising }, true);
  }

  readonly mem: VmMemory;
  readonly arch: Arch;
  readonly engine: Engine;
  /** What this kvm holds of what exists once in the process. */
  readonly vac: Member;
  readonly slots: MemorySlots;
  readonly missing: MissingPages;
  readonly eventFds: EventFds;
  readonly trace = new Tracer();
  /** The vCPU that this thread is in run() of. */
  running: VcpuCore | undefined;
  readonly implementation: string;
  readonly pageSize = vmLayout.pageSize;
  /** vmLayout.moves while this handle is good. */
  readonly generation: number;
  /** Of the thread that created it, or of one that attached. */
  readonly references: VmReferences | AttachedReferences;
  /** What other modules add to it; set by who made it, before anybody else has it. */
  extensions: readonly Pick<Extension, "url" | "value">[] = [];
  readonly #released: () => void;
  readonly #module: string;
  readonly #vcpus = new Map<number, VcpuCore>();
  readonly #byIndex: VcpuCore[] = [];
  #memoryWritten: ReturnType<Engine["memoryWritten"]> | undefined;
  #paused: Awaited<ReturnType<typeof pause>> | undefined;
  #handles = 1;
  #closed = false;

  private constructor(
    mem: VmMemory,
    implementation: Implementation,
    engine: Engine,
    vac: Member,
    kvm: ModuleReference | undefined,
    generation: number,
    released: () => void,
  ) {
    this.mem = mem;
    this.vac = vac;
    this.arch = implementation.arch;
    this.engine = engine;
    this.implementation = implementation.name;
    this.generation = generation;
    this.#released = released;
    this.references = kvm
      ? new VmReferences(mem, kvm, () => this.#end(), released)
      : new AttachedReferences(mem, generation);
    this.#module = implementation.module;
    this.missing = new MissingPages(mem);
    this.slots = new MemorySlots(
      mem,
      this.missing,
      () => this.arch.memoryChanged(this),
      (slot, page) => this.running && pushDirty(mem, this.running.dirtyRingAt, slot, page),
    );
    this.eventFds = new EventFds(mem, {
      current: () => this.mem.load(vmLayout.moves) <= this.generation + 1,
      poll: (callback) => this.vac.poll(callback),
      hasInterruptController: () => this.arch.hasInterruptController(this),
      hearsEnds: () => this.arch.hearsEnds(this),
      hasPorts: this.arch.hasPorts,
      setGsi: (gsi, level) => this.#setGsi(gsi, level),
    });
    Object.assign(this, this.arch.vmMethods(this));
  }

  /**
   * KVM_CREATE_VM; `released` is called when nobody holds the VM any more, or if creating fails half way. `kvm` is the
   * module that the VM's code is of.
   */
  static create(
    implementation: Implementation,
    vac: Member,
    options: VmOptions,
    kvm: ModuleReference,
    released: () => void,
  ): VmCore {
    const { memoryLimit = memoryMax, codeLimit, shared = implementation.sharesByDefault } = options;
    if (!(Number.isSafeInteger(memoryLimit) && memoryLimit >= 1 << 24)) {
      throw new KvmError("EINVAL", `memoryLimit ${memoryLimit} is no number of bytes from 16 MiB to 4 GiB`);
    }
    if (codeLimit !== undefined && !(codeLimit >= leastCode && codeLimit < 2 ** 31)) {
      throw new KvmError("EINVAL", `codeLimit ${codeLimit} is no number of bytes from 64 KiB to 2 GiB`);
    }
    const engine = implementation.engine(shared);
    reclaimerOf(vac).beforeNext();
    const mem = VmMemory.create(heapStart, Math.min(memoryLimit, memoryMax), shared);
    mem.setI32(vmLayout.heapNext, heapStart);
    mem.setF64(vmLayout.clockBase, hostNow());
    mem.setI32(vmState.codeLimit, codeLimit ?? 0);
    const vm = new VmCore(mem, implementation, engine, vac, kvm, 0, released);
    vm.arch.createVm(vm);
    return vm;
  }

  /** This thread's view of a VM that another one created. */
  static attach(
    implementation: Implementation,
    engine: Engine,
    vac: Member,
    { memory, generation }: SharedVm,
    released: () => void,
  ): VmCore {
    const mem = new VmMemory(memory);
    if (mem.load(vmLayout.moves) !== generation) throw moved();
    return new VmCore(mem, implementation, engine, vac, undefined, generation, released);
  }

  /**
   * A VM that comes from another loaded kvm, perhaps another version of this package, over the same memory. If it throws,
   * the memory is as it was.
   */
  static arrive(
    implementation: Implementation,
    engine: Engine,
    vac: Member,
    memory: WebAssembly.Memory,
    generation: number,
    saved: SavedVm,
    kvm: ModuleReference,
    released: () => void,
  ): VmCore {
    const mem = new VmMemory(memory);
    // A VM that was given no memory yet may end before there.
    mem.ensure(vmLayout.userStart);
    const fixed = (): Uint8Array => mem.bytes(vmLayout.versioned, vmLayout.userStart - vmLayout.versioned);
    const before = fixed().slice();
    try {
      mem.bytes(vmLayout.versioned, heapStart - vmLayout.versioned).fill(0);
      mem.setI32(vmLayout.heapNext, saved.heapNext);
      const vm = new VmCore(mem, implementation, engine, vac, kvm, generation, released);
      restoreVm(vm, saved);
      return vm;
    } catch (error) {
      fixed().set(before);
      throw error;
    }
  }

  get memory(): WebAssembly.Memory {
    return this.mem.wasm;
  }
  get shared(): boolean {
    return this.mem.shared;
  }

  allocate(bytes: number): number {
    this.requireOpen();
    if (!(Number.isSafeInteger(bytes) && bytes > 0 && bytes % this.pageSize === 0)) {
      throw new KvmError("EINVAL", `${bytes} bytes are not a positive number of ${this.pageSize}-byte pages`);
    }
    if (bytes > memoryMax) throw new KvmError("ENOMEM", `${bytes} bytes: a VM's memory ends below 4 GiB; ask for less`);
    return locked(this.mem, vmState.lock, () => {
      const ranges = this.userRanges();
      if (ranges.length >= userMax) throw new KvmError("ENOMEM", `a VM's user side has at most ${userMax} allocations`);
      const address = allocate(this.mem, bytes, this.pageSize, { lowest: vmLayout.userStart });
      this.keepUserRanges([...ranges, { address, bytes }]);
      return address;
    });
  }

  /** What `allocate` has given. */
  userRanges(): Range[] {
    const { mem } = this;
    return Array.from({ length: mem.i32(vmState.userCount) }, (_, i) => ({
      address: mem.u32(vmState.user + 8 * i),
      bytes: mem.u32(vmState.user + 8 * i + 4),
    }));
  }

  keepUserRanges(ranges: readonly Range[]): void {
    for (const [i, { address, bytes }] of ranges.entries()) {
      this.mem.setI32(vmState.user + 8 * i, address);
      this.mem.setI32(vmState.user + 8 * i + 4, bytes);
    }
    this.mem.setI32(vmState.userCount, ranges.length);
  }

  bytes(address: number, length: number): Uint8Array {
    const bytes = this.mem.bytes(address, length);
    this.missing.need(address, length);
    return bytes;
  }

  withholdPages(address: number, length: number, pages: Uint8Array): void {
    this.requireOpen();
    this.missing.withhold(address, length, pages);
  }
  fillPages(fill: FillPage): void {
    this.missing.setFill(fill);
  }

  createVcpu(id: number): Vcpu {
    return this.createVcpuCore(id);
  }

  /** `restored`: its state, with its dirty ring, comes from elsewhere. */
  createVcpuCore(id: number, { restored = false } = {}): VcpuCore {
    this.requireOpen();
    const { arch, mem } = this;
    if (this.references instanceof AttachedReferences)
      throw new KvmError("EINVAL", "vCPUs are created on the thread that created the VM");
    if (!(Number.isInteger(id) && id >= 0 && id < arch.maxVcpuId)) {
      throw new KvmError("EINVAL", `vCPU ${id}: numbers go from 0 to ${arch.maxVcpuId - 1}`);
    }
    const count = mem.i32(vmLayout.vcpuCount);
    if (this.#findVcpu(id) !== undefined) throw new KvmError("EEXIST", `vCPU ${id} exists already`);
    if (count >= arch.maxVcpus) throw new KvmError("EINVAL", `a VM has at most ${arch.maxVcpus} vCPUs`);
    // Each vCPU of a shared VM may have a thread.
    if (this.shared) this.vac.reserveWorker();
    try {
      return this.#newVcpu(id, count, restored);
    } catch (error) {
      if (this.shared) this.vac.releaseWorker();
      throw error;
    }
  }

  #newVcpu(id: number, count: number, restored: boolean): VcpuCore {
    const { arch, mem } = this;
    const neverUsed = mem.u32(vmLayout.heapNext);
    const state = allocate(mem, arch.vcpuSize(count), 65536, { zeroed: arch.vcpuZeroed });
    const record = allocate(mem, vcpuRecord.size + arch.vcpuRecordSize, 64);
    const { offset } = vcpuRecord;
    mem.setI32(record + offset.id, id);
    mem.setI32(record + offset.index, count);
    mem.setI32(record + offset.state, state);
    mem.setI32(vmState.vcpuRecords + 4 * count, record);
    mem.setI32(vmLayout.vcpus + 4 * count, state);
    if (!restored) createDirtyRing(mem, state + arch.dirtyRingOffset);
    const vcpu = new VcpuCore(this, record);
    arch.createVcpu(vcpu, state < neverUsed);
    // Only now other threads find it.
    mem.store(vmLayout.vcpuCount, count + 1);
    this.#vcpus.set(id, vcpu);
    this.#handles++;
    return vcpu;
  }

  vcpu(id: number): Vcpu {
    return this.vcpuCore(id);
  }

  vcpuCore(id: number): VcpuCore {
    const known = this.#vcpus.get(id);
    if (known) return known;
    const record = this.#findVcpu(id);
    if (record === undefined) throw new KvmError("ENOENT", `there is no vCPU ${id}`);
    const vcpu = new VcpuCore(this, record);
    this.#vcpus.set(id, vcpu);
    this.#handles++;
    return vcpu;
  }

  /** All vCPUs in order of creation. */
  vcpus(): readonly VcpuCore[] {
    const { mem } = this;
    for (let index = this.#byIndex.length, count = mem.load(vmLayout.vcpuCount); index < count; index++) {
      const record = mem.u32(vmState.vcpuRecords + 4 * index);
      this.#byIndex.push(this.vcpuCore(mem.i32(record + vcpuRecord.offset.id)));
    }
    return this.#byIndex;
  }

  #findVcpu(id: number): number | undefined {
    const { mem } = this;
    for (let index = 0, count = mem.load(vmLayout.vcpuCount); index < count; index++) {
      const record = mem.u32(vmState.vcpuRecords + 4 * index);
      if (mem.i32(record + vcpuRecord.offset.id) === id) return record;
    }
    return undefined;
  }

  setUserMemoryRegion(region: MemoryRegion): void {
    this.requireOpen();
    this.slots.set(region);
  }
  guestWritten(address: bigint, length: number): void {
    this.slots.written(address, length);
    if (length > 0) this.arch.memoryWritten(this, address, BigInt(length));
  }
  hostWritten(address: number, length: number): void {
    for (const slot of this.slots.list()) {
      const from = Math.max(address, slot.address);
      const end = Math.min(address + length, slot.address + Number(slot.size));
      if (from < end) this.guestWritten(slot.base + BigInt(from - slot.address), end - from);
    }
  }
  /** Tells the engine of a write; see Engine.memoryWritten. */
  get engineMemoryWritten(): ReturnType<Engine["memoryWritten"]> {
    this.#memoryWritten ??= this.engine.memoryWritten(this.memory);
    return this.#memoryWritten;
  }
  getDirtyLog(slot: number): Uint8Array {
    return this.slots.getDirtyLog(slot);
  }
  clearDirtyLog(range: { slot: number; firstPage: bigint; numPages: number; bitmap: Uint8Array }): void {
    this.slots.clearDirtyLog(range);
  }

  resetDirtyRings(): number {
    const rings = this.vcpus().map(({ dirtyRingAt }) => dirtyRingAt);
    return resetDirtyRings(this.mem, rings, this.slots, () => this.arch.memoryChanged(this));
  }

  /** Where they lie: the user side knows the addresses. */
  dirtyRings(): Range[] {
    const bytes = this.mem.load(vmState.dirtyRingBytes);
    return this.vcpus().flatMap(({ dirtyRing }) => (dirtyRing ? [{ address: dirtyRing.address, bytes }] : []));
  }

  checkExtension(cap: number): number {
    return checkCapability(this.arch, this.implementation, cap, this);
  }

  enableCap(request: EnableCap): void {
    this.requireOpen();
    enableCapability(this.arch, request, (row) => row.enableVm && ((cap) => row.enableVm?.(this, cap)));
  }

  createEventFd(): EventFd {
    this.requireOpen();
    return this.eventFds.create();
  }
  eventFd(id: number): EventFd {
    return this.eventFds.open(id);
  }
  irqfd(irqfd: Irqfd): void {
    this.eventFds.irqfd(irqfd);
  }
  ioeventfd(ioeventfd: Ioeventfd): void {
    this.eventFds.ioeventfd(ioeventfd);
  }

  irqLine(irq: number, level: number | boolean): void {
    this.requireCurrent();
    if (!this.arch.hasInterruptController(this)) {
      throw new KvmError("ENXIO", "KVM_IRQ_LINE: the VM has no interrupt controller in the kernel side");
    }
    if (!this.#setGsi(irq, Boolean(level))) throw new KvmError("EINVAL", `KVM_IRQ_LINE: there is no interrupt ${irq}`);
  }

  setGsiRouting(routes: readonly IrqRoute[]): void {
    setRoutes(this.mem, routes, this.arch.irqchipPins(this));
  }

  signalMsi({ address, data }: { address: bigint; data: number }): number {
    this.requireCurrent();
    if (!this.arch.hasInterruptController(this)) {
      throw new KvmError("EINVAL", "KVM_SIGNAL_MSI: the VM has no interrupt controller in the kernel side");
    }
    return this.arch.setMsi(this, address, data);
  }

  #setGsi(gsi: number, level: boolean): boolean {
    const targets = findRoutes(this.mem, gsi);
    if (!targets || (targets.length === 0 && this.arch.linesBesideRoutes)) return this.arch.setIrq(this, gsi, level);
    // It leads nowhere, which is no fault.
    if (targets.length === 0) return true;
    const set = (target: Target): boolean =>
      target.type === "pin"
        ? this.arch.setIrq(this, target.pin, level, target.irqchip)
        : !level || this.arch.setMsi(this, target.address, target.data) >= 0;
    return targets.map(set).some((there) => there);
  }

  createDevice(type: number, flags = 0): Device | undefined {
    this.requireOpen();
    const row = this.arch.devices.find((device) => device.type === type && device.present(this));
    if (!row) throw new KvmError("ENODEV", `KVM_CREATE_DEVICE: this VM cannot have a device of type ${type}`);
    if (flags & ~KVM_CREATE_DEVICE_TEST) throw new KvmError("EINVAL", "KVM_CREATE_DEVICE: unknown flags");
    if (flags & KVM_CREATE_DEVICE_TEST) return undefined;
    const ops = locked(this.mem, vmState.lock, () => {
      const types = this.mem.i32(vmState.deviceTypes);
      if (types & (1 << type))
        throw new KvmError(row.second ?? "EEXIST", `KVM_CREATE_DEVICE: the VM has a device of type ${type}`);
      const created = row.create(this);
      this.mem.setI32(vmState.deviceTypes, types | (1 << type));
      return created;
    });
    return this.#deviceHandle(type, ops);
  }

  setTrace(options: TraceOptions): void {
    this.trace.set(options);
  }

  stats(): Stats {
    const slots = this.slots.list();
    return {
      vcpus: this.mem.load(vmLayout.vcpuCount),
      memorySlots: slots.length,
      guestMemory: slots.reduce((sum, { size }) => sum + Number(size), 0),
      memory: this.mem.byteLength,
      generatedCode: this.mem.load(vmState.codeBytes),
      ...this.arch.vmStats(this),
    };
  }

  getStatsFd(): StatsFd {
    this.requireOpen();
    return statsFd(this, this.statsId, [...vmStatistics, ...this.arch.vmStatistics], () => this.hold());
  }

  /** How Linux names a VM's file of statistics. */
  get statsId(): string {
    return `kvm-${this.arch.vmNumber(this)}`;
  }

  /** hostNow() when it was paused, or undefined. */
  get pausedSince(): number | undefined {
    return this.#paused?.since;
  }

  async pause({ timeout = 1000 }: PauseOptions = {}): Promise<void> {
    this.#paused = await pause(this, timeout);
  }

  resume(): void {
    this.requireOpen();
    if (!this.#paused) throw new KvmError("EINVAL", "the VM is not paused");
    this.#paused.resume();
    this.#paused = undefined;
  }

  saveState(): VmState {
    this.requireOpen();
    return saveState(this);
  }

  loadState(state: VmState): void {
    this.requireOpen();
    loadState(this, state);
  }

  share(): SharedVm {
    if (!this.shared) throw new KvmError("ENOTTY", "the VM's memory is not shared: it runs on this thread only");
    return {
      version: 1,
      arch: this.arch.name,
      implementation: this.implementation,
      memory: this.memory,
      engine: this.engine.share,
      module: this.#module,
      generation: this.generation,
      vac: this.vac.page.buffer,
      extensions: this.extensions.map(({ url }) => url),
    };
  }

  requireOpen(): void {
    if (this.#closed) throw new KvmError("EBADF", "the VM's handle is closed");
    this.requireCurrent();
  }

  /** ESTALE: the VM has moved to another kvm. */
  requireCurrent(): void {
    if (this.mem.load(vmLayout.moves) > this.generation + 1) throw moved();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.dropHandle();
  }

  /** One more handle; what it returns lets go of it, once. */
  hold(): () => void {
    this.#handles++;
    let held = true;
    return () => {
      if (held) this.dropHandle();
      held = false;
    };
  }

  /** Of the VM, a vCPU or a device; the last one ends the VM, unless somebody else got it. */
  dropHandle(): void {
    if (--this.#handles !== 0) return;
    if (this.references instanceof VmReferences) {
      this.references.closed();
      return;
    }
    // This thread's views of the memory are garbage, too.
    reclaimerOf(this.vac).ended(this.mem.byteLength);
    this.#released();
  }

  /** Nobody holds the VM any more. */
  #end(): void {
    this.departure()();
    reclaimerOf(this.vac).ended(this.mem.byteLength);
  }

  /** Finds what the VM holds outside its memory; what it returns gives that back, when the memory may be another kvm's. */
  departure(): () => void {
    const giveBack = this.arch.destroyVm(this);
    const workers = this.shared ? this.mem.load(vmLayout.vcpuCount) : 0;
    return () => {
      giveBack();
      for (let count = workers; count > 0; count--) this.vac.releaseWorker();
    };
  }

  /** The VM is another kvm's now: this handle and its vCPUs' are of no more use. */
  depart(giveBack: () => void): void {
    this.#closed = true;
    this.#handles = 0;
    for (const vcpu of this.#vcpus.values()) vcpu.depart();
    this.eventFds.depart();
    giveBack();
    if (this.references instanceof VmReferences) this.references.depart();
  }

  /** This thread's handle of a device that exists. ENODEV if it does not. */
  device(type: number): Device {
    this.requireOpen();
    const row = this.arch.devices.find((device) => device.type === type);
    if (!row || (this.mem.i32(vmState.deviceTypes) & (1 << type)) === 0) {
      throw new KvmError("ENODEV", `the VM has no device of type ${type}`);
    }
    return this.#deviceHandle(type, row.attach(this));
  }

  #deviceHandle(type: number, ops: DeviceOps): Device {
    this.#handles++;
    let open = true;
    return deviceHandle(type, ops, () => {
      if (!open) return;
      open = false;
      if (ops.release) {
        ops.release();
        this.mem.and(vmState.deviceTypes, ~(1 << type));
      }
      this.dropHandle();
    });
  }
}

const moved = (): KvmError =>
  new KvmError("ESTALE", "the VM has moved to another kvm: attach again, to what its share() gives now");
