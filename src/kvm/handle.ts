/**
 * The handle of a VM that its user holds. It stands for the VM wherever that is: in this kvm, or in another one that it has
 * moved to, perhaps of another version of this package. So do the handles got from it.
 */
import { taking } from "../base/takes.js";
import { moveOut } from "./move.js";
import { vmSignatures } from "./signatures.js";
import type { Device, EventFd, StatsFd, TraceOptions, Vcpu, Vm } from "./uapi.js";
import type { VmCore } from "./vm.js";

interface Part {
  readonly handle: object;
  closed: boolean;
  follow(vm: Vm): void;
}

export function vmHandle(core: VmCore): Vm {
  /** Undefined once the VM has left this kvm: then the handle in the other one does what is needed. */
  let here: VmCore | undefined = core;
  let there: Vm | undefined;
  /** Either. What is here has no way to move but this handle. */
  let vm: Omit<Vm, "moveTo"> = core;
  let trace: TraceOptions | undefined;
  const parts = new Map<string, Part>();

  /** The handle under `key`; at the beginning it stands for `first`. */
  function part<T extends Closable>(
    key: string,
    first: T,
    reopen: (vm: Vm) => T,
    more: (current: () => T) => More<T> = () => ({}),
  ): T {
    const known = parts.get(key);
    if (known && !known.closed) return known.handle as T;
    let current = first;
    const { own = {}, moved, end } = more(() => current);
    const close = (): void => {
      created.closed = true;
      // Nobody asks for it any more, unless the move must end it.
      if (!end && parts.get(key) === created) parts.delete(key);
      current.close();
    };
    const { handle, stand } = standIn<T>(first, { ...own, close } as Partial<T>);
    const created: Part = {
      handle,
      closed: false,
      follow: (to) => {
        if (created.closed) {
          end?.(to);
          return;
        }
        current = reopen(to);
        stand(current);
        moved?.();
      },
    };
    parts.set(key, created);
    return handle;
  }

  let files = 0;
  const statistics = (first: StatsFd, reopen: (to: Vm) => StatsFd): StatsFd =>
    part(`statistics ${files++}`, first, reopen, reading);
  const vcpu = (first: Vcpu): Vcpu =>
    part(
      `vcpu ${first.id}`,
      first,
      (to) => to.vcpu(first.id),
      // A vCPU arrives with a handle, and the VM lives until the last one is closed.
      (current) => ({
        own: { getStatsFd: () => statistics(current().getStatsFd(), (to) => to.vcpu(first.id).getStatsFd()) },
        end: (to) => to.vcpu(first.id).close(),
      }),
    );
  const device = (first: Device): Device => part(`device ${first.type}`, first, (to) => to.device(first.type));
  const eventFd = (first: EventFd): EventFd =>
    part(`eventfd ${first.id}`, first, (to) => to.eventFd(first.id), listening);

  const own: Record<string, unknown> = {
    createVcpu: (id: number) => vcpu(vm.createVcpu(id)),
    vcpu: (id: number) => vcpu(vm.vcpu(id)),
    createEventFd: () => eventFd(vm.createEventFd()),
    eventFd: (id: number) => eventFd(vm.eventFd(id)),
    createDevice: (type: number, flags?: number) => {
      const created = vm.createDevice(type, flags);
      return created && device(created);
    },
    device: (type: number) => device(vm.device(type)),
    getStatsFd: () => statistics(vm.getStatsFd(), (to) => to.getStatsFd()),
    setTrace: (options: TraceOptions) => {
      vm.setTrace(options);
      trace = options;
    },
    moveTo: taking(
      "vm.moveTo",
      vmSignatures.moveTo,
      async (...[kvm, options = {}]: Parameters<Vm["moveTo"]>) => {
        if (here) await moveOut(here, kvm, options, arrive);
        else await there?.moveTo(kvm, options);
      },
      { promises: true },
    ),
  };
  for (const [name, { key, reopen }] of Object.entries(core.arch.parts)) {
    own[name] = (...args: never[]) => {
      const method = Reflect.get(vm, name) as (...args: never[]) => Closable;
      const first = method.apply(vm, args);
      return part(key(first as never), first, (to) => reopen(to as never, first as never) as Closable);
    };
  }
  const { handle, stand } = standIn<Vm>(vm, own as Partial<Vm>);

  function arrive(arrived: Vm): void {
    here = undefined;
    there = arrived;
    vm = arrived;
    stand(arrived);
    if (trace) arrived.setTrace(trace);
    for (const [key, each] of parts) {
      each.follow(arrived);
      if (each.closed) parts.delete(key);
    }
  }
  return handle;
}

interface Closable {
  close(): void;
}

/** How far a file has been read goes with it. */
function reading(current: () => StatsFd): More<StatsFd> {
  let position = 0;
  return {
    own: {
      read: (buffer) => {
        const length = current().pread(buffer, position);
        position += length;
        return length;
      },
    },
  };
}

/** What a part does in its own way, after the move, and if it was closed before the move. */
interface More<T> {
  readonly own?: Partial<T>;
  readonly moved?: () => void;
  readonly end?: (vm: Vm) => void;
}

/** An eventfd's listeners go with it. */
function listening(current: () => EventFd): More<EventFd> {
  const listeners = new Map<object, { readonly listener: (count: bigint) => void; stop: () => void }>();
  return {
    own: {
      onSignal: (listener) => {
        const key = {};
        listeners.set(key, { listener, stop: current().onSignal(listener) });
        return () => {
          listeners.get(key)?.stop();
          listeners.delete(key);
        };
      },
    },
    moved: () => {
      for (const entry of listeners.values()) entry.stop = current().onSignal(entry.listener);
    },
  };
}

/** An object that has what another one has, which can be replaced, but for `own`. */
function standIn<T extends object>(
  first: object,
  own: Partial<T>,
): { readonly handle: T; readonly stand: (next: T) => void } {
  let target = first;
  const methods = new Map<string | symbol, unknown>();
  const handle = new Proxy({} as T, {
    get: (_, name) => {
      if (name in own) return own[name as keyof T];
      const known = methods.get(name);
      if (known) return known;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      // Looked up at each call: what it stands for may be a stand-in too.
      const method = (...args: unknown[]): unknown =>
        (Reflect.get(target, name, target) as (...a: unknown[]) => unknown).apply(target, args);
      methods.set(name, method);
      return method;
    },
    set: (_, name, value) => Reflect.set(target, name, value, target),
    has: (_, name) => name in own || name in target,
  });
  return {
    handle,
    stand: (next) => {
      target = next;
    },
  };
}
