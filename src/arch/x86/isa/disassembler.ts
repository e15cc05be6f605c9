/** Instructions as text, in Intel's syntax as GNU binutils print it. */
import type { Decoded, Undecoded } from "./decoder.js";
import type { Form } from "./encoding.js";
import { type InstructionSet, instructionSet, mnemonicAt } from "./instruction-set.js";
import { type OperandType, unwrittenKinds, vectorKinds } from "./operand.js";
import { byteRegister, type CodeSize, registerName, segments } from "./registers.js";

const pointers: Readonly<Record<number, string>> = {
  8: "BYTE",
  16: "WORD",
  32: "DWORD",
  64: "QWORD",
  80: "TBYTE",
  128: "OWORD",
  256: "YMMWORD",
};
const farPointers: Readonly<Record<number, string>> = { 16: "DWORD", 32: "FWORD", 64: "TBYTE" };

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const unsigned = (value: bigint, size: number) => hex(BigInt.asUintN(size, value));

type Found = Decoded & { readonly of: Form };

function signedHex(value: number): string {
  return value < 0 ? `-${hex(BigInt(-value))}` : `+${hex(BigInt(value))}`;
}

/** `vectors`: what the index is called before its number, if it is a vector. */
function address(d: Found, vectors?: string): string {
  const { base, index, scale, displacement, displaced, ripRelative } = d.memory;
  const size = d.addressSize;
  const segment = d.segment >= 0 ? `${segments[d.segment]}:` : "";
  const parts: string[] = [];
  if (ripRelative) parts.push(size === 32 ? "eip" : "rip");
  if (base >= 0) parts.push(registerName(base, size));
  const indexName = () => (vectors ? `${vectors}${index}` : registerName(index, size));
  if (index >= 0) parts.push(size === 16 ? indexName() : `${indexName()}*${1 << scale}`);
  if (parts.length === 0) return `${segment || "ds:"}${unsigned(BigInt(displacement), size)}`;
  const shown = displaced || base < 0;
  return `${segment}[${parts.join("+")}${shown ? signedHex(displacement) : ""}]`;
}

function stringAddress(d: Found, register: number, fixed: string | undefined): string {
  const segment = fixed ?? segments[d.segment >= 0 ? d.segment : 3];
  return `${segment}:[${registerName(register, d.addressSize)}]`;
}

class Printer {
  #immediates = 0;
  readonly #d: Found;
  readonly #next: bigint;

  constructor(d: Found, at: bigint) {
    this.#d = d;
    this.#next = at + BigInt(d.length);
  }

  #register(number: number, size: number): string {
    return registerName(size === 8 ? byteRegister(number, this.#d.rex) : number, size);
  }

  #immediate(): bigint {
    return this.#d.immediates[this.#immediates++] as bigint;
  }

