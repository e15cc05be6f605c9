/**
 * Writes by which a guest only says that a device has something to do: KVM takes them (ioeventfd), so that the CPU goes on at
 * once and its thread does not wait for this one. Where memory is not shared between threads there is nothing to gain, and
 * they stay exits, as they do where KVM has no room for more.
 */
import { type EventFd, KVM_IOEVENTFD_FLAG_DEASSIGN, KvmError, type Vm } from "../../../kvm/uapi.js";
import { type BusWindow, inside } from "./windows.js";

/** On the bus. */
interface Place {
  readonly address: bigint;
  readonly length: number;
}

interface Bell {
  readonly fd: EventFd;
  /** Where KVM listens: a real address. */
  bound: { readonly addr: bigint; readonly len: number } | undefined;
}

export class Doorbells {
  readonly #vm: Pick<Vm, "shared" | "createEventFd" | "ioeventfd">;
  readonly #windows: readonly BusWindow[];
  readonly #fail: (error: unknown) => void;
  /** One for each that a device was made with, however often the guest moves it. */
  readonly #bells = new Map<string, Bell>();

  /** `fail` is told what a device threw. */
  constructor(
    vm: Pick<Vm, "shared" | "createEventFd" | "ioeventfd">,
    windows: readonly BusWindow[],
    fail: (error: unknown) => void,
  ) {
    this.#vm = vm;
    this.#windows = windows;
    this.#fail = fail;
  }

  /** Has `ring` called after writes there; undefined: after none. */
  place(key: string, place: Place | undefined, ring: () => void): void {
    if (!this.#vm.shared) return;
    const real = place && realPlace(this.#windows, place);
    const bell = this.#bells.get(key) ?? (real && this.#create(key, ring));
    if (!bell) return;
    const { fd, bound } = bell;
    if (bound) this.#vm.ioeventfd({ fd, ...bound, flags: KVM_IOEVENTFD_FLAG_DEASSIGN });
    bell.bound = undefined;
    if (!real) return;
    if (ifThereIsRoom(() => this.#vm.ioeventfd({ fd, ...real }))) bell.bound = real;
  }

  close(): void {
    for (const { fd } of this.#bells.values()) fd.close();
    this.#bells.clear();
  }

  #create(key: string, ring: () => void): Bell | undefined {
    let bell: Bell | undefined;
    ifThereIsRoom(() => {
      bell = { fd: this.#vm.createEventFd(), bound: undefined };
    });
    if (!bell) return undefined;
    this.#bells.set(key, bell);
    bell.fd.onSignal(() => {
      try {
        ring();
      } catch (error) {
        this.#fail(error);
      }
    });
    return bell;
  }
}

/** False: KVM has too many already, or another is there, where a guest has laid one device over another. */
function ifThereIsRoom(body: () => void): boolean {
  try {
    body();
    return true;
  } catch (error) {
    if (error instanceof KvmError && ["ENOMEM", "ENOSPC", "EEXIST"].includes(error.code)) return false;
    throw error;
  }
}

function realPlace(windows: readonly BusWindow[], { address, length }: Place): Bell["bound"] {
  for (const range of windows) {
    const real = address - range.bus + range.start;
    if (range.space === "memory" && inside(range, real, length)) return { addr: real, len: length };
  }
  return undefined;
}
