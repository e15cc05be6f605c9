/**
 * The assembler: instructions in the syntax that the disassembler prints, one a line. Of several encodings it takes the
 * shortest, of equally short ones the one that is declared first.
 */
import { bits, FormBits } from "./decode-table.js";
import { type Form, SizeRule } from "./encoding.js";
import { type InstructionSet, instructionSet, mnemonicAt } from "./instruction-set.js";
import { Immediate, type OperandType, unwrittenKinds } from "./operand.js";
import { type CodeSize, highByte, type Size, segments } from "./registers.js";
import { type MemoryOperand, type Operand, parseOperand } from "./written-operand.js";

/** What does not fit an encoding. */
class Unfit extends Error {
  constructor(
    why: string,
    /** It is what is wanted, but for its value. */
    readonly close = false,
  ) {
    super(why);
  }
}
const unless = (fits: boolean, why: string, close = false): void => {
  if (!fits) throw new Unfit(why, close);
};

const fits = (value: bigint, size: number): boolean =>
  BigInt.asIntN(size, value) === value || BigInt.asUintN(size, value) === value;
/** Sign-extended from `own` bits, the value of `size` bits is this one. */
const extends_ = (value: bigint, own: number, size: number): boolean =>
  BigInt.asUintN(size, BigInt.asIntN(own, value)) === BigInt.asUintN(size, value) && fits(value, size);

/** One encoding being filled in. */
class Encoder {
  rexW = 0;
  rexR = 0;
  rexX = 0;
  rexB = 0;
  /** A byte register that only REX gives, or only its absence. */
  needsRex = false;
  refusesRex = false;
  operandPrefix = false;
  addressPrefix = false;
  segment = -1;
  reg: number;
  opcode: number;
  vvvv = 0;
  /** ModRM's mod and rm with what follows it. */
  rm: readonly number[] | undefined;
  mod = 3;
  readonly immediates: number[] = [];
  /** A place in code, to be made relative at the end: bytes. */
  relative: { readonly target: bigint; readonly size: number } | undefined;

  constructor(
    readonly form: Form,
    readonly operandSize: Size,
    readonly codeSize: CodeSize,
  ) {
    this.reg = form.fixed.reg ?? 0;
    this.opcode = form.opcode;
  }

