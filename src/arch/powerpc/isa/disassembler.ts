/** Instruction words to text, in the spelling of GNU binutils. Derived from the declarations. */
import { matchAlias } from "./alias.js";
import { type InstructionSet, instructionSet, type ListedVariant } from "./instruction-set.js";
import { printOperands } from "./operand.js";
import { fieldValue } from "./pattern.js";

export interface Disassembly {
  readonly mnemonic: string;
  readonly operands: string;
  /** The declared instruction that the word is of. */
  readonly listed: ListedVariant;
}

export interface DisassembleOptions {
  /** The word behind, which belongs to the instruction if the first is a prefix. */
  readonly suffix?: number;
  /** Address of the word, for branch targets. Default 0. */
  readonly address?: bigint;
  /** Use extended mnemonics (default true). */
  readonly aliases?: boolean;
  readonly set?: InstructionSet;
}

/**
 * The value of an operand as the assembler writes it: a branch target is an address, everything else the field. `prefix` is
 * the word in front of `word`, if it has one.
 */
export function operandValue(
  { variant }: ListedVariant,
  name: string,
  word: number,
  address: bigint,
  prefix?: number,
): bigint {
  const field = variant.fields[name];
  if (!field) return variant.flags[name] ? 1n : 0n;
  const value = BigInt(fieldValue(field, word, prefix));
  if (!field.signed && value < 0n) return BigInt.asUintN(32, value);
  if (name !== "target") return value;
  return BigInt.asUintN(64, variant.flags["aa"] ? value : address + value);
}

/** The parts of an instruction's text, or undefined if the word is no instruction we know, or a prefix without a suffix. */
export function disassembleParts(word: number, options: DisassembleOptions = {}): Disassembly | undefined {
  const set = options.set ?? instructionSet();
  const address = options.address ?? 0n;
  const listed = set.decode(word, options.suffix);
  if (!listed) return undefined;
  const { variant, template } = listed;
  const value = (name: string) =>
    variant.prefix && options.suffix !== undefined
      ? operandValue(listed, name, options.suffix, address, word)
      : operandValue(listed, name, word, address);
  if (options.aliases !== false) {
    const operands = template.parts.flatMap((part) => {
      if (part.type === "punctuation") return [];
      return [part.type === "fixed" ? { value: BigInt(part.value) } : { value: value(part.name), name: part.name }];
    });
    const modulus = (i: number) => {
      const name = operands[i]?.name;
      return 1n << BigInt((name !== undefined && variant.fields[name]?.width) || 0);
    };
    for (const alias of set.aliasesOf(variant.mnemonic)) {
      const bound = matchAlias(
        alias,
        operands.map((o) => o.value),
        modulus,
      );
      if (!bound) continue;
      const text = printOperands(alias.template, (name) => bound.get(name) ?? 0n);
      return { mnemonic: alias.mnemonic, operands: text, listed };
    }
  }
  return { mnemonic: variant.mnemonic, operands: printOperands(template, value), listed };
}

/** One line of text for a word; ".long 0x..." if it is no instruction. */
export function disassemble(word: number, options: DisassembleOptions = {}): string {
  const parts = disassembleParts(word, options);
  if (!parts) return `.long 0x${(word >>> 0).toString(16).padStart(8, "0")}`;
  return parts.operands === "" ? parts.mnemonic : `${parts.mnemonic} ${parts.operands}`;
}
