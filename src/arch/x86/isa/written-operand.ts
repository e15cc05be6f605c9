/** Operands as the assembler reads them, in Intel's syntax. */
import { type CodeSize, registerNamed, segments } from "./registers.js";

/** An operand as it is written. */
export type Operand =
  | { readonly type: "register"; readonly number: number; readonly size: number }
  | { readonly type: "special"; readonly name: string }
  | { readonly type: "number"; readonly value: bigint }
  | { readonly type: "far"; readonly selector: bigint; readonly offset: bigint }
  | {
      readonly type: "memory";
      /** Bytes that are named ("DWORD PTR"), bits; undefined if none are. */
      readonly size: number | undefined;
      readonly segment: number;
      readonly base: number;
      readonly index: number;
      readonly scale: number;
      /** Bits of the vector register that is the index; undefined if none is. */
      readonly vectorIndex: 128 | 256 | undefined;
      readonly displacement: bigint;
      readonly ripRelative: boolean;
      /** Bits of the registers in it; undefined if there are none. */
      readonly addressSize: CodeSize | undefined;
    };
export type MemoryOperand = Extract<Operand, { type: "memory" }>;

const pointerSizes: Readonly<Record<string, number>> = {
  byte: 8,
  word: 16,
  dword: 32,
  fword: 48,
  qword: 64,
  tbyte: 80,
  oword: 128,
  xmmword: 128,
  ymmword: 256,
};

const number = (text: string): bigint | undefined => {
  const [, sign, digits] = /^([-+]?)(0x[0-9a-f]+|\d+)$/.exec(text) ?? [];
  return digits === undefined ? undefined : sign === "-" ? -BigInt(digits) : BigInt(digits);
};

function parseMemory(text: string): MemoryOperand | undefined {
  const match = /^(?:(\w+) ptr )?(?:([c-gs]s):)?(?:\[(.*)\]|(0x[0-9a-f]+|\d+))$/.exec(text);
  if (!match) return undefined;
  const [, pointer, segmentName, inside, absolute] = match;
  if (absolute !== undefined && segmentName === undefined) return undefined;
  const size = pointer === undefined ? undefined : pointerSizes[pointer];
  if (pointer !== undefined && size === undefined) throw new Error(`${pointer} ptr is no size`);
  const segment = segmentName === undefined ? -1 : (segments as readonly string[]).indexOf(segmentName);
  let base = -1;
  let index = -1;
  let scale = 0;
  let displacement = absolute === undefined ? 0n : BigInt(absolute);
  let ripRelative = false;
  let addressSize: CodeSize | undefined;
  let vectorIndex: 128 | 256 | undefined;
  for (const part of (inside ?? "").match(/[-+]?[^-+]+/g) ?? []) {
    const value = number(part);
    if (value !== undefined) {
      displacement += value;
      continue;
    }
    const [, width, digits, times] = /^\+?([xy])mm(\d+)\*([1248])$/.exec(part) ?? [];
    if (width !== undefined) {
      vectorIndex = width === "x" ? 128 : 256;
      index = Number(digits);
      scale = Math.log2(Number(times));
      continue;
    }
    const [, name, factor] = /^\+?(\w+)(?:\*([1248]))?$/.exec(part) ?? [];
    if (name === "rip" || name === "eip") {
      ripRelative = true;
      addressSize = name === "rip" ? 64 : 32;
      continue;
    }
    const found = name === undefined ? undefined : registerNamed(name);
    if (!found || found.size === 8) throw new Error(`${part} is no part of an address`);
    addressSize = found.size;
    if (factor === undefined && base < 0) base = found.number;
    else if (index < 0) {
      index = found.number;
      scale = Math.log2(Number(factor ?? 1));
    } else throw new Error(`${text} has too many registers`);
  }
  const address = { segment, base, index, scale, displacement, ripRelative, addressSize };
  return { type: "memory", size, vectorIndex, ...address };
}

/** Reads an operand; throws an Error that says what it is not. */
export function parseOperand(text: string): Operand {
  const register = registerNamed(text);
  if (register) return { type: "register", ...register };
  if (/^([c-gs]s|[cd]r\d+|[xy]mm\d+|mm[0-7]|st|st\([0-7]\))$/.test(text)) return { type: "special", name: text };
  const value = number(text);
  if (value !== undefined) return { type: "number", value };
  const [, selector, offset] = /^(0x[0-9a-f]+|\d+):(0x[0-9a-f]+|\d+)$/.exec(text) ?? [];
  if (selector && offset) return { type: "far", selector: BigInt(selector), offset: BigInt(offset) };
  const memory = parseMemory(text);
  if (memory) return memory;
  throw new Error(`${text} is no operand`);
}
