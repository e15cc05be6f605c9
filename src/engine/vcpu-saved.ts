/** A vCPU's state as plain values under names (kvm/saved.ts), and what such values may be, as far as architectures are alike. */
import { KvmError } from "../base/errors.js";
import type { VcpuInside } from "../kvm/inside.js";
import type { EngineField, EngineLayout, Field } from "./layout.js";
import type { VcpuFields } from "./vcpu-fields.js";

/** What the engine makes anew, what only lives while it runs, and where things lie. */
const engineDerived: readonly EngineField[] = [
  "fault",
  "exitCode",
  "budget",
  "recheck",
  "sampling",
  "sliceLength",
  "shortSlices",
  "tlb",
  "asid",
  "fetchTlb",
  "fetchAsid",
  "jumpPages",
  "contexts",
  "contextGeneration",
  "tableNext",
  "codeBytes",
  "vcpuIndex",
  "codeMaps",
  "writers",
  "codeMap",
  "nextCodePage",
  "codePagesTaken",
  "mode",
  "fetchPage",
  "decodeRoot",
  "inGuest",
  "mailHead",
  "mailTail",
  "mail",
  "dropSets",
  "dropWords",
  "requests",
];
/** What is an address of the VM's memory: 0 of a vCPU that has no dirty ring. */
const engineAddresses: readonly EngineField[] = ["dirtyRing"];

const width = { i32: 32, i64: 64, f64: 64, v128: 128 } as const;

/** Fields by name, each of whose elements is a number. */
export type SavedState = Readonly<Record<string, readonly bigint[]>>;

/** What of an architecture's fields is not saved, or has bounds; what is said of the engine's need not be said again. */
export interface SavedRules<Name extends string> {
  readonly derived: readonly Name[];
  /** The most that an element may be, of what has fewer values than bits. */
  readonly most: Partial<Readonly<Record<Name, bigint>>>;
  /** What is an address, and so 0 while the vCPU is not in the engine. */
  readonly addresses?: readonly Name[];
}

/** The state whose fields a layout has. All is saved that is not derived. */
export function savedVcpuState<Name extends string>(
  { getField, setField }: Pick<VcpuFields<Name>, "getField" | "setField">,
  state: Readonly<Record<Name, Field>> & EngineLayout["state"],
  rules: SavedRules<Name>,
) {
  const derived: ReadonlySet<string> = new Set<string>([...engineDerived, ...rules.derived]);
  const addresses: ReadonlySet<string> = new Set<string>([...engineAddresses, ...(rules.addresses ?? [])]);
  const most: Readonly<Record<string, bigint | undefined>> = {
    mmioCompleted: BigInt(state.mmioValues.count),
    mmioConsumed: BigInt(state.mmioValues.count),
    breakCount: BigInt(state.breakAddress.count),
    watchCount: BigInt(state.watchAddress.count),
    ...rules.most,
  };
  const isField = (name: string): name is Name => Object.hasOwn(state, name);
  return {
    save(vcpu: VcpuInside): SavedState {
      const fields = (Object.keys(state) as Name[]).filter((field) => !derived.has(field));
      const values = fields.map((field) => {
        const { count } = state[field];
        return [field, Array.from({ length: count }, (_, i) => getField(vcpu, field, i))] as const;
      });
      return Object.fromEntries(values);
    },

    restore(vcpu: VcpuInside, saved: SavedState): void {
      for (const [name, elements] of Object.entries(saved)) {
        if (!isField(name) || derived.has(name)) continue;
        for (const [i, value] of elements.slice(0, state[name].count).entries()) setField(vcpu, name, value, i);
      }
    },

    /** What comes in may be from a hostile file. EINVAL: it has what no vCPU has; `who` is for the sentence. */
    check(saved: Readonly<Record<string, readonly unknown[]>>, who: string): void {
      const refuse = (what: string): never => {
        throw new KvmError("EINVAL", `vm.loadState: the state has ${what}`);
      };
      for (const [name, elements] of Object.entries(saved)) {
        if (!isField(name)) continue;
        const bits = width[state[name].type];
        const limit = most[name];
        for (const value of elements) {
          const fits = typeof value === "bigint" && BigInt.asUintN(bits, value) === value;
          if (!fits || (limit !== undefined && value > limit)) {
            refuse(`${String(value)} as ${name} of ${who}, a field of ${bits} bits`);
          }
        }
        if (addresses.has(name) && elements.some((value) => value !== 0n)) refuse(`a ${name} in ${who}`);
      }
    },
  };
}
