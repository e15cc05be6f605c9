/**
 * A VM's state as plain values under names, which another version of this package understands though its data lies
 * elsewhere. What is not saved is derived (translations, decoded code) or stays where it is in the VM's memory (what the
 * user side allocated, TCE tables, dirty bitmaps).
 *
 * A version that adds a field gives it the value it has in a new VM when the saved state lacks it; one that no longer has a
 * field ignores it. Anything else needs another `format`.
 */
import type { FieldList, Struct } from "../base/struct.js";
import { type Check, either, listOf, oneOfTypes } from "../base/takes.js";
import type { Range } from "./heap.js";
import type { VmMemory } from "./memory.js";
import type { IrqRoute } from "./uapi.js";

export const savedFormat = 1;

export type SavedFields = Readonly<Record<string, number | bigint | readonly (number | bigint)[]>>;

const scalar = oneOfTypes("number", "bigint");
/** What a field of SavedFields may be, whoever made it. */
export const savedValue: Check = either(scalar, listOf(scalar));

export interface SavedSlot {
  readonly slot: number;
  readonly base: bigint;
  readonly size: bigint;
  readonly flags: number;
  /** Addresses, which stay. 0: no dirty bitmap. */
  readonly address: number;
  readonly bitmap: number;
}

export interface SavedVcpu {
  readonly id: number;
  /** The core's record, and the architecture's. */
  readonly core: SavedFields;
  readonly arch: unknown;
}

export interface SavedVm {
  readonly format: typeof savedFormat;
  readonly arch: string;
  /** Host clock (ms) at which the time base was 0. */
  readonly clockBase: number;
  readonly core: SavedFields;
  readonly slots: readonly SavedSlot[];
  readonly eventFds: readonly (readonly [id: number, SavedFields])[];
  readonly ioeventfds: readonly SavedFields[];
  readonly routes: readonly IrqRoute[];
  /** Whether they have been set, though perhaps there are none. */
  readonly routed?: boolean;
  readonly devices: readonly (readonly [type: number, unknown])[];
  readonly vcpus: readonly SavedVcpu[];
  readonly archVm: unknown;
  /** What the user side allocated. */
  readonly user: readonly Range[];
  /** What else stays where it is. */
  readonly kept: readonly Range[];
  readonly free: readonly Range[];
  /** Where the allocator stood. */
  readonly heapNext: number;
}

/** The fields of a struct at `address`, but those in `without`. */
export function saveFields<F extends FieldList>(
  memory: VmMemory,
  { fields, offset }: Struct<F>,
  address: number,
  without: readonly (keyof F)[] = [],
): SavedFields {
  const saved: Record<string, number | bigint | (number | bigint)[]> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (without.includes(name)) continue;
    const at = address + offset[name as keyof F];
    if (typeof field === "string") saved[name] = load(memory, field, at);
    else {
      const [type, count] = field;
      saved[name] = Array.from({ length: count }, (_, i) => load(memory, type, at + i * bytesOf[type]));
    }
  }
  return saved;
}

/** Writes back what of the struct's fields was saved. */
export function restoreFields<F extends FieldList>(
  memory: VmMemory,
  { fields, offset }: Struct<F>,
  address: number,
  saved: SavedFields,
  without: readonly (keyof F)[] = [],
): void {
  for (const [name, field] of Object.entries(fields)) {
    const value = saved[name];
    if (value === undefined || without.includes(name)) continue;
    const at = address + offset[name as keyof F];
    const [type, count] = typeof field === "string" ? [field, 1] : field;
    const values = Array.isArray(value) ? value : [value];
    for (let i = 0; i < Math.min(count, values.length); i++) store(memory, type, at + i * bytesOf[type], values[i]);
  }
}

type Type = "i32" | "i64" | "f64";
const bytesOf = { i32: 4, i64: 8, f64: 8 } as const;

const load = (memory: VmMemory, type: Type, at: number): number | bigint =>
  type === "i64" ? memory.i64(at) : type === "f64" ? memory.f64(at) : memory.i32(at);

function store(memory: VmMemory, type: Type, at: number, value: number | bigint): void {
  if (type === "i64")
    memory.setI64(at, typeof value === "number" ? BigInt(Number.isFinite(value) ? Math.trunc(value) : 0) : value);
  else if (type === "f64") memory.setF64(at, Number(value));
  else memory.setI32(at, Number(value));
}
