/** POWER as the translator sees it. */
import type { Placed, TranslatorTarget } from "../../../engine/translate/target.js";
import { vmLayout } from "../../../kvm/layout.js";
import { detectWasmFeatures } from "../../../wasm/features.js";
import { decode } from "../isa/decoder.js";
import { bcctr, bclr } from "../isa/instructions/branch.js";
import { isPrefix, prefixBoundary, type Variant } from "../isa/pattern.js";
import { handlerSpecs, type PowerHandler } from "./handlers.js";
import { jumpTable } from "./jump-table.js";
import { Handler, state } from "./layout.js";
import { isLittleEndian, isMode64, powerTarget } from "./power-target.js";
import { branches } from "./region-branches.js";
import { held, PowerRegionRecorder } from "./region-recorder.js";

/** The variants by handler number, made once for each thread that translates. */
let handlers: readonly PowerHandler[] | undefined;

/** Variants behind one prefix each. A guest could make any number. */
const behindPrefix = new Map<Variant, Map<number, Variant>>();
const prefixLimit = 1024;
let prefixCount = 0;

/** The variant with its prefix's operands fixed: templates know instructions of one word, and few prefixes are in use. */
function behind(variant: Variant, prefix: number): Variant {
  const known = behindPrefix.get(variant)?.get(prefix);
  if (known) return known;
  if (prefixCount++ >= prefixLimit) {
    behindPrefix.clear();
    prefixCount = 1;
  }
  const fixed: Variant = { ...variant, prefix: { mask: 0xffff_ffff, value: prefix } };
  const all = behindPrefix.get(variant) ?? new Map<number, Variant>();
  behindPrefix.set(variant, all.set(prefix, fixed));
  return fixed;
}

const isCall = ({ flags }: Variant, distance: number | undefined): boolean =>
  // bl .+4 asks for its own address: nothing returns from there.
  flags.lk === true && distance !== 4;

export const translatorTarget = {
  ...powerTarget,
  held,
  branches,
  warmUp: () => {
    handlers ??= handlerSpecs().specs;
  },
  recorder: (mode, runtime, access) => {
    const fused = detectWasmFeatures().fusedMadd;
    return new PowerRegionRecorder({
      mode64: isMode64(mode),
      littleEndian: isLittleEndian(mode),
      fused,
      runtime,
      access,
    });
  },
  // Through the table that the interpreter's module has put into the memory. A copy: a memory that grows may leave its old
  // buffer.
  decoder: (memory, s) => {
    const words = (vmLayout.base - vmLayout.decodeTables) / 4;
    const table = new Int32Array(memory.buffer, vmLayout.decodeTables, words).slice();
    handlers ??= handlerSpecs().specs;
    const specs = handlers;
    return (view, at, room, mode) => {
      const word = view.getUint32(at, isLittleEndian(mode));
      const root = view.getInt32(s + state.decodeRoot.offset, true);
      // Over a boundary of 64 bytes it is an Alignment interrupt, which is not translated.
      const suffix =
        isPrefix(word) && at % prefixBoundary !== prefixBoundary - 4 && room >= 8
          ? view.getUint32(at + 4, isLittleEndian(mode))
          : undefined;
      const variant = specs[decode(table, word, root, suffix) - Handler.first]?.variant;
      if (!variant || variant.definition.options.interpreted) return undefined;
      return suffix === undefined
        ? { variant, word, length: 4 }
        : { variant: behind(variant, word), word: suffix, length: 8 };
    };
  },
  flow: ({ variant, jumps }) => (isCall(variant, jumps[0]) ? "call" : variant.definition === bclr ? "return" : "plain"),
  jumpTable: (mode, row, code) => {
    const { offset, template } = row.at(-1) as Placed<Variant>;
    const { variant, jumps } = template;
    return variant.definition === bcctr && !isCall(variant, jumps[0])
      ? jumpTable(offset + 4, (at) => code.word(at, isLittleEndian(mode)), code.isCode)
      : [];
  },
  breakpoints: (view, s) => {
    const field = (name: "breaking" | "breakCount" | "ciabr") => view.getInt32(s + state[name].offset, true);
    if (field("breaking") === 0) return [];
    const addresses = Array.from({ length: field("breakCount") }, (_, i) =>
      view.getBigUint64(s + state.breakAddress.offset + 8 * i, true),
    );
    return field("ciabr") & 3 ? [...addresses, BigInt(field("ciabr"))] : addresses;
  },
} as const satisfies TranslatorTarget<Variant>;
