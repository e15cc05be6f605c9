/** Every instruction that Debian's kernel executed from its start to power-off is one we have. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { assembleWord } from "../../src/arch/powerpc/isa/assembler.js";
import { disassembleParts } from "../../src/arch/powerpc/isa/disassembler.js";
import { instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { omitted } from "../../src/arch/powerpc/isa/omitted.js";
import type { OperandKind, Template } from "../../src/arch/powerpc/isa/operand.js";

const folder = new URL("../../../test/data/", import.meta.url);
/** Left out for a reason that stands in `isa/omitted.ts`. */
const absent = new Set(omitted.map((o) => o.mnemonic));

/** Rows "executed static mnemonic"; the mnemonics are QEMU's disassembler's. `.byte` stands for words it did not know. */
function mnemonics(file: string): string[] {
  const rows = readFileSync(new URL(file, folder), "utf8").trim().split("\n").slice(1);
  return rows.map((row) => row.split(/\s+/)[2] as string).filter((mnemonic) => mnemonic !== ".byte");
}

/** Operands that suit any instruction: register 4 to 7 by position, small numbers, a branch to itself. */
function sample(template: Template): string {
  const write = (kind: OperandKind, name: string): string => {
    if (kind === "target") return ".";
    if (kind === "number") return name === "fxm" ? "1" : "0";
    return kind === "crbit" ? "eq" : `${kind}${{ rt: 4, ra: 5, rb: 6 }[name] ?? 7}`;
  };
  return template.parts
    .map((part) =>
      part.type === "operand" ? write(part.kind, part.name) : part.type === "fixed" ? part.value : part.text,
    )
    .join("");
}

for (const file of readdirSync(folder)) {
  test(`every mnemonic of ${file} assembles and disassembles`, () => {
    const list = mnemonics(file);
    assert.ok(list.length > 300, "the list is shorter than it was");
    const problems: string[] = [];
    for (const mnemonic of list) {
      if (absent.has(mnemonic)) continue;
      const [form] = instructionSet().forms(mnemonic);
      if (!form) {
        problems.push(`${mnemonic}: unknown`);
        continue;
      }
      const text = `${mnemonic} ${sample(form.template)}`;
      try {
        const word = assembleWord(text);
        const parts = disassembleParts(word);
        if (!parts) problems.push(`${text}: 0x${word.toString(16)} does not disassemble`);
        else if (assembleWord(`${parts.mnemonic} ${parts.operands}`) !== word) {
          problems.push(`${text}: disassembles as ${parts.mnemonic} ${parts.operands}`);
        }
      } catch (error) {
        problems.push(`${text}: ${error instanceof Error ? error.message : error}`);
      }
    }
    assert.deepEqual(problems, []);
  });
}
