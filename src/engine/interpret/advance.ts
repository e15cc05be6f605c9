/**
 * How the interpreter gets from an instruction to the next. Where all have the same length, that is a constant; otherwise a
 * handler that is a function of its own answers with it. A handler whose instructions differ in length (`lengthInWord`) finds
 * it in the decoded entry's word.
 *
 * What instructions cost is counted in bytes of decoded entries passed: the budget of a slice. One that goes elsewhere costs
 * one entry, whatever its length.
 */
import type { FunctionBuilder } from "../../wasm/function-builder.js";
import type { EngineLayout } from "../layout.js";
import { type HandlerSpec, lengthInWord, lengthMask } from "./target.js";

/** What a handler's function answers besides that the next instruction follows. */
export const Answer = {
  /** pc is set. */
  left: 1,
  /** pc is set, and the instruction did not happen. */
  fault: 2,
} as const;

export class Advance {
  readonly #layout: EngineLayout;
  /** Bytes of entries that every instruction takes, if all take the same. */
  readonly #fixed: number | undefined;

  constructor(layout: EngineLayout, specs: readonly HandlerSpec[]) {
    this.#layout = layout;
    const lengths = new Set(specs.map(({ length }) => length));
    const [only] = lengths;
    this.#fixed = lengths.size === 1 && typeof only === "number" ? only << layout.codePage.scale : undefined;
  }

  /** Pushes the bytes from an instruction's decoded entry to the next one's; `word` is the local of the entry's word. */
  pushBytes(f: FunctionBuilder, { length }: HandlerSpec, word: number): void {
    const { scale } = this.#layout.codePage;
    if (length !== lengthInWord) {
      f.i32Const(length << scale);
      return;
    }
    f.get(word);
    f.i32Const(lengthMask);
    f.i32("and");
    f.i32Const(scale);
    f.i32("shl");
  }

  /** Pushes what the handler's function answers if the next instruction follows: not one of `Answer`. */
  pushGoesOn(f: FunctionBuilder, spec: HandlerSpec, word: number): void {
    if (this.#fixed === undefined) this.pushBytes(f, spec, word);
    else f.i32Const(0);
  }

  /** [answer] -> [whether the next instruction follows] */
  testGoesOn(f: FunctionBuilder): void {
    if (this.#fixed !== undefined) {
      f.i32("eqz");
      return;
    }
    f.i32Const(Answer.fault);
    f.i32("gtU");
  }

  /** Pushes whether the answer, in a local, says that pc is set; it does not say that the instruction did not happen. */
  testLeft(f: FunctionBuilder, answer: number): void {
    f.get(answer);
    if (this.#fixed !== undefined) return;
    f.i32Const(Answer.left);
    f.i32("eq");
  }

  /** Pushes the bytes to the next entry, the answer being that the next instruction follows. */
  pushDistance(f: FunctionBuilder, answer: number): void {
    if (this.#fixed === undefined) f.get(answer);
    else f.i32Const(this.#fixed);
  }

  /** Pushes what an instruction cost that happened. */
  pushPrice(f: FunctionBuilder, answer: number): void {
    const { entrySize } = this.#layout.codePage;
    if (this.#fixed !== undefined) {
      f.i32Const(entrySize);
      return;
    }
    f.get(answer);
    f.i32Const(entrySize);
    f.get(answer);
    this.testGoesOn(f);
    f.select();
  }

  /** [pc: i64] -> [pc of the next instruction] */
  advance(f: FunctionBuilder, answer: number): void {
    const { scale } = this.#layout.codePage;
    if (this.#fixed !== undefined) f.i64Const(BigInt(this.#fixed >> scale));
    else {
      f.get(answer);
      f.i32Const(scale);
      f.i32("shrU");
      f.convert("extendU");
    }
    f.i64("add");
  }
}
