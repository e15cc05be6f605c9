/** What an architecture is to the translator. */
import type { FunctionBuilder } from "../../wasm/function-builder.js";
import type { AccessContext } from "../memory-access.js";
import type { RuntimeFunctions } from "../recorder.js";
import type { EngineTarget } from "../target.js";
import type { Deferred, Holdable } from "./register-file.js";
import type { Found, RegionRecorder, Template } from "./template.js";

/** What the flow of control is to make of an instruction that jumps. */
export type Flow =
  /** A jump, or none. */
  | "plain"
  /** It notes where the next instruction stands, and something comes back to there. */
  | "call"
  /** It goes where a call noted. */
  | "return";

/** An instruction and where it stands, from the region's base. */
export interface Placed<V> {
  readonly offset: number;
  readonly template: Template<V>;
}

/** What surrounds an instruction of a region, as far as it is known there. */
export interface CodeAround {
  /** Effective address of offset 0. */
  readonly base: bigint;
  /** 4 bytes at an offset, code or not: undefined outside the region's page. */
  word(offset: number, littleEndian: boolean): number | undefined;
  /** Whether an instruction stands there that may be part of the region. */
  isCode(offset: number): boolean;
  /** So many bytes, the lowest first, at an effective address that the guest has read lately; undefined elsewhere. */
  data(address: bigint, size: 4 | 8): bigint | undefined;
  /** What a register that regions hold has had lately. */
  register(number: number): bigint;
}

export interface TranslatorTarget<V = unknown> extends EngineTarget {
  /** Registers that regions hold in locals, by number. */
  readonly held: readonly Holdable[];
  /** Some of them that regions leave to be worked out. The interpreter's `settling` does that. */
  readonly deferred?: Deferred;
  /**
   * A fault's delivery reads registers that regions hold, as one that goes through a stack in memory does: an access that misses
   * the soft TLB always leaves the region, never calls from it.
   */
  readonly deliveryReadsHeld?: boolean;
  /** Makes what all translators of a thread share: called before time matters. */
  warmUp(): void;
  /** What records instructions of a mode. `runtime` gives the routines' indices in the modules of regions. */
  recorder(mode: number, runtime: RuntimeFunctions, access: AccessContext): RegionRecorder<V>;
  /**
   * What tells instructions in the VM's memory apart, as the vCPU with its state at `state` has them. The result finds the one at an address of the host's, of which `room`
   * bytes may be read; undefined if none stands there, or one that is not to be translated. Of one that goes on behind them, `next` is
   * where it does: as many bytes as an instruction may have.
   */
  decoder(
    memory: WebAssembly.Memory,
    state: number,
  ): (view: DataView, at: number, room: number, mode: number, next?: number) => Found<V> | undefined;
  flow(template: Template<V>): Flow;
  /**
   * Where the last of these instructions, which stand in a row, may jump to, as offsets in ascending order, if it jumps to a
   * computed place and a table of such can be found. It is a guess: what goes elsewhere leaves the region.
   */
  jumpTable(mode: number, row: readonly Placed<V>[], code: CodeAround): readonly number[];
  /** What a guest can see of the branches that it took. All may do nothing. */
  readonly branches: {
    /** The branch at this offset from the base is being taken. */
    note(f: FunctionBuilder, offset: number): void;
    /** The state is to be told of the last one noted. */
    settle(f: FunctionBuilder): void;
    /** The state is to be told of the branch at this offset, which has just been taken. */
    settleAt(f: FunctionBuilder, offset: number): void;
  };
  /** Addresses of instructions that may have a breakpoint: these are interpreted, and those at the same place in other pages. */
  breakpoints(view: DataView, state: number): readonly bigint[];
}
