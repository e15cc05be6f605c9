/**
 * A virtio device on the PCI bus: the transport of VIRTIO 1, no legacy interface, split queues. DMA goes through the bus's
 * IOMMU, which the driver has to agree to (VIRTIO_F_ACCESS_PLATFORM).
 * Source: Virtual I/O Device (VIRTIO) 1.1, "Virtio Over PCI Bus"; names of Linux's virtio_pci.h and virtio_config.h.
 */
import { KvmError } from "../../../base/errors.js";
import { hostTurn } from "../../../base/host-turn.js";
import { anything, having, integer, listOf, optional, u32, u64 } from "../../../base/takes.js";
import type { Dma, PciBus, PciCapability, PciDevice, PciDoorbell, PciMemory } from "../pci/device.js";
import { PCI_CAP_ID_VNDR } from "../pci/registers.js";
import type { VirtioDevice } from "./device.js";
import { SplitQueue, type SplitQueueState } from "./split-queue.js";

const vendor = 0x1af4;
const firstModernDevice = 0x1040;

/** Structures of the transport, each a page of BAR 0. */
const structures = { common: 0, isr: 0x1000, device: 0x2000, notify: 0x3000 } as const;
const structureSize = 0x1000;
const notifyMultiplier = 4;
const configType = { common: 1, notify: 2, isr: 3, device: 4, pci: 5 } as const;
/** In the capability that is a way to the structures by configuration space alone: where the value is. */
const pciCfgData = 14;

/** Fields of the common configuration. */
const common = {
  deviceFeatureSelect: 0x00,
  deviceFeature: 0x04,
  driverFeatureSelect: 0x08,
  driverFeature: 0x0c,
  configMsixVector: 0x10,
  numQueues: 0x12,
  deviceStatus: 0x14,
  configGeneration: 0x15,
  queueSelect: 0x16,
  queueSize: 0x18,
  queueMsixVector: 0x1a,
  queueEnable: 0x1c,
  queueNotifyOff: 0x1e,
  queueDesc: 0x20,
  queueDriver: 0x28,
  queueDevice: 0x30,
  size: 0x38,
} as const;
/** Width of each field that the driver writes; addresses are two fields of 4. */
const widths: ReadonlyMap<number, number> = new Map([
  ...[common.deviceFeatureSelect, common.driverFeatureSelect, common.driverFeature].map((at) => [at, 4] as const),
  ...[common.configMsixVector, common.queueSelect, common.queueSize].map((at) => [at, 2] as const),
  ...[common.queueMsixVector, common.queueEnable].map((at) => [at, 2] as const),
  [common.deviceStatus, 1] as const,
  ...[0, 4, 8, 12, 16, 20].map((at) => [common.queueDesc + at, 4] as const),
]);

const Status = { driverOk: 4, featuresOk: 8, needsReset: 0x40 } as const;
const VIRTIO_MSI_NO_VECTOR = 0xffff;
const VIRTIO_F_VERSION_1 = 1n << 32n;
const VIRTIO_F_ACCESS_PLATFORM = 1n << 33n;
const VIRTIO_F_INDIRECT_DESC = 1n << 28n;
const VIRTIO_F_EVENT_IDX = 1n << 29n;
const Isr = { queue: 1, config: 2 } as const;

interface Queue {
  size: number;
  vector: number;
  /** Areas: descriptors, driver's, device's. */
  readonly addresses: [bigint, bigint, bigint];
  queue: SplitQueue | undefined;
}

/** A queue as its driver has set it up; with `queue`, enabled. */
export interface VirtioQueueState {
  readonly size: number;
  readonly vector: number;
  readonly addresses: readonly [descriptors: bigint, driver: bigint, device: bigint];
  readonly queue?: SplitQueueState | undefined;
}

/** The transport and its device as a plain value: fields as the common configuration has them. */
export interface VirtioPciState {
  readonly status: number;
  readonly isr: number;
  readonly deviceFeatureSelect: number;
  readonly driverFeatureSelect: number;
  readonly driverFeatures: bigint;
  readonly configVector: number;
  readonly queueSelect: number;
  /** How often the configuration area has changed, modulo 256. Default: 0. */
  readonly generation?: number;
  readonly queues: readonly VirtioQueueState[];
  /** What the device's own `save` gave: its constructor takes that. */
  readonly device: unknown;
}

