/** Templates of x86 instructions, which many displacements and immediates share. UNIKVM_SEED draws other cases. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { state } from "../../../src/arch/x86/engines/layout.js";
import type { X86Instruction } from "../../../src/arch/x86/engines/region-recorder.js";
import { translatorTarget } from "../../../src/arch/x86/engines/translator-target.js";
import { isThere } from "../../../src/arch/x86/isa/assembler.js";
import { disassemble } from "../../../src/arch/x86/isa/disassembler.js";
import { instructionSet } from "../../../src/arch/x86/isa/instruction-set.js";
import { assertSameRegions } from "../../../src/engine/translate/region-forms.test-support.js";
import type { Found } from "../../../src/engine/translate/template.js";
import { Random } from "../../differential/random.js";
import { draw, placeOf } from "./draw.js";

test("a region is the same whichever displacement and immediate of a form were recorded first", () => {
  const seed = Number(process.env["UNIKVM_SEED"] ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed} (UNIKVM_SEED repeats it)`);
  const random = new Random(seed);
  const memory = new WebAssembly.Memory({ initial: 4 });
  const view = new DataView(memory.buffer);
  view.setBigUint64(state.features.offset, -1n, true);
  const at = 0x30000;
  const decode = translatorTarget.decoder(memory, 0);
  const codes: Uint8Array[] = [];
  const found: Found<X86Instruction>[] = [];
  for (const form of instructionSet().forms) {
    if (!form.definition.semantics || !isThere(form, 64)) continue;
    for (let n = 0; n < 4; n++) {
      const code = draw(random, form, placeOf(n))?.code;
      if (!code) continue;
      new Uint8Array(memory.buffer, at).set(code);
      const one = decode(view, at, code.length, 0);
      if (!one) continue;
      found.push(one);
      codes.push(Uint8Array.from(code));
    }
  }
  // Each word names what was decoded for it until 8192 more have been.
  assert.ok(found.length > 2000 && found.length < 8192, `${found.length} cases`);
  assertSameRegions(translatorTarget, 0, found, (i) => {
    const code = codes[i] as Uint8Array;
    const read = disassemble(code, 64);
    return `seed ${seed}: ${Buffer.from(code).toString("hex")} ${typeof read === "string" ? read : read.text}`;
  });
});