  operand({ kind, size: own }: OperandType): string {
    const d = this.#d;
    const size = own ?? d.operandSize;
    const vector = own === 256 ? "ymm" : "xmm";
    const vectorPointer = own === undefined || own === 128 ? "XMMWORD" : pointers[own];
    switch (kind) {
      case "rr":
      case "rx":
        return this.#register(d.rm, size);
      case "rm":
        return d.register ? this.#register(d.rm, size) : `${pointers[size]} PTR ${address(d)}`;
      case "st":
        return "st";
      case "sti":
        return `st(${d.rm & 7})`;
      case "x":
        return `${vector}${d.reg}`;
      case "xr":
        return `${vector}${d.rm}`;
      case "xv":
        return `${vector}${d.vvvv}`;
      case "xi":
        return `${vector}${(Number(this.#immediate()) >> 4) & (d.codeSize === 64 ? 15 : 7)}`;
      case "xm":
        return d.register ? `${vector}${d.rm}` : `${vectorPointer} PTR ${address(d)}`;
      case "xz":
        return "xmm0";
      case "q":
        return `mm${d.reg & 7}`;
      case "qr":
        return `mm${d.rm & 7}`;
      case "qm":
        return d.register ? `mm${d.rm & 7}` : `${pointers[size]} PTR ${address(d)}`;
      case "m":
        return `${size === 128 && this.#hasVectors ? "XMMWORD" : pointers[size]} PTR ${address(d)}`;
      case "vx":
      case "vy":
        return `${pointers[size]} PTR ${address(d, kind === "vx" ? "xmm" : "ymm")}`;
      case "mem":
        return address(d);
      case "mpair":
        return `${pointers[2 * size]} PTR ${address(d)}`;
      case "mfar":
        return `${farPointers[size]} PTR ${address(d)}`;
      case "r":
        return this.#register(d.reg, size);
      case "sreg":
        return segments[d.reg & 7] ?? "?";
      case "creg":
        return `cr${d.reg}`;
      case "dreg":
        return `dr${d.reg}`;
      case "o":
        return this.#register(d.inOpcode, size);
      case "v":
        return this.#register(d.vvvv, size);
      case "a":
        return this.#register(0, size);
      case "c":
        return this.#register(1, size);
      case "d":
        return this.#register(2, size);
      case "one":
        return "1";
      case "i":
      case "iv":
        return unsigned(this.#immediate(), d.operandSize === 8 || own === undefined ? d.operandSize : this.#wide(own));
      case "u":
        return unsigned(this.#immediate(), own ?? d.operandSize);
      case "rel":
        return unsigned(this.#next + this.#immediate(), d.operandSize);
      case "far": {
        const offset = unsigned(this.#immediate(), d.operandSize);
        return `${hex(this.#immediate())}:${offset}`;
      }
      case "moffs":
        return `${d.segment >= 0 ? segments[d.segment] : "ds"}:${unsigned(this.#immediate(), d.addressSize)}`;
      case "si":
        return `${pointers[size]} PTR ${stringAddress(d, 6, undefined)}`;
      case "di":
        return `${pointers[size]} PTR ${stringAddress(d, 7, "es")}`;
      case "bx":
        return `BYTE PTR ${stringAddress(d, 3, undefined)}`;
      default:
        return kind;
    }
  }

  get #hasVectors(): boolean {
    return this.#d.of.operands.some(({ kind }) => vectorKinds.includes(kind));
  }

  /** A byte that is extended to the operand size; a byte register's own is not. */
  #wide(own: number): number {
    const { of, operandSize } = this.#d;
    return of.operands.some(({ kind, size }) => size === own && kind !== "i") ? own : operandSize;
  }
}

/** What stands before the mnemonic. */
function prefixes({ lock, repeat, of: { definition, fixed } }: Found): string {
  const says: string[] = [];
  if (lock) says.push("lock");
  if (repeat !== 0 && fixed.prefix === undefined && definition.options.repeat) {
    const ends = definition.options.repeat === "compares";
    says.push(repeat === 0xf2 ? "repnz" : ends ? "repz" : "rep");
  }
  return says.map((one) => `${one} `).join("");
}

/** The text of a decoded instruction at an address. Operands that are part of what the mnemonic says are left out. */
export function print(d: Found, at: bigint): string {
  const printer = new Printer(d, at);
  const operands = d.of.operands
    .filter(({ kind }) => !unwrittenKinds.includes(kind))
    .map((operand) => printer.operand(operand));
  const shown = d.of.definition.options.hidden ? [] : operands;
  const mnemonic = mnemonicAt(d.of, d.operandSize, d.addressSize);
  return `${prefixes(d)}${mnemonic}${shown.length > 0 ? ` ${shown.join(",")}` : ""}`;
}

/** The text of the instruction at the beginning of these bytes and how long it is; or why there is none. */
export function disassemble(
  bytes: ArrayLike<number>,
  codeSize: CodeSize,
  at = 0n,
  set: InstructionSet = instructionSet(),
): { readonly text: string; readonly length: number } | Undecoded {
  const found = set.decode(bytes, codeSize);
  return typeof found === "string" ? found : { text: print(found, at), length: found.length };
}
