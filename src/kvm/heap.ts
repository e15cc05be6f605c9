/**
 * Hands out a VM's memory. Almost all of it lives as long as the VM does; what a move to another kvm leaves behind is
 * given back and taken again by the next.
 */
import { mayFail } from "../base/fault.js";
import { alignUp } from "../base/struct.js";
import { vmLayout } from "./layout.js";
import { locked } from "./lock.js";
import type { VmMemory } from "./memory.js";
import { freeMax, vmState } from "./state.js";

/** Addresses of a free range. */
export interface Range {
  readonly address: number;
  readonly bytes: number;
}

/**
 * Bytes at a multiple of `alignment`, from `lowest` on; the first `zeroed` of them are 0 (default: all). ENOMEM.
 */
export function allocate(
  memory: VmMemory,
  bytes: number,
  alignment = 64,
  { zeroed = bytes, lowest = 0 }: { zeroed?: number; lowest?: number } = {},
): number {
  mayFail("VM memory");
  return locked(memory, vmState.heapLock, () => {
    const reused = takeFree(memory, bytes, alignment, lowest);
    if (reused !== undefined) {
      memory.bytes(reused, zeroed).fill(0);
      return reused;
    }
    const address = alignUp(Math.max(memory.u32(vmLayout.heapNext), lowest), alignment);
    const end = address + bytes;
    memory.ensure(end);
    memory.setI32(vmLayout.heapNext, end);
    return address;
  });
}

/** Gives ranges back. Whoever used them must have stopped. */
export function free(memory: VmMemory, ranges: readonly Range[]): void {
  locked(memory, vmState.heapLock, () => {
    writeFree(memory, merged([...freeRanges(memory), ...ranges]));
  });
}

function takeFree(memory: VmMemory, bytes: number, alignment: number, lowest: number): number | undefined {
  if (memory.i32(vmState.freeCount) === 0) return undefined;
  const ranges = freeRanges(memory);
  for (const [index, { address, bytes: length }] of ranges.entries()) {
    const at = alignUp(Math.max(address, lowest), alignment);
    if (at + bytes > address + length) continue;
    const left = { address, bytes: at - address };
    const right = { address: at + bytes, bytes: address + length - at - bytes };
    ranges.splice(index, 1, ...[left, right].filter((part) => part.bytes > 0));
    writeFree(memory, ranges);
    return at;
  }
  return undefined;
}

/** What was given back. */
export function freeRanges(memory: VmMemory): Range[] {
  return Array.from({ length: memory.i32(vmState.freeCount) }, (_, i) => ({
    address: memory.u32(vmState.free + 8 * i),
    bytes: memory.u32(vmState.free + 8 * i + 4),
  }));
}

function writeFree(memory: VmMemory, ranges: readonly Range[]): void {
  const kept = ranges.slice(0, freeMax);
  for (const [i, { address, bytes }] of kept.entries()) {
    memory.setI32(vmState.free + 8 * i, address);
    memory.setI32(vmState.free + 8 * i + 4, bytes);
  }
  memory.setI32(vmState.freeCount, kept.length);
}

/** By address, neighbours made one. */
function merged(ranges: Range[]): Range[] {
  const all: { address: number; bytes: number }[] = [];
  for (const { address, bytes } of ranges.sort((a, b) => a.address - b.address)) {
    const last = all.at(-1);
    if (last && last.address + last.bytes === address) last.bytes += bytes;
    else all.push({ address, bytes });
  }
  return all;
}
