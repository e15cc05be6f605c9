/** The processor itself as a judge of x86 instructions, where the host is one: native.c, compiled when a test asks. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the instruction finds data, and how much. */
export const dataAt = 0x2000_2e00n;
export const dataSize = 0x400;

/** Bytes of code of a case. */
const codeSize = 1024;

export interface Case {
  /** RAX to R15. */
  readonly general: readonly bigint[];
  readonly flags: bigint;
  readonly pc: bigint;
  /** The instruction and what follows it, at most so many bytes as `codeSize`. */
  readonly code: readonly number[];
  /** It is a program, which runs until it faults or comes to an int3. */
  readonly program?: boolean;
  readonly data: Uint8Array;
  /** x87, MXCSR and XMM as FXSAVE has them, then the upper halves of YMM; absent: as a process begins. */
  readonly floating?: Uint8Array;
}

export interface Found {
  readonly general: readonly bigint[];
  readonly flags: bigint;
  readonly pc: bigint;
  /** -1: no exception. */
  readonly vector: number;
  readonly data: Uint8Array;
  readonly floating: Uint8Array;
  /** A sum over all of memory. */
  readonly sum: number;
}

const codeAt = 16 * 8 + 3 * 8;
/** Bytes of an image of x87 and SSE, behind which bits 128 to 255 of YMM0 to YMM15 come. */
export const floatingSize = 416 + 256;
const floatingAt = codeAt + codeSize + dataSize;
const size = floatingAt + floatingSize + 8;

/** The image that a process begins with. */
export function initialFloating(): Uint8Array {
  const image = new Uint8Array(floatingSize);
  const view = new DataView(image.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint32(24, 0x1f80, true);
  return image;
}

/** What keeps the processor from being asked; undefined if nothing does. */
export function complaint(): string | undefined {
  if (process.arch !== "x64" || process.platform !== "linux") return "this host is no x86-64 Linux";
  try {
    const [found] = native([
      {
        general: Array.from({ length: 16 }, () => 1n),
        flags: 0x202n,
        pc: 0x2000_0100n,
        code: [0x48, 0x01, 0xc8, ...Array<number>(13).fill(0xcc)],
        data: new Uint8Array(dataSize),
      },
    ]);
    return found?.general[0] === 2n ? undefined : "a native program cannot step instructions here";
  } catch (error) {
    return (error as Error).message;
  }
}

/** Runs cases on the processor. Throws an Error that says why it could not. */
export function native(cases: readonly Case[]): Found[] {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-native-"));
  try {
    const program = join(folder, "native");
    const source = fileURLToPath(new URL("../../../../test/engines/x86/native.c", import.meta.url));
    const made = spawnSync("gcc", ["-O1", "-o", program, source], { encoding: "utf8" });
    if (made.status !== 0)
      throw new Error(`gcc does not work (Debian: gcc, libc6-dev): ${made.error?.message ?? made.stderr}`);
    const input = Buffer.alloc(size * cases.length);
    cases.forEach(({ general, flags, pc, code, data, program: whole, floating }, i) => {
      const at = size * i;
      [...general, flags, pc].forEach((value, n) => input.writeBigUInt64LE(BigInt.asUintN(64, value), at + 8 * n));
      input.writeBigInt64LE(whole ? -2n : 0n, at + 144);
      input.fill(0xcc, at + codeAt, at + codeAt + codeSize);
      input.set(code, at + codeAt);
      input.set(data, at + codeAt + codeSize);
      input.set(floating ?? initialFloating(), at + floatingAt);
    });
    const { stdout, status, signal } = spawnSync(program, { input, maxBuffer: input.length + 4096 });
    if (status !== 0 || stdout.length !== input.length) {
      throw new Error(`the native program ended with ${signal ?? `status ${status}`}`);
    }
    return cases.map((_, i) => {
      const at = size * i;
      const word = (n: number) => stdout.readBigUInt64LE(at + 8 * n);
      return {
        general: Array.from({ length: 16 }, (_, n) => word(n)),
        flags: word(16),
        pc: word(17),
        vector: Number(stdout.readBigInt64LE(at + 144)),
        data: Uint8Array.from(stdout.subarray(at + codeAt + codeSize, at + codeAt + codeSize + dataSize)),
        floating: Uint8Array.from(stdout.subarray(at + floatingAt, at + floatingAt + floatingSize)),
        sum: stdout.readUInt32LE(at + floatingAt + floatingSize),
      };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
