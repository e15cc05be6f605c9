/** GNU objdump as a judge of the disassembler: many words at once. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = "powerpc64le-linux-gnu-objdump";

/** Processors whose instructions objdump knows. */
export type Processor = "power8" | "power9" | "power10";

/** Distance of the addresses of two instructions that objdump is given, bytes. */
export const distance = 8;

/**
 * objdump's text for each instruction, of one word or of two (the first has address 0, the next `distance` more). `raw`:
 * without extended mnemonics.
 */
export function objdump(
  instructions: readonly (readonly number[])[],
  raw: boolean,
  processor: Processor = "power9",
): string[] {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-objdump-"));
  try {
    const bytes = new Uint8Array(distance * instructions.length);
    const view = new DataView(bytes.buffer);
    instructions.forEach((words, i) => {
      for (const [j, word] of words.entries()) view.setUint32(distance * i + 4 * j, word, false);
    });
    const file = join(folder, "words");
    writeFileSync(file, bytes);
    const options = [
      "-b",
      "binary",
      "-m",
      "powerpc:common64",
      "-M",
      raw ? `${processor},raw` : processor,
      "-EB",
      "-D",
      "-z",
      file,
    ];
    const { stdout, status, stderr } = spawnSync(program, options, { encoding: "utf8", maxBuffer: 1 << 28 });
    if (status !== 0) throw new Error(`${program} failed: ${stderr}`);
    const lines = [...stdout.matchAll(/^\s*([0-9a-f]+):\t(?:[0-9a-f]{2} )+\s*\t(.*)$/gm)];
    const first = lines.filter(([, at]) => Number.parseInt(at as string, 16) % distance === 0);
    return first.map(([, , text]) =>
      (text as string)
        .replace(/\s*<[^>]*>|\s*#.*$/g, "")
        .replace(/\s+/g, " ")
        .trim(),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Numbers in decimal and registers as bare numbers: spellings that two disassemblers may choose differently. */
export function normalise(text: string): string {
  const [, mnemonic, operands] = /^(\S+)\s*(.*)$/.exec(text) ?? ["", text, ""];
  const bits: Readonly<Record<string, number>> = { lt: 0, gt: 1, eq: 2, so: 3, un: 3 };
  const plain = (operands ?? "")
    .replace(
      /4\*cr(\d)\+(lt|gt|eq|so|un)/g,
      (_, field: string, bit: string) => `${4 * Number(field) + (bits[bit] ?? 0)}`,
    )
    .replace(/\b(lt|gt|eq|so|un)\b/g, (bit) => `${bits[bit]}`)
    .replace(/\b(?:vs|cr|r|f|v|a)(\d+)/g, "$1")
    .replace(/-?\b0x[0-9a-f]+/g, (number) =>
      number.startsWith("-") ? `${-BigInt(number.slice(1))}` : `${BigInt.asIntN(64, BigInt(number))}`,
    )
    .replace(/\s/g, "");
  return plain === "" ? (mnemonic as string) : `${mnemonic} ${plain}`;
}
