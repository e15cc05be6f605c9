/** What an architecture is to the builder of the interpreter. */
import type { FunctionBuilder } from "../../wasm/function-builder.js";
import type { Recording } from "../ir.js";
import type { Field } from "../layout.js";
import type { AccessContext } from "../memory-access.js";
import type { RuntimeFunctions } from "../recorder.js";
import type { Emission, EngineTarget } from "../target.js";
import type { CommonFunctions } from "./common-functions.js";

/** A handler is for instructions of several lengths: the low bits of the word, `lengthMask`, have it. */
export const lengthInWord = "in word";
export const lengthMask = 15;

/** One handler: an instruction, or one with operands fixed because that is frequent. */
export interface HandlerSpec {
  readonly name: string;
  /** Bytes of the instruction, if all that it is for have the same. */
  readonly length: number | typeof lengthInWord;
  /** How often it runs, relative to others; 0 for all but the few that the core tells apart first. */
  readonly weight: number;
}

export interface HandlerList<S> {
  /** In the order of their numbers from `Handler.first`; those with a weight first. Modes with the same array number alike. */
  readonly specs: readonly S[];
  /**
   * Of those behind the core's, which are the same functions have one number. Else each has its own: a number tells the handler.
   */
  readonly sharedNumbers?: boolean;
  /** The first so many stand in the core function, the others are functions of their own. */
  readonly hotCount: number;
}

/** Where a handler is recorded for. */
export interface HandlerPlace {
  readonly mode: number;
  readonly runtime: RuntimeFunctions;
  readonly access: AccessContext;
  /** Locals that hold the state's address and what the decoded entry tells of the instruction. */
  readonly locals: { readonly state: number; readonly word: number };
  /** Pushes the instruction's address. */
  readonly emitCia: (f: FunctionBuilder) => void;
  /** What handlers may have in common as functions; not there where speed is all, in the core. */
  readonly common?: CommonFunctions;
}

export interface InterpreterTarget<S extends HandlerSpec = HandlerSpec> extends EngineTarget {
  /** Those of a mode. Modes whose code is of different kinds may have different ones; each is numbered by itself. */
  handlers(mode: number): HandlerList<S>;
  /** What the run-time library decodes by, from the handlers of each mode and their numbers, put at `vmLayout.decodeTables`. */
  decodeTable(specs: readonly (readonly S[])[], numbers: readonly (readonly number[])[]): Uint8Array;
  /** What records handlers at a place. */
  recorder(place: HandlerPlace): { handler(spec: S): Recording };
  /**
   * In code of this mode, which has no handlers in the core, a routine (state, word) is called before each instruction, pc being
   * set. It may fault.
   */
  readonly before?: { readonly mode: number; readonly routine: string };
  /**
   * Of registers that regions leave to be worked out (translate/register-file.ts): the word of the state that is not 0 where that is
   * so, and what records how it is done, at a place without a word.
   */
  readonly deferred?: { readonly source: Field; settling(place: HandlerPlace): Recording };
  /** Emits what a word does that is no instruction; pc is set. */
  illegal(e: Emission): void;
  /** What a guest can see of the branches that it took. All may do nothing. */
  readonly branches: {
    /** A branch has been taken, whose decoded entry's address `entry` pushes. */
    note(e: Emission, entry: () => void): void;
    /** The same where only pc, in the state, says which. */
    noteAtPc(e: Emission): void;
    /** Entries noted so far are about to mean something else. */
    settle(e: Emission): void;
  };
  /** Emits what brings the state up to date where the engine is left. */
  leaving(e: Emission): void;
  /**
   * Pushes what `steppedWord` and `alone` are told of the instruction whose decoded entry's address `entry` pushes; if it
   * is missing, the entry's word.
   */
  told?(e: Emission, entry: () => void): void;
  /**
   * Emits what is to be known before an instruction that runs alone, and returns what emits what follows one that
   * completed; `told` is the local of what `told` pushed.
   */
  alone(e: Emission, told: number): () => void;
}
