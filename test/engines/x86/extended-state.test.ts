/**
 * XSAVE and its kin against the processor itself: an area is restored and saved again, of any form and with any faults. What level
 * 0 alone sees of them is in extended-state-system.test.ts. UNIKVM_SEED draws other areas, UNIKVM_DRAWS more.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { Random } from "../../differential/random.js";
import { base, extent, X86Machine } from "./machine.js";
import { type Case, complaint, dataAt, dataSize, native } from "./native.js";

const seed = Number(process.env["UNIKVM_SEED"] ?? 20_261_129);
const count = 150 * Number(process.env["UNIKVM_DRAWS"] ?? 1);
const needed = ["xsave", "xsaveopt", "xsavec", "xgetbv1", "avx"];
const lacking = (): string | false => {
  const said = complaint();
  if (said) return said;
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
  const missing = needed.filter((name) => !flags.includes(name));
  return missing.length > 0 && `this processor has no ${missing.join(", ")}`;
};
const skip = lacking();

const pc = base + 0x5000n;
/** An area that says that all is as it begins: its header alone is looked at. */
const blank = 0x140;
/** From there to where else an area is saved. */
const elsewhere = 0x3200;
const header = 512;
const compacted = 1n << 63n;

interface Drawn extends Case {
  readonly lines: readonly string[];
}

function drawn(random: Random): Drawn {
  const data = Uint8Array.from({ length: dataSize }, () => random.below(256));
  const view = new DataView(data.buffer);
  const rarely = () => random.below(12) === 0;
  view.setUint16(4, random.below(256), true);
  view.setUint16(6, random.below(0x800), true);
  view.setUint32(24, random.below(2) ? 0x1f80 : random.below(0x10000), true);
  // Bit 17 is AMD's.
  if (rarely()) view.setUint32(24, 0x11f80 << (2 * random.below(4)), true);
  const some = () => BigInt(random.below(8));
  const has = some();
  const form = random.below(2) ? compacted | (random.below(6) ? has | some() : some()) : 0n;
  view.setBigUint64(header, rarely() ? has | (1n << BigInt(20 + random.below(43))) : has, true);
  view.setBigUint64(header + 8, rarely() ? form | (1n << BigInt(20 + random.below(43))) : form, true);
  data.fill(0, header + 16, header + 64);
  if (rarely()) data[header + 16 + random.below(48)] = 1;
  data.fill(0, blank + header, blank + header + 64);
  view.setBigUint64(blank + header + 8, compacted | 7n, true);
  const save = ["xsave", "xsaveopt", "xsavec"][random.below(3)] as string;
  const wide = () => (random.below(3) ? "64" : "");
  const [first, second] = [wide(), wide()];
  // Into the area it came from XSAVEOPT need not write.
  const same = save !== "xsaveopt" && random.below(2) === 0;
  const place = (same ? 0 : elsewhere) + (rarely() ? 8 * random.below(8) : 0);
  const mask = () => `mov eax, 0x${(random.below(8) + (rarely() ? 1 << 20 : 0)).toString(16)}`;
  const lines = [
    ...["mov eax, 0x7", "xor edx, edx", `xrstor64 [rdi+0x${blank.toString(16)}]`],
    ...[mask(), `xrstor${first} [rdi]`, mask(), `${save}${second} [rdi+0x${place.toString(16)}]`],
    ...["mov ecx, 0x1", "xgetbv", "mov ebx, eax", "and ebx, 0x7", "xor eax, eax", "xor edx, edx"],
    ...[
      `lea rsi, [rdi+0x${(same ? 0 : elsewhere).toString(16)}]`,
      "mov ecx, 0x340",
      "rep movs byte ptr es:[rdi], byte ptr [rsi]",
    ],
    "int3",
  ];
  const code: number[] = [];
  for (const line of lines) code.push(...assemble(line, 64, pc + BigInt(code.length)));
  const general = Array.from({ length: 16 }, () => 0n);
  general[7] = dataAt;
  general[4] = dataAt + 0x3f0n;
  return { code, pc, general, flags: 0x202n, data, program: true, lines };
}

/**
 * AMD's MXCSR has a bit more, which its mask says; and some processors of AMD's know of the last instruction only while its exception
 * waits, or have the selectors that 32 bits of addresses leave room for.
 */
function comparable(data: Uint8Array): Uint8Array {
  const copy = data.slice();
  if (copy[30] === 2 && copy[28] === 0xff && copy[29] === 0xff && copy[31] === 0) copy[30] = 0;
  copy.fill(0, 6, 24);
  return copy;
}

test("areas of XSAVE's are restored and saved as the processor does it", { skip }, (t) => {
  const random = new Random(seed);
  const all = Array.from({ length: count }, () => drawn(random));
  const judged = native(all);
  const machine = new X86Machine();
  const wrong: string[] = [];
  let faults = 0;
  for (const [i, one] of all.entries()) {
    const theirs = judged[i];
    assert.ok(theirs);
    if (theirs.vector !== 3) faults++;
    for (const way of ["stepped", "core", "translated"] as const) {
      const image = new Uint8Array(extent).fill(0xcc);
      image.set(one.code, Number(pc - base));
      image.set(one.data, Number(dataAt - base));
      machine.image = image;
      machine.registers = one;
      if (way === "translated") machine.translate([pc]);
      const ours = machine.run(pc, way === "stepped", true);
      const said: string[] = [];
      if (theirs.vector !== ours.vector || theirs.pc !== ours.pc)
        said.push(`exception ${theirs.vector} at ${theirs.pc}, here ${ours.vector} at ${ours.pc}`);
      if (theirs.general[3] !== ours.general[3]) said.push(`in use ${theirs.general[3]}, here ${ours.general[3]}`);
      const at = Number(dataAt - base);
      const found = comparable(machine.image.subarray(at, at + dataSize));
      const expected = comparable(theirs.data);
      const differs = [...expected.keys()].filter((n) => expected[n] !== found[n]);
      const bytes = (of: Uint8Array) => Buffer.from(of.subarray(differs[0], (differs[0] ?? 0) + 16)).toString("hex");
      if (differs.length > 0)
        said.push(`${differs.length} bytes from ${differs[0]}: ${bytes(expected)}, here ${bytes(found)}`);
      const header = Buffer.from(one.data.subarray(512, 536)).toString("hex");
      if (said.length > 0)
        wrong.push(`${way} ${i}: ${one.lines.slice(3, 7).join("; ")}, header ${header}: ${said.join("; ")}`);
    }
  }
  t.diagnostic(`XSAVE's areas against the processor: ${count}, of which ${faults} fault`);
  assert.deepEqual(wrong.slice(0, 12), [], `${wrong.length} of ${count}, UNIKVM_SEED=${seed}`);
});
