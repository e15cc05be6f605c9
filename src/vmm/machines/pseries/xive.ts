/**
 * The XIVE as the machine sets it up, and what it knows of it: hypercalls ask for a source's target, which KVM does not
 * tell. Source: PAPR, "XIVE Exploitation Mode"; Documentation/virt/kvm/devices/xive.rst.
 */
import {
  KVM_DEV_XIVE_GRP_CTRL,
  KVM_DEV_XIVE_GRP_EQ_CONFIG,
  KVM_DEV_XIVE_GRP_ESB,
  KVM_DEV_XIVE_GRP_PAGES,
  KVM_DEV_XIVE_GRP_SOURCE,
  KVM_DEV_XIVE_GRP_SOURCE_CONFIG,
  KVM_DEV_XIVE_GRP_SOURCE_SYNC,
  KVM_DEV_XIVE_NR_SERVERS,
  KVM_DEV_XIVE_RESET,
  KVM_XIVE_EQ_SERVER_SHIFT,
  KVM_XIVE_ESB_PAGE_OFFSET,
  KVM_XIVE_LEVEL_SENSITIVE,
  KVM_XIVE_SOURCE_EISN_SHIFT,
  KVM_XIVE_SOURCE_MASKED_MASK,
  KVM_XIVE_SOURCE_SERVER_SHIFT,
  KVM_XIVE_TIMA_PAGE_OFFSET,
  kvmPpcXiveEq,
  kvmXiveEsb,
  type PpcVm,
  type PpcXiveEq,
  ppcXiveEq,
} from "../../../arch/powerpc/uapi.js";
import { either, having, integer, listOf, oneOf, u32, u64 } from "../../../base/takes.js";
import { type Device, KVM_DEV_TYPE_XIVE, KvmError } from "../../../kvm/uapi.js";
import { VmmError } from "../../errors.js";

/** Where the guest finds the pages: as in QEMU's machine of the same name. */
const timaAddress = 0x6_0302_0318_0000n;
const esbAddress = 0x6_0100_0000_0000n;
/** log2 of the bytes of each page. */
export const pageShift = 16;
export const pageSize = 1n << BigInt(pageShift);
/** Pages of the thread management area, which has also the two of the hypervisor. */
export const osPage = timaAddress + 2n * pageSize;
export const userPage = timaAddress + 3n * pageSize;
/** log2 of the bytes of a queue. */
export const queueShift = 16;
/** The priorities that a guest may use end below. */
export const priorityEnd = 7;
/** Priority of a source that goes nowhere. */
export const maskedPriority = 0xff;

/** Where a source's events go. */
export interface Target {
  readonly server: number;
  /** maskedPriority: nowhere. */
  readonly priority: number;
  /** What the queue's entry says. */
  readonly eisn: number;
}

/** What the machine knows of the XIVE as a plain value; the rest is KVM's, and saved with the VM. */
export interface XiveState {
  /** Of sources whose target was set. */
  readonly targets: readonly (Target & { readonly irq: bigint })[];
}

/** Consecutive sources. */
export interface SourceRange {
  readonly first: number;
  readonly count: number;
  /** Default: they are edges. */
  readonly level?: boolean;
}

interface Source {
  readonly level: boolean;
  target: Target;
}

export class XiveController {
  readonly #device: Device;
  readonly #cpus: number;
  readonly #sources = new Map<bigint, Source>();

  /**
   * With a source for each CPU, 0 and up, which CPUs interrupt each other by, and `ranges`. `state` is what an earlier `save`
   * gave. EINVAL: it is not of such a controller.
   */
  constructor(vm: PpcVm, cpus: number, ranges: readonly SourceRange[] = [], state?: XiveState) {
    const server = integer(0, cpus - 1);
    const priority = either(integer(0, priorityEnd - 1), oneOf(maskedPriority));
    const target = having({ irq: u64, server, priority, eisn: u32 });
    if (state !== undefined) having({ targets: listOf(target) })(state, "new XiveController", "state");
    const device = vm.createDevice(KVM_DEV_TYPE_XIVE);
    if (!device) throw new VmmError("this KVM has no XIVE interrupt controller");
    this.#device = device;
    this.#cpus = cpus;
    try {
      device.setAttr(KVM_DEV_XIVE_GRP_CTRL, KVM_DEV_XIVE_NR_SERVERS, BigInt(cpus));
      device.setAttr(KVM_DEV_XIVE_GRP_PAGES, KVM_XIVE_TIMA_PAGE_OFFSET, timaAddress);
      device.setAttr(KVM_DEV_XIVE_GRP_PAGES, KVM_XIVE_ESB_PAGE_OFFSET, esbAddress);
      for (const range of [{ first: 0, count: cpus }, ...ranges]) this.#addSources(range);
      for (const { irq, server, priority, eisn } of state?.targets ?? []) {
        const source = this.#sources.get(irq);
        if (!source) throw new KvmError("EINVAL", `the saved XIVE has a source ${irq}; this one has none`);
        source.target = { server, priority, eisn };
      }
    } catch (error) {
      device.close();
      throw error;
    }
  }

