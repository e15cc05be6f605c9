/** POWER as the translator sees it. */
import type { TranslatorTarget } from "../../../engine/translate/target.js";
import { vmLayout } from "../../../kvm/layout.js";
import { detectWasmFeatures } from "../../../wasm/features.js";
import { decode } from "../isa/decoder.js";
import { bcctr, bclr } from "../isa/instructions/branch.js";
import type { Variant } from "../isa/pattern.js";
import { handlerSpecs, type PowerHandler } from "./handlers.js";
import { jumpTable } from "./jump-table.js";
import { Handler, state } from "./layout.js";
import { isLittleEndian, isMode64, powerTarget } from "./power-target.js";
import { branches } from "./region-branches.js";
import { held, PowerRegionRecorder } from "./region-recorder.js";

/** The variants by handler number, made once for each thread that translates. */
let handlers: readonly PowerHandler[] | undefined;

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
    return (view, at, _room, mode) => {
      const word = view.getUint32(at, isLittleEndian(mode));
      const variant =
        specs[decode(table, word, view.getInt32(s + state.decodeRoot.offset, true)) - Handler.first]?.variant;
      return variant && !variant.definition.options.interpreted ? { variant, word, length: 4 } : undefined;
    };
  },
  flow: ({ variant, jumps }) => (isCall(variant, jumps[0]) ? "call" : variant.definition === bclr ? "return" : "plain"),
  jumpTable: (mode, { variant, jumps }, offset, word, isCode) =>
    variant.definition === bcctr && !isCall(variant, jumps[0])
      ? jumpTable(offset + 4, (at) => word(at, isLittleEndian(mode)), isCode)
      : [],
  breakpoints: (view, s) => {
    const field = (name: "breaking" | "breakCount" | "ciabr") => view.getInt32(s + state[name].offset, true);
    if (field("breaking") === 0) return [];
    const addresses = Array.from({ length: field("breakCount") }, (_, i) =>
      view.getBigUint64(s + state.breakAddress.offset + 8 * i, true),
    );
    return field("ciabr") & 3 ? [...addresses, BigInt(field("ciabr"))] : addresses;
  },
} as const satisfies TranslatorTarget<Variant>;
