/** The interpreter as an engine: what both implementations run cold code with. */
import type { Engine, EngineEvents, EngineVcpu } from "../../kvm/engine.js";
import { canBlock } from "../../kvm/memory.js";
import type { EngineAssets, EngineModules } from "../implementation.js";
import { makeRandom } from "./random.js";

export type { EngineAssets };

/** Exports of runtime.wasm by name; all are functions. */
export type RuntimeExports = Readonly<Record<string, (...args: never[]) => unknown>>;

export interface Interpreter {
  readonly runtime: RuntimeExports;
  run(state: number): number;
  step(state: number): number;
  /** One instruction in place of a region. */
  instead(state: number): number;
  /** Works out registers that regions left to be. */
  settle(state: number): void;
}

/**
 * What gives milliseconds since the epoch, the same on every thread; the run-time library derives the time base from it. It is
 * asked a hundred thousand times a second, and Node.js takes as long to find its `performance` and the origin as for the time.
 */
function makeClock(): () => number {
  const clock = performance;
  const origin = clock.timeOrigin;
  return () => origin + clock.now();
}

/** Milliseconds that a vCPU sleeps that has waited too long for another. */
const nap = 0.05;

/** Gives this thread away for a moment, where that is allowed: another vCPU may need its processor to answer. */
function makeRest(): () => void {
  if (!canBlock()) return () => {};
  const never = new Int32Array(new SharedArrayBuffer(4));
  return () => void Atomics.wait(never, 0, 0, nap);
}

/** What a translator adds to the interpreter. */
export interface Translation {
  /** Translated regions, which a region's entry calls by index. */
  readonly regions: WebAssembly.Table;
  /** Told of which 4 KiB physical page decoded code was dropped, and between which offsets; all of it: with its entries. */
  codeDropped(physicalPage: number, first: number, end: number): void;
  /** Told at the end of each slice, if the vCPU's state asks for it. */
  sampled(state: number): void;
}

/** No translation at all. */
export const interpretOnly = (): Translation => ({
  regions: new WebAssembly.Table({ element: "anyfunc", initial: 1 }),
  codeDropped: () => {},
  sampled: () => {},
});

/** Only the run-time library, for who writes guest memory and runs no vCPU; see Engine.memoryWritten. */
export function bindMemoryWritten(
  { runtime }: EngineModules,
  memory: WebAssembly.Memory,
): ReturnType<Engine["memoryWritten"]> {
  const nothing = () => {};
  const env = {
    ...{
      memory,
      now: makeClock(),
      random: makeRandom(),
      codeDropped: nothing,
      sampled: nothing,
      mmuEvent: nothing,
      rest: nothing,
    },
    pageMissing: nothing,
  };
  const { exports } = new WebAssembly.Instance(runtime, { env });
  const guestMemoryWritten = exports["guestMemoryWritten"] as (address: bigint, length: bigint) => number;
  return (address, length) => guestMemoryWritten(address, length) !== 0;
}

/** What a vCPU runs on whose accesses are to be ordered, or need not be. */
export function modulesFor(assets: EngineAssets, ordered = false): EngineModules {
  if (!ordered) return assets;
  if (!assets.ordered) throw new Error("the engine has been loaded without ordered accesses");
  return assets.ordered;
}

/** Binds the interpreter to a VM's memory on this thread. `random` gives 32 bits: what the guest's random numbers are made of. */
export function instantiateInterpreter(
  assets: EngineModules,
  memory: WebAssembly.Memory,
  { regions, codeDropped, sampled }: Translation,
  onEvent: EngineEvents = () => {},
  missing: (address: number) => void = () => {},
  random: () => number = makeRandom(),
): Interpreter {
  const mmuEvent = (_: number, ...event: Parameters<EngineEvents>): void => onEvent(...event);
  const runtime = new WebAssembly.Instance(assets.runtime, {
    // WebAssembly's numbers are signed.
    env: {
      ...{ memory, now: makeClock(), random, codeDropped, sampled, mmuEvent, rest: makeRest() },
      pageMissing: (address: number) => missing(address >>> 0),
    },
  });
  const interpreter = new WebAssembly.Instance(assets.interpreter, {
    runtime: runtime.exports,
    env: { memory, regions },
  });
  const { run, step, instead } = interpreter.exports as Record<"run" | "step" | "instead", (s: number) => number>;
  const { settle } = interpreter.exports as { settle: (s: number) => void };
  return { runtime: runtime.exports as RuntimeExports, run, step, instead, settle };
}

/** A vCPU that is only interpreted. */
export function interpretedVcpu(interpreter: Interpreter, address: number): EngineVcpu {
  const reset = interpreter.runtime["reset"] as (state: number) => void;
  return {
    reset: () => reset(address),
    run: () => interpreter.run(address),
    step: () => interpreter.step(address),
    stats: () => ({}),
  };
}
