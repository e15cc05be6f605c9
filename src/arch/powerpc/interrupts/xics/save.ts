/** The XICS's state as plain values, and into memory again (kvm/saved.ts). No vCPU runs meanwhile. */
import { allocate } from "../../../../kvm/heap.js";
import type { VmMemory } from "../../../../kvm/memory.js";
import { restoreFields, type SavedFields, saveFields } from "../../../../kvm/saved.js";
import { type SavedSources, SourceBlocks } from "../source-blocks.js";
import { serverMax, serverState, sourceState, xicsSize, xicsState } from "./state.js";

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
