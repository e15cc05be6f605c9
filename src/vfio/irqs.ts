/** A device's interrupts as VFIO hands them on: to eventfds. Source: drivers/vfio/pci/vfio_pci_intrs.c. */
import { KvmError } from "../base/errors.js";
import type { EventFd } from "../kvm/uapi.js";
import type { HostIrq } from "./host-device.js";
import {
  type IrqSet,
  VFIO_IRQ_INFO_AUTOMASKED,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_ERR_IRQ_INDEX,
} from "./uapi.js";

const dataMask = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD;
const actionMask = VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER;

/** One kind of interrupt of an open device. */
interface Kind {
  readonly count: number;
  /** Level-sensitive: signalled once, then masked until it is unmasked. */
  readonly automasked: boolean;
  /** Of ERR and REQ, which need no enabling and exclude nothing. */
  readonly notice: boolean;
  readonly triggers: (EventFd | undefined)[];
  enabled: boolean;
  masked: boolean;
  /** Level of the line. */
  level: boolean;
  /** Ends the listening to the eventfd that unmasks. */
  endUnmask: (() => void) | undefined;
}

const refuse = (why: string) => new KvmError("EINVAL", `VFIO_DEVICE_SET_IRQS: ${why}`);

export class DeviceIrqs {
  readonly #kinds: readonly Kind[];
  readonly #enabled: (index: number | undefined) => void;

  /** `enabled` is told which kind the device is to use from now on; undefined: none. */
  constructor(irqs: readonly HostIrq[], enabled: (index: number | undefined) => void) {
    this.#enabled = enabled;
    this.#kinds = irqs.map(({ count, flags }, index) => ({
      count,
      automasked: (flags & VFIO_IRQ_INFO_AUTOMASKED) !== 0,
      notice: index >= VFIO_PCI_ERR_IRQ_INDEX,
      triggers: new Array<EventFd | undefined>(count).fill(undefined),
      enabled: false,
      masked: false,
      level: false,
      endUnmask: undefined,
    }));
  }

  /** What the device does: see `HostBus.interrupt`. */
  interrupt(index: number, subindex: number, level: boolean): void {
    const kind = this.#kinds[index];
    if (!kind) return;
    if (!kind.automasked) {
      if (level) signal(kind.triggers[subindex]);
      return;
    }
    kind.level = level;
    this.#deliver(kind);
  }

  set(request: IrqSet): void {
    const kind = this.#check(request);
    switch (request.flags & actionMask) {
      case VFIO_IRQ_SET_ACTION_TRIGGER:
        this.#trigger(kind, request);
        return;
      case VFIO_IRQ_SET_ACTION_MASK:
      case VFIO_IRQ_SET_ACTION_UNMASK:
        this.#mask(kind, request);
        return;
      default:
        throw refuse("exactly one action is to be given");
    }
  }

  /** All off, as after the last close. */
  disable(): void {
    for (const kind of this.#kinds) this.#off(kind);
  }

  #check({ flags, index, start, count, eventfds, bools }: IrqSet): Kind {
    const kind = this.#kinds[index];
    if (!kind || kind.count === 0) throw refuse(`the device has no interrupts of kind ${index}`);
    if (flags & ~(dataMask | actionMask)) throw refuse(`unknown flags 0x${flags.toString(16)}`);
    const whole = (value: number) => Number.isInteger(value) && value >= 0;
    if (!whole(start) || !whole(count) || start >= kind.count || start + count > kind.count) {
      throw refuse(`interrupts ${start} to ${start + count - 1} of ${kind.count}`);
    }
    switch (flags & dataMask) {
      case VFIO_IRQ_SET_DATA_NONE:
        break;
      case VFIO_IRQ_SET_DATA_BOOL:
        if ((bools?.length ?? 0) < count) throw refuse(`${count} bools are needed`);
        break;
      case VFIO_IRQ_SET_DATA_EVENTFD:
        if ((eventfds?.length ?? 0) < count) throw refuse(`${count} eventfds are needed`);
        break;
      default:
        throw refuse("exactly one type of data is to be given");
    }
    return kind;
  }

  #trigger(kind: Kind, request: IrqSet): void {
    const { flags, start, count, eventfds } = request;
    const data = flags & dataMask;
    if (count === 0 && data === VFIO_IRQ_SET_DATA_NONE) {
      this.#off(kind);
      return;
    }
    if (!kind.notice && this.#kinds.some((other) => other.enabled && other !== kind)) {
      throw refuse("the device uses another kind of interrupts; switch that off first (no data, count 0)");
    }
    if (kind.automasked && count !== 1) throw refuse("this kind has one interrupt");
    if (data === VFIO_IRQ_SET_DATA_EVENTFD) {
      for (let i = 0; i < count; i++) kind.triggers[start + i] = eventfds?.[i];
      if (!kind.notice && !kind.enabled) {
        kind.enabled = true;
        this.#enabled(this.#kinds.indexOf(kind));
      }
      if (kind.automasked) this.#deliver(kind);
      return;
    }
    if (!kind.enabled && !kind.notice) throw refuse("these interrupts are not enabled: give them eventfds first");
    for (let i = start; i < start + count; i++) if (wanted(request, i)) signal(kind.triggers[i]);
  }

  #mask(kind: Kind, request: IrqSet): void {
    const { flags, count } = request;
    const unmask = (flags & actionMask) === VFIO_IRQ_SET_ACTION_UNMASK;
    if (!kind.automasked) throw new KvmError("ENOTTY", "VFIO_DEVICE_SET_IRQS: these interrupts cannot be masked");
    if (!kind.enabled) throw refuse("this interrupt is not enabled: give it an eventfd first");
    if (count !== 1) throw refuse("this kind has one interrupt");
    if ((flags & dataMask) === VFIO_IRQ_SET_DATA_EVENTFD) {
      if (!unmask) throw new KvmError("ENOTTY", "VFIO_DEVICE_SET_IRQS: no eventfd masks; only unmasking has one");
      const next = request.eventfds?.[0]?.onSignal(() => this.#setMasked(kind, false));
      kind.endUnmask?.();
      kind.endUnmask = next;
      return;
    }
    if (wanted(request, request.start)) this.#setMasked(kind, !unmask);
  }

  #setMasked(kind: Kind, masked: boolean): void {
    kind.masked = masked;
    this.#deliver(kind);
  }

  #off(kind: Kind): void {
    const { enabled } = kind;
    kind.triggers.fill(undefined);
    kind.enabled = false;
    kind.masked = false;
    kind.endUnmask?.();
    kind.endUnmask = undefined;
    if (enabled) this.#enabled(undefined);
  }

  #deliver(kind: Kind): void {
    if (!kind.enabled || !kind.level || kind.masked) return;
    kind.masked = true;
    signal(kind.triggers[0]);
  }
}

/** An eventfd that user space has closed is signalled to nobody. */
function signal(eventfd: EventFd | undefined): void {
  try {
    eventfd?.signal();
  } catch (error) {
    if (!(error instanceof KvmError && error.code === "EBADF")) throw error;
  }
}

/** Whether interrupt `i` is meant: without data all are, else those whose bool is set. */
const wanted = ({ flags, bools, start }: IrqSet, i: number): boolean =>
  (flags & VFIO_IRQ_SET_DATA_NONE) !== 0 || bools?.[i - start] === true;
