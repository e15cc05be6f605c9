/** Jumps by a table, which regions follow where they find it: the target is what the table says when the jump is made. */
import assert from "node:assert/strict";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { code, inEveryWay, type System, type Way } from "./system.test-support.js";

const hex = (at: number) => `0x${at.toString(16)}`;
const table = 0x20_0000;
/** Where the cases are, each adding another number to RSI, and what they go on with. */
const cases = [0x100, 0x140, 0x180, 0x1c0].map((at) => code + at);
const other = code + 0x200;
const next = code + 0x240;

function put(m: System, at: number, lines: readonly string[]): number {
  let to = at;
  for (const line of lines) {
    const bytes = assemble(line, 64, BigInt(to));
    m.ram(to, bytes.length).set(bytes);
    to += bytes.length;
  }
  return to;
}

/** A loop that jumps by `jump`, which stands where it is told; its beginning lies behind what is loaded first. */
function begin(m: System, rounds: number, before: readonly string[], jump: (at: number) => readonly string[]): void {
  for (const [i, at] of [...cases, other].entries()) put(m, at, [`add rsi, ${10 ** i}`, `jmp ${hex(next)}`]);
  const lines = [`mov ecx, ${rounds}`, "xor esi, esi", ...before];
  const start = put(m, code, lines);
  put(m, next, ["sub ecx, 0x1", `jne ${hex(start)}`, "hlt"]);
  const index = ["mov eax, ecx", "and eax, 0x3"];
  m.load([...lines, ...index, ...jump(put(m, start, index))]);
}

const roundsOf = (way: Way) => (way === "stepped" ? 40 : 400_000);

/** The sum after all rounds; a table that leads everywhere once in four. */
function checkSum(m: System, way: Way, sum: number): void {
  const rounds = roundsOf(way);
  assert.equal(m.end(), -1);
  assert.equal(m.get64("general", 6), BigInt((rounds / 4) * sum));
  if (way === "translated") assert.ok(m.regionRuns < rounds, `${m.regionRuns} runs of regions`);
}

inEveryWay("a table of addresses", (make, way) => {
  const m = make();
  for (const [i, at] of cases.entries()) m.putRam64(table + 8 * i, BigInt(at));
  const jump = () => [`jmp qword ptr [rax*8+${hex(table)}]`];
  begin(m, roundsOf(way), [], jump);
  checkSum(m, way, 1111);
  // It leads elsewhere now: what regions were made from is no longer true.
  m.putRam64(table + 8, BigInt(other));
  begin(m, roundsOf(way), [], jump);
  checkSum(m, way, 11101);
});

inEveryWay("a table of distances, whose beginning is known in the loop or in front of it", (make, way) => {
  for (const inLoop of [false, true]) {
    const m = make();
    for (const [i, at] of cases.entries()) {
      new DataView(m.ram(table + 4 * i, 4).buffer, m.ram(table + 4 * i, 4).byteOffset).setInt32(0, at - table, true);
    }
    const length = 7;
    begin(m, roundsOf(way), inLoop ? [] : [`mov ebx, ${hex(table)}`], (at) => [
      ...(inLoop ? [`lea rbx, [rip+${hex(table - at - length)}]`] : []),
      ...["movsxd rax, dword ptr [rbx+rax*4]", "add rax, rbx", "jmp rax"],
    ]);
    checkSum(m, way, 1111);
  }
});
