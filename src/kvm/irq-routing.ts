/** From a gsi to a pin of the interrupt controller or to a message. Source: KVM_SET_GSI_ROUTING. */
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
  /** The message's address. */
  address: "i64",
});

export type Target =
  | { readonly type: "pin"; readonly pin: number }
  | { readonly type: "message"; readonly address: bigint; readonly data: number };

export function setRoutes(memory: VmMemory, routes: readonly IrqRoute[]): void {
  if (routes.length > routeMax) throw new KvmError("EINVAL", `more than ${routeMax} interrupt routes`);
  const seen = new Set<number>();
  for (const { gsi, type } of routes) {
    if (!(Number.isInteger(gsi) && gsi >= 0 && gsi < routeMax)) {
      throw new KvmError("EINVAL", `gsi ${gsi} cannot be routed: those from 0 to ${routeMax - 1} can`);
    }
    if (type !== "irqchip" && type !== "msi") throw new KvmError("EINVAL", `gsi ${gsi}: unknown type of route`);
    if (seen.has(gsi)) throw new KvmError("EINVAL", `gsi ${gsi} is routed twice`);
    seen.add(gsi);
  }
  const wrong = routes.find((r) => r.type === "irqchip" && r.irqchip !== 0);
  if (wrong) throw new KvmError("EINVAL", `gsi ${wrong.gsi}: there is only interrupt controller 0`);
  locked(memory, vmState.lock, () => {
    if (memory.i32(vmState.routes) === 0) memory.setI32(vmState.routes, allocate(memory, routeMax * routeSize));
    const table = memory.u32(vmState.routes);
    // Readers take no lock: they see an empty table (pins) while it changes.
    memory.store(vmState.routeCount, 0);
    for (const [index, entry] of routes.entries()) {
      const at = table + index * routeSize;
      memory.setI32(at + route.gsi, entry.gsi);
      memory.setI32(at + route.message, entry.type === "msi" ? 1 : 0);
      memory.setI32(at + route.value, entry.type === "msi" ? entry.data : entry.pin);
      memory.setI64(at + route.address, entry.type === "msi" ? entry.address : 0n);
    }
    memory.store(vmState.routeCount, routes.length);
  });
}

/** The table as it was set. */
export function getRoutes(memory: VmMemory): IrqRoute[] {
  const table = memory.u32(vmState.routes);
  return Array.from({ length: memory.load(vmState.routeCount) }, (_, index) => {
    const at = table + index * routeSize;
    const [gsi, value] = [memory.i32(at + route.gsi), memory.u32(at + route.value)];
    return memory.i32(at + route.message)
      ? { gsi, type: "msi", address: memory.u64(at + route.address), data: value }
      : { gsi, type: "irqchip", irqchip: 0, pin: value };
  });
}

/** Where a gsi goes; without an entry, to the pin of its number. */
export function findRoute(memory: VmMemory, gsi: number): Target {
  const table = memory.u32(vmState.routes);
  for (let i = 0, count = memory.load(vmState.routeCount); i < count; i++) {
    const at = table + i * routeSize;
    if (memory.i32(at + route.gsi) !== gsi) continue;
    const value = memory.u32(at + route.value);
    return memory.i32(at + route.message)
      ? { type: "message", address: memory.u64(at + route.address), data: value }
      : { type: "pin", pin: value };
  }
  return { type: "pin", pin: gsi };
}
