/** All instructions as the decoder, the assembler and the disassembler have them. */
import { buildDecodeTable, type DecodeTable } from "./decode-table.js";
import { type Decoded, Decoder, type Undecoded } from "./decoder.js";
import { type Form, formsOf } from "./encoding.js";
import type { InsnDefinition } from "./insn.js";
import { instructions } from "./instructions.js";
import type { CodeSize } from "./registers.js";

export class InstructionSet {
  readonly forms: readonly Form[];
  /** What the decoder is driven by; see decode-table.ts. */
  readonly table: DecodeTable;
  readonly #decoder: Decoder;
  readonly #byMnemonic = new Map<string, Form[]>();

  /** Throws an Error that names the declaration if an encoding is malformed, both if two overlap. */
  constructor(definitions: readonly InsnDefinition[] = instructions) {
    this.forms = definitions.flatMap(formsOf);
    this.table = buildDecodeTable(this.forms);
    this.#decoder = new Decoder(this.table);
    for (const form of this.forms) {
      for (const name of mnemonicsOf(form)) {
        const known = this.#byMnemonic.get(name);
        if (known) known.push(form);
        else this.#byMnemonic.set(name, [form]);
      }
    }
  }

  /** The instruction at the beginning of these bytes, given or answered for (undefined: no more), good until the next call; or why there is none. */
  decode(
    bytes: ArrayLike<number> | ((i: number) => number | undefined),
    codeSize: CodeSize,
    plain = false,
  ): (Decoded & { readonly of: Form }) | Undecoded {
    const found = this.#decoder.decode(typeof bytes === "function" ? bytes : (i) => bytes[i], codeSize, plain);
    if (found !== true) return found;
    return Object.assign(this.#decoder.result, { of: this.forms[this.#decoder.result.form - 1] as Form });
  }

  /** The forms that may be written with this mnemonic. */
  named(mnemonic: string): readonly Form[] {
    return this.#byMnemonic.get(mnemonic) ?? [];
  }

  get mnemonics(): IterableIterator<string> {
    return this.#byMnemonic.keys();
  }
}

/** Every mnemonic of a form, whatever its sizes. */
function mnemonicsOf({ mnemonic, definition: { options } }: Form): string[] {
  if (!options.names) return [mnemonic];
  const { 8: b, 16: w, 32: d, 64: q } = options.names;
  return [...new Set([b, w, d, q].filter((name) => name !== undefined))];
}

/** The mnemonic at these sizes. */
export function mnemonicAt(
  { mnemonic, definition: { options } }: Form,
  operandSize: number,
  addressSize: number,
): string {
  if (!options.names) return mnemonic;
  const size = (options.names.by === "operand" ? operandSize : addressSize) as 8 | 16 | 32 | 64;
  return options.names[size] ?? mnemonic;
}

let shared: InstructionSet | undefined;
/** The set of all declared instructions, made at the first call. */
export function instructionSet(): InstructionSet {
  shared ??= new InstructionSet();
  return shared;
}
