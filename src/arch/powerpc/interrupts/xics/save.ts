/** The XICS's state as plain values, and into memory again (kvm/saved.ts). No vCPU runs meanwhile. */

import { having, integer, recordOf } from "../../../../base/takes.js";
import { allocate } from "../../../../kvm/heap.js";
import type { VmMemory } from "../../../../kvm/memory.js";
import { restoreFields, type SavedFields, savedValue, saveFields } from "../../../../kvm/saved.js";
import { requireSame, type SavedSources, SourceBlocks, savedPairs, sourceMax } from "../source-blocks.js";
import { masked, serverMax, serverState, sourceState, xicsSize, xicsState } from "./state.js";

export interface SavedXics {
  readonly controller: SavedFields;
  /** By server number, those with a vCPU. */
  readonly servers: readonly (readonly [number, SavedFields])[];
  readonly sources: SavedSources;
}

const derived = ["lock", "blocks"] as const;
const serverAt = (base: number, number: number): number => base + xicsState.size + number * serverState.size;

const sourcesOf = (memory: VmMemory, base: number) =>
  new SourceBlocks(memory, base + xicsState.offset.blocks, sourceState);

export function saveXics(memory: VmMemory, base: number): SavedXics {
  const servers: (readonly [number, SavedFields])[] = [];
  for (let number = 0; number < serverMax; number++) {
    const at = serverAt(base, number);
    if (memory.i32(at + serverState.offset.vcpu) !== 0) servers.push([number, saveFields(memory, serverState, at)]);
  }
  return { controller: saveFields(memory, xicsState, base, derived), servers, sources: sourcesOf(memory, base).save() };
}

/** The new state's address. */
export function restoreXics(memory: VmMemory, { controller, servers, sources }: SavedXics): number {
  const base = allocate(memory, xicsSize);
  restoreFields(memory, xicsState, base, controller, derived);
  for (const [number, fields] of servers) restoreFields(memory, serverState, serverAt(base, number), fields);
  sourcesOf(memory, base).restore(sources);
  return base;
}

const priority = integer(0, masked);
const savedCheck = having({ controller: recordOf(savedValue), servers: savedPairs, sources: savedPairs });

/** Into the controller at `base`, which has the same servers and sources. EINVAL: it has not, or cannot be in such a state. */
export function loadXics(memory: VmMemory, base: number, saved: unknown): void {
  savedCheck(saved, "vm.loadState", "the XICS");
  const { servers, sources } = saved as SavedXics;
  const here = saveXics(memory, base);
  const count = Number(here.controller["serverCount"]);
  const serverCheck = having({
    cppr: priority,
    mfrr: priority,
    xisr: integer(0, sourceMax - 1),
    pendingPriority: priority,
    needResend: integer(0, 1),
  });
  const sourceCheck = having({
    flags: integer(0, 63),
    server: integer(0, count - 1),
    priority,
    savedPriority: priority,
  });
  requireSame(servers, here.servers);
  for (const [number, fields] of servers) {
    serverCheck(fields, "vm.loadState", `server ${number} of the XICS`);
    restoreFields(memory, serverState, serverAt(base, number), fields, ["vcpu"]);
  }
  sourcesOf(memory, base).load(sources, sourceCheck);
}
