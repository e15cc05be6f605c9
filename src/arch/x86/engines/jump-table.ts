/** Jump tables as compilers make them for x86. */
import type { CodeAround, Placed } from "../../../engine/translate/target.js";
import { add } from "../isa/instructions/arithmetic.js";
import { jmpIndirect } from "../isa/instructions/branch.js";
import { lea, movsxd } from "../isa/instructions/move.js";
import { CodeMode, noRegister, noSegment } from "./layout.js";
import { displacementOf, type X86Instruction } from "./region-recorder.js";

/** Entries of a table that are looked at, and how far from the code they may lead, in bytes. */
const tableLimit = 256;
const farthest = 1 << 20;

type Instruction = Placed<X86Instruction>;

/**
 * Where the last of these instructions, which stand in a row, may jump to by a table: of addresses that it names itself, or of
 * distances from the table, which instructions before it load and add. Nothing depends on its being one, or on its staying as
 * it is: what goes elsewhere leaves the region.
 */
export function jumpTable(mode: number, row: readonly Instruction[], code: CodeAround): readonly number[] {
  const { template } = row.at(-1) as Instruction;
  const { handler, operands } = template.variant;
  if (handler.form.definition !== jmpIndirect) return [];
  if (handler.addressing === "none") {
    const start = mode === CodeMode.long ? tableOfDistances(row, operands.rm, code) : undefined;
    if (start === undefined) return [];
    return places(code, (i) => {
      const distance = code.data(start + BigInt(4 * i), 4);
      return distance === undefined ? undefined : start + BigInt.asIntN(32, distance);
    });
  }
  const { base, index, scale, ripRelative, segment } = operands;
  const size = mode === CodeMode.long ? 8 : 4;
  const named = base === noRegister && index !== noRegister && !ripRelative && segment === noSegment;
  if (!named || 1 << scale !== size) return [];
  const displacement = BigInt(displacementOf(template.word));
  const start = mode === CodeMode.long ? displacement : BigInt.asUintN(32, displacement);
  return places(code, (i) => code.data(start + BigInt(size * i), size));
}

/** The places in the region's pages that entries lead to, in ascending order, as offsets. */
function places(code: CodeAround, entry: (i: number) => bigint | undefined): number[] {
  const found = new Set<number>();
  for (let i = 0; i < tableLimit; i++) {
    const address = entry(i);
    if (address === undefined) break;
    const offset = Number(address - code.base);
    if (Math.abs(offset) > farthest) break;
    if (code.isCode(offset)) found.add(offset);
  }
  return [...found].sort((a, b) => a - b);
}

/**
 * Address of the table that begins at a register to which an entry of it has been added: `lea table, [rip+...]`,
 * `movsxd entry, dword ptr [table+4*index]`, `add entry, table`, with others among them. In a loop the first may stand in front of it.
 */
function tableOfDistances(row: readonly Instruction[], target: number, code: CodeAround): bigint | undefined {
  let [sum, load] = [false, false];
  let [one, other] = [target, noRegister];
  for (const { template, offset } of row.slice(0, -1).reverse()) {
    const { handler, operands } = template.variant;
    const { definition, operands: types } = handler.form;
    const { reg, rm } = operands;
    if (!sum) {
      if (definition !== add || handler.addressing !== "none" || handler.operandSize !== 64) continue;
      const isReg = types[0]?.kind === "r";
      if ((isReg ? reg : rm) !== one) continue;
      other = isReg ? rm : reg;
      sum = true;
    } else if (!load) {
      if (definition !== movsxd || handler.addressing === "none" || (reg !== one && reg !== other)) continue;
      other = reg === one ? other : one;
      one = reg;
      // The other one is where the table begins.
      if (operands.base !== other || operands.scale !== 2 || displacementOf(template.word) !== 0) return undefined;
      load = true;
    } else if (definition === lea && reg === other && operands.ripRelative) {
      return code.base + BigInt(offset + template.length + displacementOf(template.word));
    }
  }
  return load ? code.register(other) : undefined;
}
