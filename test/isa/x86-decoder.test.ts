/** x86's decoder, disassembler and assembler against GNU binutils, and against themselves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble, isThere } from "../../src/arch/x86/isa/assembler.js";
import { disassemble } from "../../src/arch/x86/isa/disassembler.js";
import { instructionSet } from "../../src/arch/x86/isa/instruction-set.js";
import { omitted } from "../../src/arch/x86/isa/omitted.js";
import type { CodeSize } from "../../src/arch/x86/isa/registers.js";
import { Random } from "../differential/random.js";
import { missing } from "../oracles/oracles.js";
import { anything, ofForm } from "./x86-cases.test-support.js";
import { departs } from "./x86-departures.js";
import { batch, normalise, objdump, slot } from "./x86-objdump.js";

const codeSizes: readonly CodeSize[] = [64, 32, 16];
const hex = (bytes: readonly number[]) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
const skip = missing("objdumpX86");
/** Another in each test; UNIKVM_SEED draws other cases. */
const seedOf = (test: number) => Number(process.env["UNIKVM_SEED"] ?? 20_261_128) + test;
const left = new Set(omitted.map(({ mnemonic }) => mnemonic));

/** What is different between our reading of these bytes and objdump's; the first of each mnemonic. */
function differences(cases: readonly (readonly number[])[], codeSize: CodeSize): string[] {
  const address = (i: number) => BigInt(slot * (i % batch));
  const ours = cases.map((bytes, i) => disassemble(bytes, codeSize, address(i)));
  const cut = cases.map((bytes, i) => {
    const found = ours[i];
    return typeof found === "object" ? bytes.slice(0, found.length) : bytes.slice(0, 15);
  });
  const said = new Map<string, string>();
  objdump(cut, codeSize).forEach((theirs, i) => {
    const mine = ours[i] as ReturnType<typeof disassemble>;
    const bytes = cut[i] as number[];
    const text = normalise(theirs.text, codeSize);
    const [name = ""] = text.split(" ");
    if (departs(bytes, codeSize, text)) return;
    if (typeof mine === "string") {
      if (text.includes("(bad)") || left.has(name)) return;
      // "NP" in the manual: a mandatory prefix makes it #UD. objdump does not look.
      const plain = instructionSet()
        .named(name)
        .some(({ fixed }) => fixed.prefix === 0);
      if (plain && bytes.some((byte) => byte === 0x66 || byte === 0xf2 || byte === 0xf3)) return;
      said.set(`no ${name}`, `${codeSize}: ${hex(bytes)} is ${mine} to us, to objdump ${theirs.text}`);
    } else if (normalise(mine.text, codeSize) !== text || mine.length !== theirs.length) {
      said.set(
        name,
        `${codeSize}: ${hex(bytes)} is ${mine.text} (${mine.length}) to us, to objdump ${theirs.text} (${theirs.length})`,
      );
    }
  });
  return [...said.values()];
}

test("every declared form is read as objdump reads it, in each code size", { skip }, () => {
  const random = new Random(seedOf(0));
  const all = instructionSet().forms;
  for (const codeSize of codeSizes) {
    const forms = all.filter((form) => isThere(form, codeSize));
    const cases = forms.flatMap((form) => Array.from({ length: 6 }, () => ofForm(random, form, codeSize)));
    assert.deepEqual(differences(cases, codeSize), [], `seed ${seedOf(0)}`);
  }
});

test("any bytes are read as objdump reads them, or are omitted, in each code size", { skip }, () => {
  const random = new Random(seedOf(1));
  for (const codeSize of codeSizes) {
    const cases = Array.from({ length: 4000 }, () => anything(random, codeSize));
    assert.deepEqual(differences(cases, codeSize), [], `seed ${seedOf(1)}`);
  }
});

test("what is omitted is named once, with a reason, and is not there", () => {
  const names = omitted.map(({ mnemonic }) => mnemonic);
  assert.deepEqual(
    names.filter((name, i) => names.indexOf(name) !== i),
    [],
  );
  assert.deepEqual(
    names.filter((name) => instructionSet().named(name).length > 0),
    [],
  );
  assert.ok(omitted.every(({ reason }) => reason.length > 10));
});

test("what a form's bytes are drawn from is that form, each is reached, and its text is assembled to it", () => {
  const random = new Random(seedOf(2));
  const set = instructionSet();
  for (const codeSize of codeSizes) {
    for (const form of set.forms.filter((one) => isThere(one, codeSize))) {
      let reached = 0;
      for (let n = 0; n < 10; n++) {
        const bytes = ofForm(random, form, codeSize);
        const found = set.decode(bytes, codeSize);
        if (typeof found === "string") continue;
        if (found.of === form) reached++;
        // A jump may be just out of reach once spare prefixes are gone; of absolute addresses the text tells no size.
        const longer =
          found.of.operands.some(({ kind }) => kind === "rel" || kind === "moffs") ||
          (found.memory.base < 0 && found.memory.index < 0);
        const read = disassemble(bytes, codeSize, 0x1000n) as { text: string; length: number };
        const where = `${codeSize}: ${hex(bytes.slice(0, read.length))} ${read.text}`;
        let again: number[];
        try {
          again = assemble(read.text, codeSize, 0x1000n);
        } catch (error) {
          if (longer && /too far/.test((error as Error).message)) continue;
          assert.fail(`${where}: ${(error as Error).message}`);
        }
        const back = disassemble(again, codeSize, 0x1000n);
        const plain = (text: string) =>
          normalise(text, codeSize)
            .replace(/[+-]0x0\b|\w+ PTR (?=\w+:0x)/g, "")
            .replace(/,0x1$/, ",1");
        assert.equal(typeof back === "string" ? back : plain(back.text), plain(read.text), where);
        assert.ok(longer || again.length <= read.length, `${where} is assembled to ${hex(again)}`);
      }
      assert.ok(reached > 0, `${form.mnemonic} "${form.encoding}" in ${codeSize}-bit code`);
    }
  }
});
