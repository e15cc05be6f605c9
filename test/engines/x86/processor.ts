/** One x86 processor with RAM, on the engines as they are built: for tests that set its registers, tables and memory. */
import { readFileSync } from "node:fs";
import { archLayout, codePage, ExitCode, noSegment, state, vcpu } from "../../../src/arch/x86/engines/layout.js";
import { msrPlaces } from "../../../src/arch/x86/engines/msrs.js";
import { translatorTarget } from "../../../src/arch/x86/engines/translator-target.js";
import { type Interpreter, instantiateInterpreter, interpretOnly } from "../../../src/engine/interpret/interpreter.js";
import { makeRandom } from "../../../src/engine/interpret/random.js";
import { engineRequests as Request } from "../../../src/engine/layout.js";
import { Translator } from "../../../src/engine/translate/translator.js";
import { memorySlot, vmLayout } from "../../../src/kvm/layout.js";

const first = 0x100000;
const align = (n: number) => Math.ceil(n / 65536) * 65536;

const compiled = (name: string) =>
  new WebAssembly.Module(readFileSync(new URL(`../../../src/arch/x86/engines/${name}`, import.meta.url)));
/** By the kind of memory. */
const assets = new Map<string, { runtime: WebAssembly.Module; interpreter: WebAssembly.Module }>();

function assetsOf(kind: "" | "shared." | "ordered.") {
  const known = assets.get(kind) ?? {
    runtime: compiled(`runtime.${kind}wasm`),
    interpreter: compiled(`interpreter.${kind}wasm`),
  };
  assets.set(kind, known);
  return known;
}

type FieldName = keyof typeof state;

/** A processor beside the first one: the memory they share, and which of how many it is. */
export interface Beside {
  readonly memory: WebAssembly.Memory;
  readonly index: number;
  readonly count: number;
  /** Its accesses are ordered by the engine. */
  readonly ordered?: boolean;
}

/** Memory for so many processors with so much RAM, shared between threads. */
export function sharedMemory(ramSize: number, count: number): WebAssembly.Memory {
  const { end } = placesOf(ramSize, count);
  return new WebAssembly.Memory({ initial: end / 65536, maximum: 65536, shared: true });
}

/** Bytes of a processor's maps of code. */
const mapsOf = (ramSize: number) => (ramSize / 1024) * codePage.kinds;

function placesOf(ramSize: number, count: number) {
  const owners = align(first + count * vcpu.size);
  const codeMaps = align(owners + ramSize / 1024);
  const ram = align(codeMaps + count * align(mapsOf(ramSize)));
  return { owners, codeMaps, ram, end: ram + align(ramSize) };
}

/** Segments' access bytes as descriptors have them, from bit 8 of the upper half. */
export const Access = { code64: 0xa09b, code32: 0xc09b, data: 0xc093, user: 0x60, tss: 0x008b } as const;

export class Processor {
  readonly #memory: WebAssembly.Memory;
  readonly #s: number;
  readonly view: DataView;
  readonly #bytes: Uint8Array;
  readonly #ram: number;
  readonly ramSize: number;
  readonly interpreter: Interpreter;
  /** 32 bits of what RDRAND and RDSEED give. */
  random: () => number = makeRandom();
  /** Idle if it is not to translate. */
  readonly translator: Translator;

