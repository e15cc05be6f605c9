/** All instructions indexed for the assembler and the disassembler: variants, their operand lists, extended mnemonics. */
import type { Alias } from "./alias.js";
import { aliases as allAliases } from "./aliases.js";
import { buildDecodeTable, decode } from "./decoder.js";
import type { InsnDefinition } from "./insn.js";
import { instructions } from "./instructions.js";
import { parseTemplate, type Template } from "./operand.js";
import { expand, type Variant } from "./pattern.js";

/** A variant with its operand list read. */
export interface ListedVariant {
  readonly variant: Variant;
  readonly template: Template;
}

/** One way to write a mnemonic's operands. */
export type Form =
  | { readonly type: "instruction"; readonly listed: ListedVariant; readonly template: Template }
  | { readonly type: "alias"; readonly alias: Alias; readonly template: Template };

export class InstructionSet {
  readonly variants: readonly ListedVariant[];
  readonly #forms = new Map<string, Form[]>();
  readonly #aliases = new Map<string, Alias[]>();
  readonly #byMnemonic = new Map<string, ListedVariant[]>();
  #table: Int32Array | undefined;

  /** Throws an Error that names the declaration if a pattern or an operand list is malformed. */
  constructor(definitions: readonly InsnDefinition[] = instructions, aliases: readonly Alias[] = allAliases()) {
    this.variants = definitions.flatMap((definition) => {
      const template = parseTemplate(definition.operands);
      return expand(definition).map((variant) => {
        for (const name of template.names) {
          if (name in variant.fields || name in variant.flags) continue;
          throw new Error(`instruction ${definition.name}: operand "${name}" is not in its pattern`);
        }
        return { variant, template };
      });
    });
    const add = <K, V>(map: Map<K, V[]>, key: K, value: V) => {
      const list = map.get(key);
      if (list) list.push(value);
      else map.set(key, [value]);
    };
    for (const listed of this.variants) {
      add(this.#byMnemonic, listed.variant.mnemonic, listed);
      add(this.#forms, listed.variant.mnemonic, { type: "instruction", listed, template: listed.template });
    }
    for (const alias of aliases) {
      if (!this.#byMnemonic.has(alias.target)) continue;
      add(this.#forms, alias.mnemonic, { type: "alias", alias, template: alias.template });
      if (alias.print) add(this.#aliases, alias.target, alias);
    }
  }

  /** The ways to write this mnemonic; empty if there is no such instruction. */
  forms(mnemonic: string): readonly Form[] {
    return this.#forms.get(mnemonic) ?? [];
  }

  /** The variants with this mnemonic; several if flags are operands or registers have declarations of their own. */
  named(mnemonic: string): readonly ListedVariant[] {
    return this.#byMnemonic.get(mnemonic) ?? [];
  }

  /** The aliases that the disassembler may print in place of this mnemonic. */
  aliasesOf(mnemonic: string): readonly Alias[] {
    return this.#aliases.get(mnemonic) ?? [];
  }

  get mnemonics(): IterableIterator<string> {
    return this.#forms.keys();
  }

  /** The variant that a word, or if it is a prefix a word with the one behind it, is of; undefined if it is no instruction. */
  decode(word: number, suffix?: number): ListedVariant | undefined {
    this.#table ??= buildDecodeTable(
      this.variants.map(({ variant }, i) => ({
        mask: variant.mask,
        value: variant.value,
        prefix: variant.prefix,
        id: i + 1,
        name: variant.mnemonic,
        fallback: variant.definition.options.fallback ?? false,
      })),
    );
    const id = decode(this.#table, word, 0, suffix);
    return id === 0 ? undefined : this.variants[id - 1];
  }
}

let shared: InstructionSet | undefined;
/** The set of all declared instructions, made at the first call. */
export function instructionSet(): InstructionSet {
  shared ??= new InstructionSet();
  return shared;
}
