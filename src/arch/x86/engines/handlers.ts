/**
 * The interpreter's handlers: a form, with what is decided when it is built - sizes, whether its operand is a register or
 * memory, how its address is made. Everything else is in the operands' record.
 */
import { type HandlerSpec, lengthInWord } from "../../../engine/interpret/target.js";
import { isThere, sizesOf } from "../isa/assembler.js";
import type { Decoded } from "../isa/decoder.js";
import type { Form } from "../isa/encoding.js";
import { instructionSet, mnemonicAt } from "../isa/instruction-set.js";
import { eitherKinds, memoryKinds } from "../isa/operand.js";
import type { CodeSize, Size } from "../isa/registers.js";
import { type Addressing, frequent, hot } from "./hot.js";
import { Segment } from "./layout.js";

export interface X86Handler extends HandlerSpec {
  readonly form: Form;
  /** 64, or 32 for all other code: how an address is made in the general mode is found out when it runs. */
  readonly codeSize: CodeSize;
  readonly operandSize: Size;
  readonly addressSize: CodeSize;
  readonly addressing: Addressing;
  readonly repeat: number;
}

export const inMemory = (form: Form): boolean =>
  form.operands.some(({ kind }) => [...memoryKinds, ...eitherKinds].includes(kind));
export const implied = (form: Form): boolean =>
  form.operands.some(({ kind }) => ["si", "di", "mdi", "mra", "bx", "moffs"].includes(kind));
/** Instructions that look at the size of addresses though they have none. */
export const counts = (form: Form): boolean => ["jcxz", "loop", "loope", "loopne"].includes(form.definition.name);

/** Under VEX, plain addresses have no handler of their own: half of the instructions are VEX's, and few of those that run. */
export const hasPlain = (form: Form): boolean => form.map < 4;

/** Ways of a form to its operand. */
function addressings(form: Form): readonly Addressing[] {
  if (implied(form)) return ["other"];
  if (!inMemory(form)) return ["none"];
  const register = form.fixed.register !== 0 && form.operands.some(({ kind }) => eitherKinds.includes(kind));
  const ways: readonly Addressing[] = hasPlain(form) ? ["plain", "other"] : ["other"];
  return register ? ["none", ...ways] : ways;
}

/** The other size of addresses that code has. */
export const smaller = (codeSize: 32 | 64): 16 | 32 => (codeSize === 64 ? 32 : 16);

/** The name of a handler, by all that is decided of it when it is built. */
export const handlerKey = (
  form: Form,
  size: number,
  addressSize: number,
  addressing: Addressing,
  repeat: number,
): string =>
  `${form.definition.name} "${form.encoding}" ${form.opcode.toString(16)}, ${size} bits, ${addressing}${addressSize} ${repeat}`;

/** What `hot.ts` calls a handler. */
const hotKey = (form: Form, size: Size, addressing: Addressing, codeSize: CodeSize): string =>
  `${mnemonicAt(form, size, codeSize)} ${form.opcode.toString(16)}, ${size} ${addressing}`;

/**
 * Every handler of 64-bit code, or of all other, the frequent ones first, in the order of their numbers from `Handler.first`. Both
 * modes of other code have the same.
 */
export function handlerSpecs(codeSize: 32 | 64): { specs: X86Handler[]; hotCount: number } {
  const first: X86Handler[] = [];
  const rare: X86Handler[] = [];
  const found = new Set<string>();
  for (const form of instructionSet().forms) {
    if (!isThere(form, codeSize)) continue;
    // Where a prefix is part of the opcode, code of 16 bits has the other size.
    const sizes = new Set([...sizesOf(form, codeSize), ...(codeSize === 32 ? sizesOf(form, 16) : [])]);
    for (const operandSize of sizes) {
      for (const addressing of addressings(form)) {
        const sized = addressing === "other" || counts(form);
        for (const addressSize of sized ? ([codeSize, smaller(codeSize)] as const) : [codeSize]) {
          for (const repeat of form.definition.options.repeat ? [0, 0xf2, 0xf3] : [0]) {
            const name = handlerKey(form, operandSize, addressSize, addressing, repeat);
            const called =
              addressSize === codeSize && repeat === 0 ? hotKey(form, operandSize, addressing, codeSize) : "";
            const isHot = hot[codeSize].has(called);
            if (isHot) found.add(called);
            (isHot ? first : rare).push({
              name,
              length: lengthInWord,
              weight: frequent[codeSize].get(called) ?? 0,
              form,
              codeSize,
              operandSize,
              addressSize,
              addressing,
              repeat,
            });
          }
        }
      }
    }
  }
  const unknown = [...hot[codeSize], ...frequent[codeSize].keys()].filter((called) => !found.has(called));
  if (unknown.length > 0)
    throw new Error(`hot.ts names what is no handler of ${codeSize}-bit code: ${unknown.join("; ")}`);
  first.sort((a, b) => b.weight - a.weight);
  return { specs: [...first, ...rare], hotCount: first.length };
}

/** The handler of what a decoder has found, by `HandlerSpec.name`; an engine may not have it. */
export function handlerName(found: Decoded, form: Form): string {
  const { operandSize, addressSize, memory, segment, repeat, codeSize } = found;
  const addressed = form.modrm && !found.register && inMemory(form);
  const usual = segment < 0 || (segment <= Segment.ds && segment !== Segment.cs);
  const plain = hasPlain(form) && usual && !memory.ripRelative && addressSize === codeSize;
  const addressing = implied(form) ? "other" : !addressed ? "none" : plain ? "plain" : "other";
  const sized = addressing === "other" || counts(form);
  const repeats = form.definition.options.repeat ? repeat : 0;
  return handlerKey(form, operandSize, sized ? addressSize : codeSize, addressing, repeats);
}
