/** From a gsi to pins of interrupt controllers or to a message. Source: KVM_SET_GSI_ROUTING. */
import { KvmError } from "../base/errors.js";
import { struct } from "../base/struct.js";
import { allocate } from "./heap.js";
import { locked } from "./lock.js";
import type { VmMemory } from "./memory.js";
import { vmState } from "./state.js";
import type { IrqRoute } from "./uapi.js";

/** Most entries of a table. */
export const routeMax = 4096;

const { offset: route, size: routeSize } = struct({
  gsi: "i32",
  /** 0 a pin, 1 a message. */
  message: "i32",
  /** The pin, or the message's data. */
  value: "i32",
  /** Of a pin, whose it is. */
  irqchip: "i32",
  /** The message's address. */
  address: "i64",
});

const head = struct({ count: "i32" });
const tableSize = head.size + routeMax * routeSize;

export type Target =
  | { readonly type: "pin"; readonly irqchip: number; readonly pin: number }
  | { readonly type: "message"; readonly address: bigint; readonly data: number };

/** `pins`: how many each interrupt controller has; a gsi can lead to one of each, or be one message. */
export function setRoutes(memory: VmMemory, routes: readonly IrqRoute[], pins: readonly number[]): void {
  const refuse = (gsi: number, what: string): never => {
    throw new KvmError("EINVAL", `KVM_SET_GSI_ROUTING: gsi ${gsi} ${what}`);
  };
  if (routes.length > routeMax) throw new KvmError("EINVAL", `more than ${routeMax} interrupt routes`);
  const seen = new Map<number, readonly string[]>();
  for (const entry of routes) {
    const { gsi, type } = entry;
    if (!(Number.isInteger(gsi) && gsi >= 0 && gsi < routeMax)) {
      refuse(gsi, `cannot be routed: those from 0 to ${routeMax - 1} can`);
    }
    const before = seen.get(gsi) ?? [];
    if (type === "irqchip") {
      const { irqchip, pin } = entry;
      if (irqchip >= pins.length) refuse(gsi, `leads to interrupt controller ${irqchip}, and there are ${pins.length}`);
      if (pin >= (pins[irqchip] ?? 0)) refuse(gsi, `leads to pin ${pin} of ${pins[irqchip]}`);
    } else if (type !== "msi") refuse(gsi, "has an unknown type of route");
    const where = type === "irqchip" ? String(entry.irqchip) : "msi";
    if (before.includes(where) || (before.length > 0 && (where === "msi" || before.includes("msi")))) {
      refuse(gsi, "is routed twice");
    }
    seen.set(gsi, [...before, where]);
  }
  locked(memory, vmState.lock, () => {
    if (memory.i32(vmState.routes) === 0) memory.setI32(vmState.routes, allocate(memory, 2 * tableSize));
    // Readers take no lock: they go by one table while the other is filled.
    const set = memory.load(vmState.routesSet) + 1;
    const table = tableAt(memory, set);
    memory.setI32(table + head.offset.count, routes.length);
    for (const [index, entry] of routes.entries()) {
      const at = table + head.size + index * routeSize;
      const message = entry.type === "msi";
      memory.setI32(at + route.gsi, entry.gsi);
      memory.setI32(at + route.message, message ? 1 : 0);
      memory.setI32(at + route.value, message ? entry.data : entry.pin);
      memory.setI32(at + route.irqchip, message ? 0 : entry.irqchip);
      memory.setI64(at + route.address, message ? entry.address : 0n);
    }
    memory.store(vmState.routesSet, set);
  });
}

/** The two tables are used by turns. */
const tableAt = (memory: VmMemory, set: number): number => memory.u32(vmState.routes) + (set & 1) * tableSize;

/** What `take` makes of the entries, by their addresses, but for undefined; undefined: no table has been set. */
function collect<T>(memory: VmMemory, take: (at: number) => T | undefined): T[] | undefined {
  for (;;) {
    const set = memory.load(vmState.routesSet);
    if (set === 0) return undefined;
    const found: T[] = [];
    const table = tableAt(memory, set);
    const end = table + head.size + Math.min(memory.i32(table + head.offset.count), routeMax) * routeSize;
    // Each interrupt comes by here: nothing is made of entries that nobody wants.
    for (let at = table + head.size; at < end; at += routeSize) {
      const one = take(at);
      if (one !== undefined) found.push(one);
    }
    // Set anew meanwhile, it may have been set twice: what was read may be of both.
    if (memory.load(vmState.routesSet) === set) return found;
  }
}

const gsiAt = (memory: VmMemory, at: number): number => memory.i32(at + route.gsi);

function targetAt(memory: VmMemory, at: number): Target {
  const value = memory.u32(at + route.value);
  return memory.i32(at + route.message)
    ? { type: "message", address: memory.u64(at + route.address), data: value }
    : { type: "pin", irqchip: memory.i32(at + route.irqchip), pin: value };
}

/** The table as it was set; undefined: it has not been. */
export const getRoutes = (memory: VmMemory): IrqRoute[] | undefined =>
  collect(memory, (at): IrqRoute => {
    const gsi = gsiAt(memory, at);
    const target = targetAt(memory, at);
    return target.type === "message"
      ? { gsi, type: "msi", address: target.address, data: target.data }
      : { gsi, type: "irqchip", irqchip: target.irqchip, pin: target.pin };
  });

/** Where a gsi goes by the table; undefined: there is none. */
export const findRoutes = (memory: VmMemory, gsi: number): Target[] | undefined =>
  collect(memory, (at) => (gsiAt(memory, at) === gsi ? targetAt(memory, at) : undefined));

/** Whether one of the table's entries is such. */
export const someRoute = (memory: VmMemory, is: (gsi: number, target: Target) => boolean): boolean =>
  (collect(memory, (at) => is(gsiAt(memory, at), targetAt(memory, at)) || undefined) ?? []).length > 0;

/** Which gsis lead to a pin; undefined: there is no table. */
export const gsisOf = (memory: VmMemory, irqchip: number, pin: number): number[] | undefined =>
  collect(memory, (at) => {
    const target = targetAt(memory, at);
    return target.type === "pin" && target.irqchip === irqchip && target.pin === pin ? gsiAt(memory, at) : undefined;
  });
