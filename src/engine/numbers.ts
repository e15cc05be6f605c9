/**
 * The numbers that the run-time library shares with TypeScript: each is declared once, in a table, and written as constants
 * that AssemblyScript imports (`layout.generated.ts`): `S_<field>` and `N_<field>` are offset and count of a field of the
 * state, `<TABLE>_<key>` what stands in a table.
 */
import { dirtyRing, dirtyRingEntry, dirtyRingReserve, memorySlot, vmLayout } from "../kvm/layout.js";
import { KVM_DIRTY_GFN_F_DIRTY, KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from "../kvm/uapi.js";
import {
  Access,
  type engineErrors,
  type engineExits,
  type engineRequests,
  type engineVm,
  Handler,
  jumpCache,
  MmuEvent,
  ownerBits,
  Right,
  smallTlb,
} from "./layout.js";
import { aloneBit, type EngineTarget } from "./target.js";

/** A table: numbers of 32 bits, and of 64. */
type Table = Readonly<Record<string, number | bigint>>;

/** What an architecture adds to the engine's tables, and tables of its own. */
export interface ArchitectureTables {
  readonly [prefix: string]: Table;
  readonly EXIT: Table & typeof engineExits;
  readonly REQUEST: Table & typeof engineRequests;
  readonly ERROR: Table & typeof engineErrors;
  /** What it keeps of a VM. */
  readonly ARCH: Table & typeof engineVm;
  /** How an exit for the user's breakpoints and watchpoints tells which it was. */
  readonly DEBUG: Readonly<Record<"breakpoint" | "watchRead" | "watchWrite", number>>;
}

/** A constant of 64 bits has its type, so that what is done with it has 64 too. */
const constant = (name: string, value: number | bigint): string =>
  typeof value === "bigint"
    ? `export const ${name}: u64 = 0x${BigInt.asUintN(64, value).toString(16)};`
    : `export const ${name} = ${value};`;

/** The text of `layout.generated.ts`. */
export function assemblyConstants(target: EngineTarget, tables: ArchitectureTables): string {
  const { state, tlb, codePage, vcpu } = target.layout;
  const all: Readonly<Record<string, Table>> = {
    MODE: { alone: aloneBit(target) },
    ACCESS: Access,
    RIGHT: Right,
    EVENT: MmuEvent,
    TLB: tlb,
    SMALLTLB: smallTlb,
    JUMPCACHE: jumpCache,
    CODE: codePage,
    HANDLER: Handler,
    OWNER: ownerBits,
    VCPU: vcpu,
    VM: vmLayout,
    SLOT: { ...memorySlot.offset, logDirty: KVM_MEM_LOG_DIRTY_PAGES, readOnly: KVM_MEM_READONLY },
    RING: { ...dirtyRing.offset, reserve: dirtyRingReserve },
    RINGENTRY: { ...dirtyRingEntry.offset, size: dirtyRingEntry.size, dirty: KVM_DIRTY_GFN_F_DIRTY },
    ...tables,
  };
  const lines = [
    "// Written by tools/build-wasm.ts from the tables that engine/numbers.ts names and the architecture's own.",
    ...Object.entries(state).map(([name, { offset }]) => constant(`S_${name}`, offset)),
    ...Object.entries(state)
      .filter(([, { count }]) => count > 1)
      .map(([name, { count }]) => constant(`N_${name}`, count)),
    ...Object.entries(all).flatMap(([prefix, table]) =>
      Object.entries(table).map(([key, value]) => constant(`${prefix}_${key}`, value)),
    ),
  ];
  return `${lines.join("\n")}\n`;
}