  /** The number that stands for it in KVM_ENABLE_CAP. */
  get fd(): number {
    return this.#device.fd;
  }

  save(): XiveState {
    const all = [...this.#sources].map(([irq, { target }]) => ({ irq, ...target }));
    return {
      targets: all.filter(({ irq, server, priority, eisn }) => {
        const unset = nowhere(irq);
        return server !== unset.server || priority !== unset.priority || eisn !== unset.eisn;
      }),
    };
  }

  #addSources({ first, count, level = false }: SourceRange): void {
    for (let irq = first; irq < first + count; irq++) {
      this.#device.setAttr(KVM_DEV_XIVE_GRP_SOURCE, BigInt(irq), level ? KVM_XIVE_LEVEL_SENSITIVE : 0n);
      this.#sources.set(BigInt(irq), { level, target: nowhere(BigInt(irq)) });
    }
  }

  isServer(server: bigint): boolean {
    return server >= 0n && server < BigInt(this.#cpus);
  }

  source(irq: bigint): Readonly<Source> | undefined {
    return this.#sources.get(irq);
  }

  /** The page that manages a source, and the one that triggers it. */
  pages(irq: bigint): { readonly manage: bigint; readonly trigger: bigint } {
    const trigger = esbAddress + irq * 2n * pageSize;
    return { manage: trigger + pageSize, trigger };
  }

  /** Throws KvmError. The source is there. */
  setTarget(irq: bigint, target: Target): void {
    const { server, priority, eisn } = target;
    const place =
      priority === maskedPriority
        ? KVM_XIVE_SOURCE_MASKED_MASK
        : (BigInt(server) << KVM_XIVE_SOURCE_SERVER_SHIFT) | BigInt(priority);
    this.#device.setAttr(KVM_DEV_XIVE_GRP_SOURCE_CONFIG, irq, place | (BigInt(eisn) << KVM_XIVE_SOURCE_EISN_SHIFT));
    const source = this.#sources.get(irq);
    if (source) source.target = target;
  }

  queue(server: bigint, priority: bigint): PpcXiveEq {
    return ppcXiveEq(this.#device.getAttr(KVM_DEV_XIVE_GRP_EQ_CONFIG, queueId(server, priority)));
  }

  /** Throws KvmError. */
  setQueue(server: bigint, priority: bigint, queue: PpcXiveEq): void {
    this.#device.setAttr(KVM_DEV_XIVE_GRP_EQ_CONFIG, queueId(server, priority), kvmPpcXiveEq(queue));
  }

  load(irq: bigint, offset: bigint): bigint {
    return this.#device.getAttr(KVM_DEV_XIVE_GRP_ESB, kvmXiveEsb(Number(irq), Number(offset & 0xfffn)));
  }
  store(irq: bigint, offset: bigint, value: bigint): void {
    this.#device.setAttr(KVM_DEV_XIVE_GRP_ESB, kvmXiveEsb(Number(irq), Number(offset & 0xfffn)), value);
  }

  sync(irq: bigint): void {
    this.#device.setAttr(KVM_DEV_XIVE_GRP_SOURCE_SYNC, irq);
  }

  reset(): void {
    this.#device.setAttr(KVM_DEV_XIVE_GRP_CTRL, KVM_DEV_XIVE_RESET);
    for (const [irq, source] of this.#sources) source.target = nowhere(irq);
  }

  close(): void {
    this.#device.close();
  }
}

const queueId = (server: bigint, priority: bigint): bigint => (server << KVM_XIVE_EQ_SERVER_SHIFT) | priority;
const nowhere = (irq: bigint): Target => ({ server: 0, priority: maskedPriority, eisn: Number(irq) });
