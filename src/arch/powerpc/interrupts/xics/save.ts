/** The XICS's state as plain values, and into memory again (kvm/saved.ts). No vCPU runs meanwhile. */
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
  sourceState,
  xicsSize,
  xicsState,
} from "./state.js";

export interface SavedXics {
  readonly controller: SavedFields;
  /** By server number, those with a vCPU. */
  readonly servers: readonly (readonly [number, SavedFields])[];
  /** By interrupt number, those that exist. */
  readonly sources: readonly (readonly [number, SavedFields])[];
}

const derived = ["lock", "blocks"] as const;
const serverAt = (base: number, number: number): number => base + xicsState.size + number * serverState.size;

export function saveXics(memory: VmMemory, base: number): SavedXics {
  const servers: (readonly [number, SavedFields])[] = [];
  for (let number = 0; number < serverMax; number++) {
    const at = serverAt(base, number);
    if (memory.i32(at + serverState.offset.vcpu) !== 0) servers.push([number, saveFields(memory, serverState, at)]);
  }
  const sources: (readonly [number, SavedFields])[] = [];
  for (let block = 0; block < blockMax; block++) {
    const first = memory.u32(base + xicsState.offset.blocks + 4 * block);
    if (first === 0) continue;
    for (let i = 0; i < blockSources; i++) {
      const at = first + i * sourceState.size;
      if ((memory.i32(at + sourceState.offset.flags) & SourceFlag.exists) === 0) continue;
      sources.push([block * blockSources + i, saveFields(memory, sourceState, at)]);
    }
  }
  return { controller: saveFields(memory, xicsState, base, derived), servers, sources };
}

/** The new state's address. */
export function restoreXics(memory: VmMemory, { controller, servers, sources }: SavedXics): number {
  const base = allocate(memory, xicsSize);
  restoreFields(memory, xicsState, base, controller, derived);
  for (const [number, fields] of servers) restoreFields(memory, serverState, serverAt(base, number), fields);
  for (const [irq, fields] of sources) {
    const entry = base + xicsState.offset.blocks + 4 * Math.floor(irq / blockSources);
    if (memory.i32(entry) === 0) memory.setI32(entry, allocate(memory, blockSize));
    restoreFields(memory, sourceState, memory.u32(entry) + (irq % blockSources) * sourceState.size, fields);
  }
  return base;
}
