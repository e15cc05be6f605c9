/** The XIVE's state as plain values, and into memory again (kvm/saved.ts). No vCPU runs meanwhile. */
import { allocate } from "../../../../kvm/heap.js";
import type { VmMemory } from "../../../../kvm/memory.js";
import { restoreFields, type SavedFields, saveFields } from "../../../../kvm/saved.js";
import { type SavedSources, SourceBlocks } from "../source-blocks.js";
import { serverMax, serverState, sourceState, xiveState } from "./state.js";

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