  /** Number of a register, its fourth bit noted. */
  #low(number: number, size: number, note: (bit: number) => void): number {
    if (size === 8) {
      if (number >= highByte) {
        this.refusesRex = true;
        return number - highByte + 4;
      }
      if (number >= 4) this.needsRex = true;
    }
    note(number >> 3);
    return number & 7;
  }

  #bytes(value: bigint, size: number): void {
    for (let i = 0; i < size; i++) this.immediates.push(Number((value >> BigInt(8 * i)) & 0xffn));
  }

  #general(operand: Operand, size: number): number {
    if (operand.type !== "register") throw new Unfit("a register is wanted");
    unless(operand.size === size, `a register of ${size} bits is wanted`);
    return operand.number;
  }

  /** Number of a vector register, its fourth bit noted. */
  #vector(operand: Operand, long: number | undefined, note: (bit: number) => void): number {
    const called = long === 256 ? "ymm" : "xmm";
    const [, kind, digits] = /^([xy]mm)(\d+)$/.exec(operand.type === "special" ? operand.name : "") ?? [];
    if (kind !== called) throw new Unfit(`${called} is wanted`);
    const number = Number(digits);
    unless(number < (this.codeSize === 64 ? 16 : 8), `there is no ${called}${number}`);
    note(number >> 3);
    return number & 7;
  }

  #mmx(operand: Operand): number {
    const [, digit] = /^mm([0-7])$/.exec(operand.type === "special" ? operand.name : "") ?? [];
    if (digit === undefined) throw new Unfit("an MMX register is wanted");
    return Number(digit);
  }

  #inModrm(number: number, size: number): void {
    this.mod = 3;
    this.rm = [this.#low(number, size, (bit) => (this.rexB = bit))];
  }

  operand(type: OperandType, operand: Operand, immediate: number): void {
    const size = type.size ?? this.operandSize;
    switch (type.kind) {
      case "rx":
      case "rr":
        this.#inModrm(this.#general(operand, size), size);
        break;
      case "st":
        unless(operand.type === "special" && operand.name === "st", "st is wanted");
        break;
      case "sti": {
        const name = operand.type === "special" ? operand.name : "";
        unless(name.startsWith("st("), "a register of the x87's stack is wanted");
        this.mod = 3;
        this.rm = [Number(name[3])];
        break;
      }
      case "x":
        this.reg = this.#vector(operand, type.size, (bit) => (this.rexR = bit));
        break;
      case "xr":
      case "xm":
        if (operand.type === "memory" && type.kind === "xm") this.#memory(operand, type.size ?? 128);
        else {
          this.mod = 3;
          this.rm = [this.#vector(operand, type.size, (bit) => (this.rexB = bit))];
        }
        break;
      case "xv": {
        let high = 0;
        const number = this.#vector(operand, type.size, (bit) => (high = bit));
        this.vvvv = number | (high << 3);
        break;
      }
      case "xi": {
        let high = 0;
        const number = this.#vector(operand, type.size, (bit) => (high = bit));
        this.immediates.push((number | (high << 3)) << 4);
        break;
      }
      case "xz":
        unless(operand.type === "special" && operand.name === "xmm0", "xmm0 is wanted");
        break;
      case "q":
        this.reg = this.#mmx(operand);
        break;
      case "qr":
      case "qm":
        if (operand.type === "memory" && type.kind === "qm") this.#memory(operand, size);
        else {
          this.mod = 3;
          this.rm = [this.#mmx(operand)];
        }
        break;
      case "rm":
        if (operand.type === "register") this.#inModrm(this.#general(operand, size), size);
        else this.#memory(operand, size);
        break;
      case "m":
        this.#memory(operand, size);
        break;
      case "vx":
      case "vy":
        this.#memory(operand, size, type.kind === "vx" ? 128 : 256);
        break;
      case "mem":
        this.#memory(operand, undefined);
        break;
      case "mfar":
        this.#memory(operand, size + 16);
        break;
      case "mpair":
        this.#memory(operand, 2 * size);
        break;
      case "r":
        this.reg = this.#low(this.#general(operand, size), size, (bit) => (this.rexR = bit));
        break;
      case "o":
        this.opcode |= this.#low(this.#general(operand, size), size, (bit) => (this.rexB = bit));
        break;
      case "v":
        this.vvvv = this.#general(operand, size);
        break;
      case "sreg":
        unless(operand.type === "special", "a segment register is wanted");
        this.reg = (segments as readonly string[]).indexOf((operand as { name: string }).name);
        unless(this.reg >= 0 && (type !== this.form.operands[0] || this.reg !== 1), "a segment register is wanted");
        break;
      case "creg":
      case "dreg": {
        const name = operand.type === "special" ? operand.name : "";
        unless(name.startsWith(`${type.kind[0]}r`), `a ${type.kind[0]}r register is wanted`);
        const which = Number(name.slice(2));
        unless(which < (this.codeSize === 64 ? 16 : 8), `there is no ${name}`);
        this.rexR = which >> 3;
        this.reg = which & 7;
        break;
      }
      case "a":
      case "c":
      case "d":
        unless(this.#general(operand, size) === "acd".indexOf(type.kind), "another register is wanted");
        break;
      case "one":
        unless(operand.type === "number" && operand.value === 1n, "the number 1 is wanted");
        break;
      case "i":
      case "u":
      case "iv":
        this.#immediate(type, operand, immediate);
        break;
      case "rel":
        if (operand.type !== "number") throw new Unfit("an address is wanted");
        this.relative = { target: operand.value, size: this.#immediateSize(immediate) };
        break;
      case "far":
        if (operand.type !== "far") throw new Unfit("a selector and an offset are wanted");
        unless(fits(operand.selector, 16) && fits(operand.offset, this.operandSize), "it does not fit");
        this.#bytes(operand.offset, this.operandSize / 8);
        this.#bytes(operand.selector, 2);
        break;
      case "moffs":
        if (operand.type !== "memory" || operand.addressSize !== undefined) throw new Unfit("an address is wanted");
        this.#offset(operand);
        break;
      case "si":
      case "di":
      case "bx":
        this.#implied(type.kind, operand, size);
        break;
      default:
        unless(operand.type === "special" && operand.name === type.kind, `${type.kind} is wanted`);
    }
  }

  #offset(operand: MemoryOperand): void {
    const size = this.addressPrefix ? otherAddressSize(this.codeSize) : this.codeSize;
    unless(fits(operand.displacement, size), "the address does not fit", true);
    // ds is what there is without an override.
    this.segment = operand.segment === 3 ? -1 : operand.segment;
    this.#bytes(operand.displacement, size / 8);
  }

  #implied(kind: "si" | "di" | "bx", operand: Operand, size: number): void {
    if (operand.type !== "memory") throw new Unfit("memory is wanted");
    unless(operand.size === size || operand.size === undefined, `memory of ${size} bits is wanted`);
    const wanted = { si: 6, di: 7, bx: 3 }[kind];
    unless(operand.base === wanted && operand.index < 0 && operand.displacement === 0n, "another register is wanted");
    this.#addressSize(operand.addressSize as CodeSize);
    if (kind === "di") unless(operand.segment === 0, "es is wanted");
    else this.segment = operand.segment === 3 ? -1 : operand.segment;
  }

  #immediateSize(immediate: number): number {
    if (immediate === Immediate.byte) return 1;
    if (immediate === Immediate.word) return 2;
    if (immediate === Immediate.whole) return this.operandSize / 8;
    return this.operandSize === 16 ? 2 : 4;
  }

  #immediate({ kind, size: own }: OperandType, operand: Operand, immediate: number): void {
    if (operand.type !== "number") throw new Unfit("a number is wanted");
    const { value } = operand;
    const bytes = this.#immediateSize(immediate);
    const byteOperands =
      this.operandSize === 8 || this.form.operands.some(({ size, kind }) => size === 8 && kind !== "i");
    const target = byteOperands ? 8 : this.operandSize;
    if (kind === "u") unless(fits(value, own ?? this.operandSize), "the number does not fit", true);
    else unless(extends_(value, 8 * bytes, target), "the number does not fit", true);
    this.#bytes(value, bytes);
  }

  #addressSize(size: CodeSize): void {
    if (size === this.codeSize) return;
    unless(size === otherAddressSize(this.codeSize), `there are no addresses of ${size} bits`, true);
    this.addressPrefix = true;
  }

  #memory(operand: Operand, size: number | undefined, vectorIndex?: 128 | 256): void {
    if (operand.type !== "memory") throw new Unfit("memory is wanted");
    unless(operand.vectorIndex === vectorIndex, "another index is wanted");
    unless(!vectorIndex || operand.index < (this.codeSize === 64 ? 16 : 8), "there is no such index");
    unless(
      operand.size === size || operand.size === undefined || size === undefined,
      `memory of ${size} bits is wanted`,
    );
    // An address by itself may have 32 bits in 16-bit code, and one that a vector indexes must; in 64-bit code it is the upper
    // half of 4 GiB that needs them.
    const wide = vectorIndex !== undefined || !fits(operand.displacement, 16);
    const upper = operand.displacement >> 31n === 1n;
    const absolute = this.codeSize === 16 ? (wide ? 32 : 16) : upper ? 32 : this.codeSize;
    const addressSize = operand.addressSize ?? absolute;
    this.#addressSize(addressSize);
    this.segment = operand.addressSize === undefined && operand.segment === 3 ? -1 : operand.segment;
    const { displacement } = operand;
    unless(fits(displacement, addressSize), "the displacement does not fit", true);
    if (addressSize === 16) this.#memory16(operand);
    else this.#memory32(operand, addressSize);
  }

  #displaced(displacement: bigint, addressSize: number, always: boolean): { mod: number; bytes: number[] } {
    const value = BigInt.asIntN(addressSize, displacement);
    if (value === 0n && !always) return { mod: 0, bytes: [] };
    if (BigInt.asIntN(8, value) === value) return { mod: 1, bytes: [Number(value & 0xffn)] };
    return { mod: 2, bytes: wordBytes(value, addressSize === 16 ? 2 : 4) };
  }

  #memory16({ base, index, displacement }: MemoryOperand): void {
    const pairs = ["3,6", "3,7", "5,6", "5,7", "6,-1", "7,-1", "5,-1", "3,-1"];
    if (base < 0 && index < 0) {
      this.mod = 0;
      this.rm = [6, ...wordBytes(displacement, 2)];
      return;
    }
    const low = [`${base},${index}`, `${index},${base}`].map((pair) => pairs.indexOf(pair)).find((at) => at >= 0);
    if (low === undefined) throw new Unfit("no address of 16 bits has these registers");
    const { mod, bytes } = this.#displaced(displacement, 16, low === 6);
    this.mod = mod;
    this.rm = [low, ...bytes];
  }

  #memory32(operand: MemoryOperand, addressSize: number): void {
    const { base, index, scale, displacement, ripRelative } = operand;
    const words = () => {
      const value = BigInt.asIntN(addressSize, displacement);
      unless(BigInt.asIntN(32, value) === value, "the displacement does not fit", true);
      return wordBytes(value, 4);
    };
    if (ripRelative) {
      this.mod = 0;
      this.rm = [5, ...words()];
      return;
    }
    if (base < 0 && index < 0 && this.codeSize !== 64) {
      this.mod = 0;
      this.rm = [5, ...words()];
      return;
    }
    unless(index !== 4 || operand.vectorIndex !== undefined, "rsp is no index", true);
    this.rexB = base < 0 ? 0 : base >> 3;
    this.rexX = index < 0 ? 0 : index >> 3;
    const sib = (scale << 6) | ((index < 0 ? 4 : index & 7) << 3) | (base < 0 ? 5 : base & 7);
    if (base < 0) {
      this.mod = 0;
      this.rm = [4, sib, ...words()];
      return;
    }
    const { mod, bytes } = this.#displaced(displacement, addressSize, (base & 7) === 5);
    if (mod === 2) words();
    this.mod = mod;
    this.rm = index >= 0 || (base & 7) === 4 ? [4, sib, ...bytes] : [base & 7, ...bytes];
  }

  /** The size as prefixes say it. */
  #sized(): void {
    const { codeSize, operandSize } = this;
    const { sizeRule, fixed } = this.form;
    const plain = codeSize === 16 ? 16 : 32;
    const prefixed = () => (this.operandPrefix = operandSize !== plain);
    if (fixed.w !== undefined) this.rexW = fixed.w;
    switch (sizeRule) {
      case SizeRule.full:
      case SizeRule.port:
        if (operandSize === 64) this.rexW = 1;
        else prefixed();
        break;
      case SizeRule.default64:
        if (codeSize !== 64) prefixed();
        else this.operandPrefix = operandSize === 16;
        break;
      case SizeRule.forced64:
        if (codeSize !== 64) prefixed();
        break;
      case SizeRule.wide:
        if (operandSize === 64) this.rexW = 1;
    }
  }

  finish(lock: boolean, repeat: number, at: bigint): number[] {
    this.#sized();
    const { form, codeSize } = this;
    const { fixed, modrm } = form;
    if (fixed.rm !== undefined) this.rm = [fixed.rm];
    if (modrm && !this.rm) this.rm = [0];
    const rex = (this.rexW << 3) | (this.rexR << 2) | (this.rexX << 1) | this.rexB;
    // VEX's W is there in all code.
    const needsRex = (form.map >= 4 ? rex & 7 : rex) !== 0 || this.needsRex;
    unless(
      !needsRex || (codeSize === 64 && !this.refusesRex),
      "ah to dh do not go with REX, which a register here needs",
    );
    const out: number[] = [];
    if (this.segment >= 0) out.push([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65][this.segment] as number);
    if (this.addressPrefix) out.push(0x67);
    const map = form.map & 3;
    const body = [
      ...(modrm ? [(this.mod << 6) | (this.reg << 3) | (this.rm?.[0] ?? 0), ...(this.rm?.slice(1) ?? [])] : []),
    ];
    if (form.map >= 4) {
      const last = ((~this.vvvv & 15) << 3) | ((fixed.l ?? 0) << 2) | (fixed.prefix ?? 0);
      if (map === 1 && this.rexX === 0 && this.rexB === 0 && this.rexW === 0) {
        out.push(0xc5, ((this.rexR ^ 1) << 7) | last);
      } else {
        const first = ((this.rexR ^ 1) << 7) | ((this.rexX ^ 1) << 6) | ((this.rexB ^ 1) << 5) | map;
        out.push(0xc4, first, (this.rexW << 7) | last);
      }
    } else {
      const operandPrefix = this.operandPrefix || fixed.prefix === 1;
      if (lock) out.push(0xf0);
      if (operandPrefix) out.push(0x66);
      if (fixed.prefix !== undefined && fixed.prefix > 1) out.push(fixed.prefix === 2 ? 0xf3 : 0xf2);
      else if (repeat) out.push(repeat);
      if (needsRex) out.push(0x40 | rex);
      out.push(...([[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][map] as number[]));
    }
    out.push(this.opcode, ...body, ...this.immediates);
    if (this.relative) {
      const { target, size } = this.relative;
      const end = at + BigInt(out.length + size);
      const wide = this.operandSize;
      const distance = BigInt.asIntN(wide, target - end);
      unless(BigInt.asIntN(8 * size, distance) === distance, "the target is too far");
      out.push(...wordBytes(distance, size));
    }
    return out;
  }
}

