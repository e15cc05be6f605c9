/** GNU objdump as a judge of x86 instructions: many byte sequences at once, each by itself. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CodeSize } from "../../src/arch/x86/isa/registers.js";

/** Bytes from one sequence to the next: the longest instruction, and enough of no operation to be in step again. */
export const slot = 32;

export const batch = 20_000;

/** objdump's text and length of the instruction that each sequence begins with; the one at index i has address 32 (i modulo 20,000). */
export function objdump(
  sequences: readonly (readonly number[])[],
  codeSize: CodeSize,
): { readonly text: string; readonly length: number }[] {
  // What objdump prints is one string: not more of it than a string can be.
  if (sequences.length > batch) {
    return [...objdump(sequences.slice(0, batch), codeSize), ...objdump(sequences.slice(batch), codeSize)];
  }
  const folder = mkdtempSync(join(tmpdir(), "unikvm-objdump-"));
  try {
    const bytes = new Uint8Array(slot * sequences.length).fill(0x90);
    sequences.forEach((sequence, i) => bytes.set(sequence, slot * i));
    const file = join(folder, "bytes");
    writeFileSync(file, bytes);
    const machine = { 16: "i8086", 32: "i386", 64: "i386:x86-64" }[codeSize];
    // Two options, since in 64-bit mode AMD's processors let 66 change near branches.
    const options = ["-b", "binary", "-m", machine, "-M", "intel,intel64", "--insn-width=16", "-D", "-z", file];
    const { stdout, status, stderr } = spawnSync("objdump", options, { encoding: "utf8", maxBuffer: 1 << 30 });
    if (status !== 0) throw new Error(`objdump failed: ${stderr}`);
    const found = new Map<number, { text: string; length: number }>();
    for (const [, at, hex, text] of stdout.matchAll(/^\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*\t(.*)$/gm)) {
      const length = (hex as string).trim().split(" ").length;
      const plain = (text as string)
        .replace(/\s*(<[^>]*>|#.*)$/g, "")
        .replace(/\s+/g, " ")
        .trim();
      found.set(Number.parseInt(at as string, 16), { text: plain, length });
    }
    return sequences.map((_, i) => found.get(slot * i) ?? { text: "(nothing)", length: 0 });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Prefixes that an instruction makes no use of, and objdump prints before it. */
const spare =
  /^(lock|rep|repz|repnz|data16|data32|addr16|addr32|[c-gs]s|rex(\.W?R?X?B?)?|xacquire|xrelease|bnd|notrack)( |$)/;

/** Names of the predicates of comparisons, by number: SSE has the first eight. */
const predicates = [
  ...[
    "eq",
    "lt",
    "le",
    "unord",
    "neq",
    "nlt",
    "nle",
    "ord",
    "eq_uq",
    "nge",
    "ngt",
    "false",
    "neq_oq",
    "ge",
    "gt",
    "true",
  ],
  ...["eq_os", "lt_oq", "le_oq", "unord_s", "neq_us", "nlt_uq", "nle_uq", "ord_s", "eq_us", "nge_uq", "ngt_uq"],
  ...["false_os", "neq_os", "ge_oq", "gt_oq", "true_us"],
];

/** Text without what two disassemblers may write in different ways. */
export function normalise(text: string, codeSize: CodeSize): string {
  let rest = text;
  while (spare.test(rest)) rest = rest.replace(spare, "");
  return (
    rest
      .replace(/^movabs /, "mov ")
      // Suffixes of size, where they are not what the mode has without a prefix.
      .replace(
        /^(pushf|popf|pusha|popa|iret|enter|leave|retf|sysret|sysexit|push|pop|jmp|call|ret|[sl][gi]dt)[wdq]\b/,
        "$1",
      )
      .replace(/^(fn?stenv|fldenv|fn?save|frstor)[wd]\b/, "$1")
      .replace("TBYTE", "FWORD")
      .replace(/^(v?lddqu .*)[XY]MMWORD PTR /, "$1")
      // What an immediate asks for is a name of its own there.
      .replace(
        /^(v?)cmp([a-z]+(?:_[a-z]+)?)([ps][sd]) (.*)$/,
        (whole, vex: string, how: string, shape: string, rest: string) =>
          predicates.includes(how) ? `${vex}cmp${shape} ${rest},0x${predicates.indexOf(how).toString(16)}` : whole,
      )
      .replace(
        /^(v?)pclmul([lh])q([lh])qdq (.*)$/,
        (_, vex: string, a: string, b: string, rest: string) =>
          `${vex}pclmulqdq ${rest},0x${((b === "h" ? 16 : 0) + (a === "h" ? 1 : 0)).toString(16)}`,
      )
      .replace("OWORD PTR ", "")
      .replace(/^xchg ([er]?)ax,\1ax$/, "nop")
      .replace(/\(\d+ only\)/, "")
      // What an immediate makes of them.
      .replace(/^(v?)cmp[a-z_]+([ps][sd])\b/, "$1cmp$2")
      .replace(/^(v?)pclmul[lh]q[lh]qdq\b/, "$1pclmulqdq")
      // Hints of processors that are not offered, and names for parts of what hints are.
      .replace(/^(cldemote|prefetchit[01]|rdssp[dq]|endbr32|endbr64) ?.*/, "nop")
      // Without MPX these are hints.
      .replace(/^bnd\w+ .*/, "nop")
      .replace(/\+[er]iz\*\d/, "")
      // An index that is none, of a base that is none.
      .replace(/(?:([c-gs]s):)?\[([er])iz\*\d([+-])0x([0-9a-f]+)\]/, (_, segment = "ds", wide, sign, hex) => {
        const value = BigInt(`0x${hex}`);
        return `${segment}:0x${BigInt.asUintN(wide === "r" ? 64 : 32, sign === "-" ? -value : value).toString(16)}`;
      })
      // Relative to rip, objdump's displacements have no sign.
      .replace(/\[(rip|eip)([+-])0x([0-9a-f]+)\]/, (_, base, sign, hex) => {
        const value = BigInt(`0x${hex}`);
        return `[${base}+${BigInt.asUintN(64, sign === "-" ? -value : value).toString(16)}]`;
      })
      // A jump in 16-bit code goes round at 64 KiB, which objdump's addresses do not.
      .replace(/^(j\w+|call|loop\w*) 0x([0-9a-f]+)$/, (_, name, hex) =>
        codeSize === 64 ? `${name} 0x${hex}` : `${name} 0x${(BigInt(`0x${hex}`) & 0xffffn).toString(16)}`,
      )
      // Hints have a second operand that is not printed everywhere.
      .replace(/^nop .*$/, "nop")
      .trim()
  );
}