const [u8, u16] = [integer(0, 0xff), integer(0, 0xffff)];
const queueState = having({ size: integer(1, 32768), vector: u16, addresses: listOf(u64), queue: optional(anything) });
const transportState = having({
  status: u8,
  isr: integer(0, Isr.queue | Isr.config),
  deviceFeatureSelect: u32,
  driverFeatureSelect: u32,
  driverFeatures: u64,
  configVector: u16,
  queueSelect: u16,
  generation: optional(u8),
  queues: listOf(queueState),
  device: anything,
});

export class VirtioPciDevice implements PciDevice {
  readonly identity;
  readonly bars = [
    { kind: "memory32", size: 4 * structureSize },
    { kind: "memory32", size: 0x1000 },
  ] as const;
  readonly interrupts;
  readonly capabilities: readonly PciCapability[];
  /** A notification names its queue by where it is written, and Linux writes two bytes. */
  readonly doorbells: readonly PciDoorbell[];
  readonly #device: VirtioDevice;
  /** Features that the driver has to agree to. */
  readonly #required: bigint;
  #generation = 0;
  #bus: PciBus | undefined;
  #status = 0;
  #isr = 0;
  #deviceFeatureSelect = 0;
  #driverFeatureSelect = 0;
  #driverFeatures = 0n;
  #configVector = VIRTIO_MSI_NO_VECTOR;
  #queueSelect = 0;
  #queues: Queue[] = [];
  /** Queues that are to be looked at, when the CPU goes on and after others had their turn. */
  readonly #soon = new Set<number>();
  readonly #again = new Set<number>();

  /**
   * Resets the device; with `state`, which an earlier `save` gave, it goes on there, and `device` was made from
   * `state.device`. EINVAL: it is not the state of such a device.
   */
  constructor(device: VirtioDevice, state?: VirtioPciState) {
    this.#device = device;
    this.#required = VIRTIO_F_VERSION_1 | (device.physical ? 0n : VIRTIO_F_ACCESS_PLATFORM);
    this.identity = {
      vendorId: vendor,
      deviceId: firstModernDevice + device.id,
      classCode: device.classCode ?? 0xff_0000,
      revision: 1,
      subsystemVendorId: vendor,
      subsystemId: 0x1100,
    };
    const vectors = device.queues.length + 1;
    this.interrupts = { intx: true, msix: { vectors, table: { bar: 1, offset: 0 }, pba: { bar: 1, offset: 0x800 } } };
    this.capabilities = [
      capability(configType.common, structures.common, common.size),
      capability(configType.isr, structures.isr, 1),
      capability(configType.notify, structures.notify, notifyMultiplier * device.queues.length, notifyMultiplier),
      ...(device.config.length > 0 ? [capability(configType.device, structures.device, device.config.length)] : []),
      this.#pciAccess(),
    ];
    this.doorbells = device.queues.map((_, index) => ({
      bar: 0,
      offset: structures.notify + notifyMultiplier * index,
      length: 2,
    }));
    const memory = (): PciMemory | undefined => this.#bus?.memory;
    device.attach?.({
      queue: (index) => this.#running(index),
      again: (index) => this.#lookAgain(index),
      configChanged: () => this.#configChanged(),
      get memory() {
        return memory();
      },
    });
    if (state === undefined) this.reset();
    else this.#restore(state);
  }

  /** By these a guest's kernel finds the drivers: of the transport and of the device behind it. */
  get aliases(): readonly string[] {
    const { vendorId, deviceId, subsystemVendorId, subsystemId, classCode } = this.identity;
    const hex = (value: number, digits = 8): string => value.toString(16).toUpperCase().padStart(digits, "0");
    const bytes = [16, 8, 0].map((shift) => hex((classCode >> shift) & 0xff, 2).toLowerCase());
    const [base, sub, programming] = bytes;
    return [
      `pci:v${hex(vendorId)}d${hex(deviceId)}sv${hex(subsystemVendorId)}sd${hex(subsystemId)}bc${base}sc${sub}i${programming}`,
      `virtio:d${hex(this.#device.id)}v${hex(vendor)}`,
    ];
  }