  /** @param ramSize bytes of RAM, from physical address 0 on. `translate`: hot code becomes regions, if not asked otherwise. */
  constructor(ramSize: number, { translate = true, beside }: { translate?: boolean; beside?: Beside } = {}) {
    const index = beside?.index ?? 0;
    const count = beside?.count ?? 1;
    const ordered = beside?.ordered ?? false;
    const { owners, codeMaps, ram, end } = placesOf(ramSize, count);
    this.#s = first + index * vcpu.size;
    this.#ram = ram;
    this.ramSize = ramSize;
    this.#memory = beside?.memory ?? new WebAssembly.Memory({ initial: end / 65536, maximum: 65536 });
    this.view = new DataView(this.#memory.buffer);
    this.#bytes = new Uint8Array(this.#memory.buffer);
    const word = (at: number, value: number) => this.view.setInt32(at, value, true);
    if (index === 0) {
      word(vmLayout.vcpuCount, count);
      for (let i = 0; i < count; i++) word(vmLayout.vcpus + 4 * i, first + i * vcpu.size);
      word(vmLayout.slotCount, 1);
      this.view.setBigInt64(vmLayout.slots + memorySlot.offset.size, BigInt(ramSize), true);
      word(vmLayout.slots + memorySlot.offset.address, this.#ram);
      this.view.setBigInt64(archLayout.ramLimit, BigInt(ramSize), true);
      word(archLayout.codeOwners, owners);
      word(archLayout.codeMapSize, mapsOf(ramSize));
      this.view.setFloat64(vmLayout.clockBase, performance.timeOrigin + performance.now(), true);
      // Ticks a millisecond.
      this.view.setFloat64(vmLayout.clockRate, 1e6, true);
    }
    this.set("codeMaps", codeMaps + index * align(mapsOf(ramSize)));
    const translator = new Translator(translatorTarget, this.#memory, this.#s, undefined, { ordered });
    this.translator = translator;
    this.interpreter = instantiateInterpreter(
      assetsOf(ordered ? "ordered." : beside ? "shared." : ""),
      this.#memory,
      translate
        ? {
            regions: translator.regions,
            codeDropped: (page, first, end) => translator.codeDropped(page, first, end),
            sampled: () => translator.sampled(),
          }
        : interpretOnly(),
      undefined,
      undefined,
      () => this.random(),
    );
    if (translate) translator.bind(this.interpreter);
  }

  get(field: FieldName, index = 0): number {
    return this.view.getInt32(this.#s + state[field].offset + 4 * index, true);
  }

  get64(field: FieldName, index = 0): bigint {
    return this.view.getBigUint64(this.#s + state[field].offset + 8 * index, true);
  }

  set(field: FieldName, value: number, index = 0): void {
    this.view.setInt32(this.#s + state[field].offset + 4 * index, value, true);
  }

  set64(field: FieldName, value: bigint, index = 0): void {
    this.view.setBigUint64(this.#s + state[field].offset + 8 * index, BigInt.asUintN(64, value), true);
  }

  /** Segment registers, by their numbers in the layout. */
  setSegment(segment: number, selector: number, base: bigint, limit: number, access: number): void {
    this.set("selector", selector, segment);
    this.set64("segmentBase", base, segment);
    this.set("segmentLimit", limit, segment);
    this.set("segmentAccess", access, segment);
  }

  setMsr(name: keyof typeof msrPlaces, value: bigint): void {
    this.set64("msrs", value, msrPlaces[name]);
  }

  /** Flat 64-bit code at a privilege level, with paging by the tables at this physical address. */
  longMode({ tables, cpl, code, data }: { tables: bigint; cpl: 0 | 3; code: number; data: number }): void {
    this.set64("control", 0x80010031n, 0);
    this.set64("control", tables, 3);
    this.set64("control", 0x40620n | 0x20n, 4);
    this.setMsr("efer", 0xd01n);
    this.set64("xcr0", 7n);
    this.set("cpl", cpl);
    const user = cpl === 3 ? Access.user : 0;
    for (let i = 0; i < noSegment; i++) this.setSegment(i, data, 0n, -1, Access.data | user);
    this.setSegment(1, code, 0n, -1, Access.code64 | user);
  }

  /** The arithmetic flags among the others. */
  get flags(): bigint {
    const sign = this.get64("sign");
    const odd = [...(sign & 0xffn).toString(2)].filter((digit) => digit === "1").length & 1;
    const bits: readonly (readonly [number, boolean])[] = [
      [0, this.get("carry") !== 0],
      [2, odd === 0],
      [4, (this.get("adjust") & 16) !== 0],
      [6, this.get64("zero") === 0n],
      [7, sign >> 63n !== 0n],
      [11, this.get64("overflow") >> 63n !== 0n],
    ];
    return bits.reduce((all, [bit, is]) => all | (is ? 1n << BigInt(bit) : 0n), this.get64("systemFlags") | 2n);
  }

  set flags(flags: bigint) {
    const bit = (n: number) => (flags >> BigInt(n)) & 1n;
    this.set64("zero", bit(6) ^ 1n);
    this.set64("sign", (bit(7) << 63n) | (bit(2) ^ 1n));
    this.set64("overflow", bit(11) << 63n);
    this.set("carry", Number(bit(0)));
    this.set("adjust", Number(bit(4)) << 4);
    this.set64("systemFlags", flags & ~0x8d5n);
  }

  /** x87, MXCSR and XMM as FXSAVE has them, but for where the last instruction was; then the upper halves of YMM. */
  get floating(): Uint8Array {
    const image = new Uint8Array(416 + 256);
    const view = new DataView(image.buffer);
    view.setUint16(0, this.get("floatControl"), true);
    view.setUint16(2, this.get("floatStatus"), true);
    view.setUint8(4, this.get("floatTags"));
    view.setUint32(24, this.get("mxcsr"), true);
    const top = (this.get("floatStatus") >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const at = this.#s + state.floatRegister.offset + 16 * ((top + i) & 7);
      image.set(this.#bytes.subarray(at, at + 10), 32 + 16 * i);
    }
    const vectors = this.#s + state.vector.offset;
    image.set(this.#bytes.subarray(vectors, vectors + 256), 160);
    const high = this.#s + state.vectorHigh.offset;
    image.set(this.#bytes.subarray(high, high + 256), 416);
    return image;
  }

  set floating(image: Uint8Array) {
    const view = new DataView(image.buffer, image.byteOffset);
    this.set("floatControl", view.getUint16(0, true));
    this.set("floatStatus", view.getUint16(2, true));
    this.set("floatTags", view.getUint8(4));
    this.set("mxcsr", view.getUint32(24, true));
    this.set("floatOpcode", view.getUint16(6, true));
    this.set64("floatInstruction", view.getBigUint64(8, true));
    this.set64("floatData", view.getBigUint64(16, true));
    const top = (this.get("floatStatus") >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const at = this.#s + state.floatRegister.offset + 16 * ((top + i) & 7);
      this.#bytes.set(image.subarray(32 + 16 * i, 42 + 16 * i), at);
    }
    this.#bytes.set(image.subarray(160, 416), this.#s + state.vector.offset);
    this.#bytes.set(image.subarray(416, 672), this.#s + state.vectorHigh.offset);
  }

  /** RAM at a physical address, to read and, where no code has run, to write. */
  ram(at: number, length: number): Uint8Array {
    if (at + length > this.ramSize) throw new Error(`there is no RAM at ${at.toString(16)}`);
    return this.#bytes.subarray(this.#ram + at, this.#ram + at + length);
  }

  putRam64(at: number, value: bigint): void {
    this.ram(at, 8);
    this.view.setBigUint64(this.#ram + at, BigInt.asUintN(64, value), true);
  }

  getRam64(at: number): bigint {
    this.ram(at, 8);
    return this.view.getBigUint64(this.#ram + at, true);
  }

  /** RAM has been written, not by the processor. */
  written(at: number, length: number): void {
    const written = this.interpreter.runtime["guestMemoryWritten"] as (at: bigint, length: bigint) => number;
    written(BigInt(at), BigInt(length));
  }

  /** After all registers have been set. */
  reset(): void {
    (this.interpreter.runtime["reset"] as (state: number) => void)(this.#s);
  }

  /** After some registers have been set. */
  changed(): void {
    this.set("requests", this.get("requests") | Request.context);
  }

  step(): number {
    this.set("exitCode", ExitCode.none);
    return this.interpreter.step(this.#s);
  }

  /** Runs until it leaves, at the latest after so many slices. */
  run(milliseconds = 0): number {
    this.set("exitCode", ExitCode.none);
    const now = (performance.timeOrigin + performance.now() - this.view.getFloat64(vmLayout.clockBase, true)) * 1e6;
    this.set64("leaveAt", milliseconds === 0 ? 0n : BigInt(Math.round(now + milliseconds * 1e6)));
    return this.interpreter.run(this.#s);
  }

  /** Completes an access that it left for: what it reads is this. Returns why it left again. */
  complete(value: bigint): number {
    this.set64("mmioValues", value, 0);
    this.set("mmioCompleted", 1);
    this.set("mmioConsumed", 0);
    this.set("mmioReplay", 1);
    const exit = this.step();
    this.set("mmioCompleted", 0);
    this.set("mmioConsumed", 0);
    this.set("mmioReplay", 0);
    return exit;
  }

  /** How often a region was entered from the interpreter. */
  get regionRuns(): number {
    return Number(this.get64("statRegionRuns"));
  }
}