const otherAddressSize = (codeSize: CodeSize): CodeSize => (codeSize === 32 ? 16 : 32);

function wordBytes(value: bigint, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function narrow({ fixed }: Form, codeSize: CodeSize): readonly Size[] {
  const [plain, prefixed] = codeSize === 16 ? ([16, 32] as const) : ([32, 16] as const);
  if (fixed.prefix === 0) return [plain];
  return fixed.prefix === 1 ? [prefixed] : [16, 32];
}

/** Sizes that a form can have in code of this size. */
export function sizesOf(form: Form, codeSize: CodeSize): readonly Size[] {
  const wide: readonly Size[] = codeSize === 64 ? [64] : [];
  switch (form.sizeRule) {
    case SizeRule.byte:
      return [8];
    case SizeRule.full:
      if (form.fixed.w === 1) return wide;
      // Where 66 must be there, or must not, it still is the operand size.
      return [...narrow(form, codeSize), ...(form.fixed.w === 0 ? [] : wide)];
    case SizeRule.default64:
      return codeSize === 64 ? [16, 64] : [16, 32];
    case SizeRule.forced64:
      return codeSize === 64 ? [64] : [16, 32];
    case SizeRule.wide:
      return form.fixed.w === 1 ? wide : [32, ...wide];
    case SizeRule.native:
      return codeSize === 64 ? [64] : [32];
    case SizeRule.fixed16:
      return [16];
    case SizeRule.fixed32:
      return [32];
    case SizeRule.port:
      return [16, 32];
    default:
      return [64];
  }
}

/** Whether a form is there in code of this size. */
export const isThere = ({ fixed, map }: Form, codeSize: CodeSize): boolean =>
  codeSize === 64 ? fixed.mode !== 0 : fixed.mode !== 1 && (fixed.w !== 1 || map >= 4);

/**
 * Bytes of one instruction, as the disassembler would print it. Throws an Error that says which operand does not fit, if there
 * is no such instruction.
 */
export function assemble(text: string, codeSize: CodeSize, at = 0n, set: InstructionSet = instructionSet()): number[] {
  let rest = text.trim().toLowerCase().replace(/\s+/g, " ");
  let lock = false;
  let repeat = 0;
  for (;;) {
    const [, prefix] = /^(lock|rep|repz|repe|repnz|repne) /.exec(rest) ?? [];
    if (prefix === undefined) break;
    if (prefix === "lock") lock = true;
    else repeat = prefix.startsWith("repn") ? 0xf2 : 0xf3;
    rest = rest.slice(prefix.length + 1);
  }
  const [, mnemonic = "", operandText = ""] = /^(\S+) ?(.*)$/.exec(rest) ?? [];
  const operands = operandText === "" ? [] : operandText.split(/ ?, ?/).map(parseOperand);
  const forms = set.named(mnemonic).filter((form) => isThere(form, codeSize));
  if (forms.length === 0) throw new Error(`there is no instruction ${mnemonic} in ${codeSize}-bit code`);
  let best: number[] | undefined;
  let complaint = `${mnemonic} has other operands`;
  let furthest = -1;
  for (const form of forms) {
    const types = form.definition.options.hidden
      ? []
      : form.operands.filter(({ kind }) => !unwrittenKinds.includes(kind));
    if (types.length !== operands.length) continue;
    for (const size of sizesOf(form, codeSize)) {
      let fitted = 0;
      try {
        const encoder = new Encoder(form, size, codeSize);
        const named = namedAddressSize(form, mnemonic, codeSize);
        if (mnemonicAt(form, size, named) !== mnemonic) continue;
        if (named !== codeSize) encoder.addressPrefix = true;
        let next = 0;
        types.forEach((type, i) => {
          fitted = i;
          const kind = ["i", "u", "iv", "rel"].includes(type.kind) ? (form.immediates[next++] as number) : 0;
          encoder.operand(type, operands[i] as Operand, kind);
        });
        fitted = types.length;
        const bytes = encoder.finish(lock, repeat, at);
        const word = set.table.forms[set.forms.indexOf(form)] as number;
        unless(!lock || (bits(word, FormBits.lock) === 1 && encoder.mod !== 3), "it cannot be locked");
        if (!best || bytes.length < best.length) best = bytes;
      } catch (error) {
        if (!(error instanceof Unfit)) throw error;
        // The complaint of the encoding that came furthest.
        const came = 2 * fitted + (error.close ? 1 : 0);
        if (came <= furthest) continue;
        furthest = came;
        complaint = error.message;
      }
    }
  }
  if (!best) throw new Error(`${text}: ${complaint}`);
  return best;
}

/** The address size that the mnemonic says, if it says one. */
function namedAddressSize(form: Form, mnemonic: string, codeSize: CodeSize): CodeSize {
  const { names } = form.definition.options;
  if (names?.by !== "address") return codeSize;
  return ([16, 32, 64] as const).find((size) => names[size] === mnemonic) ?? codeSize;
}