  save(): VirtioPciState {
    return {
      status: this.#status,
      isr: this.#isr,
      deviceFeatureSelect: this.#deviceFeatureSelect,
      driverFeatureSelect: this.#driverFeatureSelect,
      driverFeatures: this.#driverFeatures,
      configVector: this.#configVector,
      queueSelect: this.#queueSelect,
      generation: this.#generation,
      queues: this.#queues.map(({ size, vector, addresses: [a, b, c], queue }) => ({
        size,
        vector,
        addresses: [a, b, c] as const,
        queue: queue?.save(),
      })),
      device: this.#device.save(),
    };
  }

  #restore(state: VirtioPciState): void {
    transportState(state, "new VirtioPciDevice", "state");
    const { queues } = this.#device;
    const refuse = (what: string): never => {
      throw new KvmError("EINVAL", `the saved virtio device ${this.#device.id} ${what}`);
    };
    if (state.queues.length !== queues.length)
      refuse(`has ${state.queues.length} queues; there are ${queues.length} here`);
    const accepted = this.#accepts(state.driverFeatures);
    if (state.status & Status.featuresOk && !accepted) {
      refuse(`agreed to features 0x${state.driverFeatures.toString(16)}, which this one does not offer`);
    }
    ({ status: this.#status, isr: this.#isr, driverFeatures: this.#driverFeatures } = state);
    ({ deviceFeatureSelect: this.#deviceFeatureSelect, driverFeatureSelect: this.#driverFeatureSelect } = state);
    ({ configVector: this.#configVector, queueSelect: this.#queueSelect, generation: this.#generation = 0 } = state);
    if (state.status & Status.featuresOk) this.#device.accepted?.(state.driverFeatures);
    const vectors = [state.configVector, ...state.queues.map(({ vector }) => vector)];
    const wrong = vectors.find((vector) => this.#vector(vector) !== vector);
    if (wrong !== undefined) refuse(`uses the message ${wrong}; there are ${this.interrupts.msix.vectors}`);
    this.#queues = state.queues.map(({ size, vector, addresses: [a, b, c], queue }, index) => {
      if (!isQueueSize(size, queues[index] ?? 0) || a === undefined || b === undefined || c === undefined) {
        return refuse(`has ${size} descriptors in queue ${index}, or lacks its addresses`);
      }
      const restored: Queue = { size, vector, addresses: [a, b, c], queue: undefined };
      if (queue !== undefined) restored.queue = this.#createQueue(restored, queue);
      return restored;
    });
    // What was to be looked at again is not among what is saved.
    for (const index of this.#queues.keys()) this.#lookAgain(index);
  }

  connect(bus: PciBus): void {
    this.#bus = bus;
  }

  disconnect(): void {
    this.#bus = undefined;
  }

  reset(): void {
    this.#status = 0;
    this.#isr = 0;
    this.#deviceFeatureSelect = 0;
    this.#driverFeatureSelect = 0;
    this.#driverFeatures = 0n;
    this.#configVector = VIRTIO_MSI_NO_VECTOR;
    this.#queueSelect = 0;
    this.#queues = this.#device.queues.map((size) => ({
      size,
      vector: VIRTIO_MSI_NO_VECTOR,
      addresses: [0n, 0n, 0n],
      queue: undefined,
    }));
    this.#bus?.setIntx(false);
    this.#device.reset();
  }

  read(bar: number, offset: number, length: number): bigint {
    if (bar !== 0) return 0n;
    const at = offset % structureSize;
    switch (offset - at) {
      case structures.common:
        return littleEndian(this.#common(), at, length);
      case structures.isr:
        return at === 0 ? BigInt(this.#takeIsr()) : 0n;
      case structures.device:
        return littleEndian(this.#device.config, at, length);
      default:
        return 0n;
    }
  }

  write(bar: number, offset: number, length: number, value: bigint): void {
    if (bar !== 0) return;
    const at = offset % structureSize;
    switch (offset - at) {
      case structures.common:
        if (length === 8) {
          this.#writeCommon(at, 4, Number(value & 0xffff_ffffn));
          this.#writeCommon(at + 4, 4, Number(value >> 32n));
        } else {
          this.#writeCommon(at, length, Number(value));
        }
        break;
      case structures.device:
        if (at + length <= this.#device.config.length) this.#device.writeConfig?.(at, bytesOf(value, length));
        break;
      case structures.notify:
        if (at % notifyMultiplier === 0) this.#notifySoon(at / notifyMultiplier);
        break;
      default:
    }
  }

  /** VIRTIO_PCI_CAP_PCI_CFG: the driver names a place in BAR 0, then reads or writes the value. */
  #pciAccess(): PciCapability {
    const { id, bytes } = capability(configType.pci, 0, 0, 0);
    const place = (view: DataView): { offset: number; length: number } | undefined => {
      const [bar, offset, length] = [view.getUint8(2), view.getUint32(6, true), view.getUint32(10, true)];
      const fits = [1, 2, 4].includes(length) && offset % length === 0 && offset + length <= this.bars[0].size;
      return bar === 0 && fits ? { offset, length } : undefined;
    };
    return {
      id,
      bytes,
      writable: bytes.map((_, i) => (i === 2 || i >= 6 ? 0xff : 0)),
      read: (now, offset) => {
        const view = new DataView(now.buffer, now.byteOffset);
        const at = offset >= pciCfgData ? place(view) : undefined;
        if (at) view.setUint32(pciCfgData, Number(this.read(0, at.offset, at.length)), true);
        return now;
      },
      written: (now, end) => {
        const view = new DataView(now.buffer, now.byteOffset);
        const at = end > pciCfgData ? place(view) : undefined;
        if (at) this.write(0, at.offset, at.length, littleEndian(now, pciCfgData, at.length));
      },
    };
  }

  get #features(): bigint {
    return this.#device.features | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | this.#required;
  }

  /** The common configuration as the driver reads it now. */
  #common(): Uint8Array {
    const bytes = new Uint8Array(common.size);
    const view = new DataView(bytes.buffer);
    const word = (features: bigint, select: number): number =>
      select < 2 ? Number((features >> BigInt(32 * select)) & 0xffff_ffffn) : 0;
    view.setUint32(common.deviceFeatureSelect, this.#deviceFeatureSelect, true);
    view.setUint32(common.deviceFeature, word(this.#features, this.#deviceFeatureSelect), true);
    view.setUint32(common.driverFeatureSelect, this.#driverFeatureSelect, true);
    view.setUint32(common.driverFeature, word(this.#driverFeatures, this.#driverFeatureSelect), true);
    view.setUint16(common.configMsixVector, this.#configVector, true);
    view.setUint16(common.numQueues, this.#queues.length, true);
    view.setUint8(common.deviceStatus, this.#status);
    view.setUint8(common.configGeneration, this.#generation);
    view.setUint16(common.queueSelect, this.#queueSelect, true);
    const queue = this.#queues[this.#queueSelect];
    // A queue that does not exist has size 0.
    if (!queue) return bytes;
    view.setUint16(common.queueSize, queue.size, true);
    view.setUint16(common.queueMsixVector, queue.vector, true);
    view.setUint16(common.queueEnable, queue.queue ? 1 : 0, true);
    view.setUint16(common.queueNotifyOff, this.#queueSelect, true);
    for (const [i, address] of queue.addresses.entries()) view.setBigUint64(common.queueDesc + 8 * i, address, true);
    return bytes;
  }

  #writeCommon(at: number, width: number, value: number): void {
    if (widths.get(at) !== width) return;
    switch (at) {
      case common.deviceFeatureSelect:
        this.#deviceFeatureSelect = value;
        break;
      case common.driverFeatureSelect:
        this.#driverFeatureSelect = value;
        break;
      case common.driverFeature:
        this.#setDriverFeatures(value);
        break;
      case common.configMsixVector:
        this.#configVector = this.#vector(value);
        break;
      case common.deviceStatus:
        this.#setStatus(value);
        break;
      case common.queueSelect:
        this.#queueSelect = value;
        break;
      default:
        this.#writeQueue(at, value);
    }
  }

  #writeQueue(at: number, value: number): void {
    const queue = this.#queues[this.#queueSelect];
    if (!queue) return;
    if (at === common.queueMsixVector) queue.vector = this.#vector(value);
    // What follows is fixed once the queue is enabled.
    if (queue.queue) return;
    if (at === common.queueSize) {
      const most = this.#device.queues[this.#queueSelect] ?? 0;
      if (isQueueSize(value, most)) queue.size = value;
    } else if (at === common.queueEnable) {
      if (value === 1) queue.queue = this.#createQueue(queue);
    } else if (at >= common.queueDesc) {
      const index = (at - common.queueDesc) >> 3;
      const old = queue.addresses[index] ?? 0n;
      const high = (at & 4) !== 0;
      const kept = high ? old & 0xffff_ffffn : old & ~0xffff_ffffn;
      queue.addresses[index] = kept | (high ? BigInt(value) << 32n : BigInt(value));
    }
  }

  #createQueue(queue: Queue, state?: SplitQueueState): SplitQueue {
    const [descriptors, driver, device] = queue.addresses;
    return new SplitQueue(
      this.#device.physical ? this.#pastBus : this.#throughBus,
      { size: queue.size, descriptors, driver, device },
      {
        on: {
          interrupt: () => this.#interrupt(Isr.queue, queue.vector),
          fail: () => this.#needReset(),
          busy: () => this.#lookAgain(this.#queues.indexOf(queue)),
        },
        agreed: {
          indirect: (this.#driverFeatures & VIRTIO_F_INDIRECT_DESC) !== 0n,
          eventIndex: (this.#driverFeatures & VIRTIO_F_EVENT_IDX) !== 0n,
        },
      },
      state,
    );
  }

  readonly #throughBus: Dma = (...access) => this.#bus?.dma(...access) ?? false;

  readonly #pastBus: Dma = (address, ...access) => this.#bus?.memory?.visit(Number(address), ...access) ?? false;

  #setDriverFeatures(value: number): void {
    if (this.#status & Status.featuresOk || this.#driverFeatureSelect > 1) return;
    const shift = BigInt(32 * this.#driverFeatureSelect);
    this.#driverFeatures = (this.#driverFeatures & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift);
  }

  #accepts(features: bigint): boolean {
    return (features & ~this.#features) === 0n && (features & this.#required) === this.#required;
  }

  #setStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    let status = value | (this.#status & Status.needsReset);
    if (!this.#accepts(this.#driverFeatures)) status &= ~Status.featuresOk;
    if (status & ~this.#status & Status.featuresOk) this.#device.accepted?.(this.#driverFeatures);
    const started = (status & ~this.#status & Status.driverOk) !== 0;
    this.#status = status;
    // Buffers may have been there before.
    if (started) for (const index of this.#queues.keys()) this.#notify(index);
  }

  #configChanged(): void {
    this.#generation = (this.#generation + 1) & 0xff;
    if (this.#status & Status.driverOk) this.#interrupt(Isr.config, this.#configVector);
  }

  /** The driver has broken a queue: nothing moves until it resets the device. */
  #needReset(): void {
    this.#status |= Status.needsReset;
    this.#interrupt(Isr.config, this.#configVector);
  }

  #notify(index: number): void {
    const queue = this.#running(index);
    if (queue) this.#device.notify(index, queue);
  }

  /** The driver says nothing of buffers that lay there already. In between others have their turn. */
  #lookAgain(index: number): void {
    if (this.#again.has(index)) return;
    this.#again.add(index);
    void hostTurn().then(() => {
      this.#again.delete(index);
      this.#notifySoon(index);
    });
  }

  /** The guest's CPU does not wait for what a device does with its buffers. After a restore every queue is looked at. */
  #notifySoon(index: number): void {
    const bus = this.#bus;
    if (!bus || this.#soon.has(index) || index >= this.#queues.length) return;
    this.#soon.add(index);
    bus.soon(() => {
      this.#soon.delete(index);
      if (this.#bus) this.#notify(index);
    });
  }

  #running(index: number): SplitQueue | undefined {
    const bits = Status.driverOk | Status.featuresOk | Status.needsReset;
    const ready = (this.#status & bits) === (Status.driverOk | Status.featuresOk);
    return ready ? this.#queues[index]?.queue : undefined;
  }

  #interrupt(cause: number, vector: number): void {
    const bus = this.#bus;
    if (bus?.mode === "msix") {
      if (vector !== VIRTIO_MSI_NO_VECTOR) bus.message(vector);
      return;
    }
    this.#isr |= cause;
    bus?.setIntx(true);
  }

  /** Reading it takes the interrupt back. */
  #takeIsr(): number {
    const isr = this.#isr;
    this.#isr = 0;
    this.#bus?.setIntx(false);
    return isr;
  }

  #vector(value: number): number {
    return value < this.interrupts.msix.vectors ? value : VIRTIO_MSI_NO_VECTOR;
  }
}

const isQueueSize = (size: number, most: number): boolean => size > 0 && size <= most && (size & (size - 1)) === 0;

/** struct virtio_pci_cap behind its identifier and link; with a multiplier, struct virtio_pci_notify_cap. */
function capability(type: number, offset: number, length: number, multiplier?: number): PciCapability {
  const bytes = new Uint8Array(multiplier === undefined ? 14 : 18);
  const view = new DataView(bytes.buffer);
  bytes[0] = bytes.length + 2;
  bytes[1] = type;
  view.setUint32(6, offset, true);
  view.setUint32(10, length, true);
  if (multiplier !== undefined) view.setUint32(14, multiplier, true);
  return { id: PCI_CAP_ID_VNDR, bytes };
}

/** Beyond the end there is nothing: 0. */
function littleEndian(bytes: Uint8Array, at: number, length: number): bigint {
  let value = 0n;
  for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i] ?? 0);
  return value;
}

const bytesOf = (value: bigint, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
