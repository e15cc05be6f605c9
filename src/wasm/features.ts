/**
 * What the WebAssembly of this platform can do, found out by offering it tiny modules. Nothing is assumed from a
 * version number. WebAssembly Core Specification, "Binary Format"; feature names as in its proposals.
 */
import { KvmError, messageOf } from "../base/errors.js";

export interface WasmFeatures {
  /** Modules may be compiled from bytes made at run time: what `hv` lives on. Denied by some policies and platforms. */
  readonly codeGeneration: boolean;
  /** Memory shared between threads, and atomics. */
  readonly sharedMemory: boolean;
  /** 128-bit vectors. */
  readonly simd: boolean;
  readonly tailCalls: boolean;
  readonly relaxedSimd: boolean;
  /** f64x2.relaxed_madd rounds once: a fused multiply-add in one instruction. */
  readonly fusedMadd: boolean;
  /** 64-bit addresses. */
  readonly memory64: boolean;
}

const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const section = (id: number, ...content: readonly number[]) => [id, content.length, ...content];
const f64 = 0x7c;

/** A module of one exported function "f"; every part is short enough for one-byte lengths. */
function moduleOf(parameters: readonly number[], results: readonly number[], body: readonly number[]): Uint8Array {
  const code = [0x00, ...body, 0x0b];
  return Uint8Array.from([
    ...header,
    ...section(1, 1, 0x60, parameters.length, ...parameters, results.length, ...results),
    ...section(3, 1, 0),
    ...section(7, 1, 1, 0x66, 0, 0),
    ...section(10, 1, code.length, ...code),
  ]);
}

const splatF64 = [0xfd, 0x14];
const probes = {
  /** i32.const 0, i8x16.splat, drop */
  simd: moduleOf([], [], [0x41, 0, 0xfd, 0x0f, 0x1a]),
  /** return_call 0 */
  tailCalls: moduleOf([], [], [0x12, 0]),
  /** f64x2.relaxed_madd of the parameters, lane 0 */
  relaxedSimd: moduleOf(
    [f64, f64, f64],
    [f64],
    [0x20, 0, ...splatF64, 0x20, 1, ...splatF64, 0x20, 2, ...splatF64, 0xfd, 0x87, 0x02, 0xfd, 0x21, 0],
  ),
  /** A memory with 64-bit limits. */
  memory64: Uint8Array.from([...header, ...section(5, 1, 0x04, 1)]),
  /** i32.const 0, i32.atomic.load of a shared memory, drop */
  threads: Uint8Array.from([
    ...header,
    ...section(1, 1, 0x60, 0, 0),
    ...section(3, 1, 0),
    ...section(5, 1, 0x03, 1, 1),
    ...section(10, 1, 9, 0x00, 0x41, 0, 0xfe, 0x10, 2, 0, 0x1a, 0x0b),
  ]),
};

function validates(bytes: Uint8Array): boolean {
  try {
    return WebAssembly.validate(bytes as BufferSource);
  } catch {
    return false;
  }
}

function canGenerateCode(): boolean {
  try {
    new WebAssembly.Module(moduleOf([], [], []) as BufferSource);
    return true;
  } catch {
    return false;
  }
}

/** A page without cross-origin isolation validates the instructions but cannot share the memory. */
function canShareMemory(): boolean {
  try {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    return memory.buffer instanceof SharedArrayBuffer && validates(probes.threads);
  } catch {
    return false;
  }
}

/** (1 + 2^-30)(1 - 2^-30) - 1 is -2^-60 exactly, and 0 if the product is rounded first. */
function isMaddFused(): boolean {
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(probes.relaxedSimd as BufferSource));
    const madd = exports["f"] as (a: number, b: number, c: number) => number;
    return madd(1 + 2 ** -30, 1 - 2 ** -30, -1) === -(2 ** -60);
  } catch {
    return false;
  }
}

/** Throws KvmError EPERM where there is no WebAssembly at all, which is an engine's or a policy's choice. */
export function requireWebAssembly(): void {
  if (typeof WebAssembly !== "undefined") return;
  throw new KvmError(
    "EPERM",
    "this JavaScript engine has no WebAssembly; Node.js has it unless started with --jitless",
  );
}

/** Asks the platform anew; takes well under a millisecond. */
export function detectWasmFeatures(): WasmFeatures {
  if (typeof WebAssembly === "undefined") {
    const none = { codeGeneration: false, sharedMemory: false, simd: false, tailCalls: false };
    return { ...none, relaxedSimd: false, fusedMadd: false, memory64: false };
  }
  return {
    codeGeneration: canGenerateCode(),
    sharedMemory: canShareMemory(),
    simd: validates(probes.simd),
    tailCalls: validates(probes.tailCalls),
    relaxedSimd: validates(probes.relaxedSimd),
    fusedMadd: isMaddFused(),
    memory64: validates(probes.memory64),
  };
}

/** The smallest module there is. */
const emptyModule = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

/** EPERM: the platform does not let code be generated at run time. */
export function requireCodeGeneration(): void {
  requireWebAssembly();
  try {
    new WebAssembly.Module(emptyModule);
  } catch (cause) {
    throw new KvmError("EPERM", `the platform does not let code be generated (${messageOf(cause)})`, { cause });
  }
}
