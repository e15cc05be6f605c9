/** The XIVE's state as plain values, and into memory again (kvm/saved.ts). No vCPU runs meanwhile. */

import { KvmError } from "../../../../base/errors.js";
import { anything, either, having, integer, listOf, oneOf, recordOf } from "../../../../base/takes.js";
import { allocate } from "../../../../kvm/heap.js";
import type { VmMemory } from "../../../../kvm/memory.js";
import { restoreFields, type SavedFields, savedValue, saveFields } from "../../../../kvm/saved.js";
import { requireSame, type SavedSources, SourceBlocks, savedPairs } from "../source-blocks.js";
import {
  masked,
  priorities,
  queueEntries,
  queueShift,
  queueSources,
  serverMax,
  serverState,
  sourceState,
  xiveState,
} from "./state.js";

export interface SavedXive {
  readonly controller: SavedFields;
  /** By server number, those with a vCPU. */
  readonly servers: readonly (readonly [number, SavedFields])[];
  readonly sources: SavedSources;
}

const derived = ["lock", "servers", "blocks"] as const;

const sourcesOf = (memory: VmMemory, base: number) =>
  new SourceBlocks(memory, base + xiveState.offset.blocks, sourceState);

export function saveXive(memory: VmMemory, base: number): SavedXive {
  const servers: (readonly [number, SavedFields])[] = [];
  for (let number = 0; number < serverMax; number++) {
    const at = memory.u32(base + xiveState.offset.servers + 4 * number);
    if (at !== 0) servers.push([number, saveFields(memory, serverState, at)]);
  }
  return { controller: saveFields(memory, xiveState, base, derived), servers, sources: sourcesOf(memory, base).save() };
}

/** The new state's address. */
export function restoreXive(memory: VmMemory, { controller, servers, sources }: SavedXive): number {
  const base = allocate(memory, xiveState.size);
  restoreFields(memory, xiveState, base, controller, derived);
  for (const [number, fields] of servers) {
    if (number >= serverMax) continue;
    const at = allocate(memory, serverState.size);
    restoreFields(memory, serverState, at, fields);
    memory.setI32(base + xiveState.offset.servers + 4 * number, at);
  }
  sourcesOf(memory, base).restore(sources);
  return base;
}

const u32 = integer(0, 0xffff_ffff);
const byte = integer(0, 0xff);
const savedCheck = having({ controller: recordOf(savedValue), servers: savedPairs, sources: savedPairs });
const serverCheck = having({
  cppr: byte,
  ipb: byte,
  lsmfb: byte,
  ackCount: byte,
  inc: byte,
  age: byte,
  queueAddress: listOf(anything),
  queueShift: listOf(oneOf(0, queueShift)),
  queueIndex: listOf(integer(0, queueEntries - 1)),
  queueToggle: listOf(oneOf(0, 1)),
  queueTargets: listOf(integer(0, queueSources)),
});

/** Into the controller at `base`, which has the same servers and sources. EINVAL: it has not, or cannot be in such a state. */
export function loadXive(memory: VmMemory, base: number, saved: unknown): void {
  savedCheck(saved, "vm.loadState", "the XIVE");
  const { controller, servers, sources } = saved as SavedXive;
  const here = saveXive(memory, base);
  for (const page of ["tima", "esb"] as const) {
    if (controller[page] === here.controller[page]) continue;
    throw new KvmError("EINVAL", `vm.loadState: the saved XIVE's pages (${page}) lie elsewhere`);
  }
  requireSame(servers, here.servers);
  for (const [number, fields] of servers) {
    serverCheck(fields, "vm.loadState", `server ${number} of the XIVE`);
    const at = memory.u32(base + xiveState.offset.servers + 4 * number);
    restoreFields(memory, serverState, at, fields, ["vcpu"]);
  }
  const count = Number(here.controller["serverCount"]);
  const priority = either(integer(0, priorities - 1), oneOf(masked));
  const server = integer(0, count - 1);
  sourcesOf(memory, base).load(
    sources,
    having({ flags: integer(0, 7), pq: integer(0, 3), server, priority, eisn: u32 }),
  );
}
