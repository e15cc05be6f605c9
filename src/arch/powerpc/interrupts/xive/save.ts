/** The XIVE's state as plain values, and into memory again (kvm/saved.ts). No vCPU runs meanwhile. */
import { allocate } from "../../../../kvm/heap.js";
import type { VmMemory } from "../../../../kvm/memory.js";
import { restoreFields, type SavedFields, saveFields } from "../../../../kvm/saved.js";
import {
  blockMax,
  blockSize,
  blockSources,
  SourceFlag,
  serverMax,
  serverState,
  sourceMax,
  sourceState,
  xiveState,
} from "./state.js";

export interface SavedXive {
  readonly controller: SavedFields;
  /** By server number, those with a vCPU. */
  readonly servers: readonly (readonly [number, SavedFields])[];
  /** By number, those that exist. */
  readonly sources: readonly (readonly [number, SavedFields])[];
}

const derived = ["lock", "servers", "blocks"] as const;

export function saveXive(memory: VmMemory, base: number): SavedXive {
  const servers: (readonly [number, SavedFields])[] = [];
  for (let number = 0; number < serverMax; number++) {
    const at = memory.u32(base + xiveState.offset.servers + 4 * number);
    if (at !== 0) servers.push([number, saveFields(memory, serverState, at)]);
  }
  const sources: (readonly [number, SavedFields])[] = [];
  for (let block = 0; block < blockMax; block++) {
    const first = memory.u32(base + xiveState.offset.blocks + 4 * block);
    if (first === 0) continue;
    for (let i = 0; i < blockSources; i++) {
      const at = first + i * sourceState.size;
      if ((memory.i32(at + sourceState.offset.flags) & SourceFlag.exists) === 0) continue;
      sources.push([block * blockSources + i, saveFields(memory, sourceState, at)]);
    }
  }
  return { controller: saveFields(memory, xiveState, base, derived), servers, sources };
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
  for (const [irq, fields] of sources) {
    if (irq >= sourceMax) continue;
    const entry = base + xiveState.offset.blocks + 4 * Math.floor(irq / blockSources);
    if (memory.i32(entry) === 0) memory.setI32(entry, allocate(memory, blockSize));
    restoreFields(memory, sourceState, memory.u32(entry) + (irq % blockSources) * sourceState.size, fields);
  }
  return base;
}
