/** Runs every engine case (case-file.ts) on every engine, in both byte orders. */
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { archLayout, decodeRoot, ExitCode, type StateField, state } from "../../src/arch/powerpc/engines/layout.js";
import { Leaf, MSR, TestMachine } from "../../src/arch/powerpc/engines/runtime/machine.test-support.js";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import type { Engine, EngineVcpu } from "../../src/kvm/engine.js";
import { vmLayout } from "../../src/kvm/layout.js";
import { engines } from "../differential/engines.js";
import { type EngineCase, parseCases } from "./case-file.js";

const codeAt = 0x10000;
const dataAt = 0x20000;
const vectorsEnd = 0x3020;
/** sc 1: leaves the engine, in supervisor state. */
const hypercall = 0x44000022;

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** A machine for all cases of an engine and a byte order. */
class CaseMachine {
  readonly #m = new TestMachine();
  readonly #vcpu: EngineVcpu;

  constructor(
    engine: Engine,
    readonly littleEndian: boolean,
  ) {
    const m = this.#m;
    this.#vcpu = engine.attach(m.memory, m.s);
    // The engine has the host's clock.
    m.view.setFloat64(vmLayout.clockBase, performance.timeOrigin + performance.now(), true);
    m.set("decExpiry", 1n << 54n);
    m.set("decPending", 0n);
    m.view.setInt32(archLayout.ail, 0, true);
    m.view.setInt32(archLayout.interruptLittleEndian, littleEndian ? 1 : 0, true);
    for (let vector = 0x100; vector < vectorsEnd; vector += 4) this.#word(vector, hypercall);
    m.map(1, BigInt(codeAt), codeAt + 0x400000, 16, Leaf.read | Leaf.write | Leaf.execute);
    m.map(1, BigInt(dataAt), dataAt + 0x400000, 16, Leaf.read | Leaf.write | Leaf.execute);
  }

  #word(physical: number, word: number): void {
    this.#m.view.setUint32(this.#m.ram + physical, word, this.littleEndian);
  }

  /** Address in memory and size of a place, and the order of its bytes. */
  #place(place: string, virtual: boolean): { at: number; size: number; littleEndian: boolean } {
    const s = this.#m.s;
    const [, file, number] = /^(r|cr|f|vs)(\d+)$/.exec(place) ?? [];
    const n = Number(number);
    if (file === "r" && n < 32) return { at: s + state.gpr.offset + 8 * n, size: 8, littleEndian: true };
    if (file === "cr" && n < 8) return { at: s + state.cr.offset + 4 * n, size: 4, littleEndian: true };
    if (file === "f" && n < 32) return { at: s + state.vsr.offset + 16 * n + 8, size: 8, littleEndian: true };
    if (file === "vs" && n < 64) return { at: s + state.vsr.offset + 16 * n, size: 16, littleEndian: true };
    const storage = /^\[(0x[0-9a-f]+):(\d+)\]$/.exec(place);
    if (storage) {
      const physical = Number(storage[1]) + (virtual ? 0x400000 : 0);
      return { at: this.#m.ram + physical, size: Number(storage[2]), littleEndian: this.littleEndian };
    }
    const field = state[place as StateField];
    if (field?.count !== 1) throw new Error(`there is no ${place}`);
    return { at: s + field.offset, size: field.type === "i32" ? 4 : 8, littleEndian: true };
  }

  #read(place: string, virtual: boolean): bigint {
    const { at, size, littleEndian } = this.#place(place, virtual);
    const bytes = [...new Uint8Array(this.#m.memory.buffer, at, size)];
    if (littleEndian) bytes.reverse();
    return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  #write(place: string, virtual: boolean, value: bigint): void {
    const { at, size, littleEndian } = this.#place(place, virtual);
    const bytes = Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
    if (!littleEndian) bytes.reverse();
    new Uint8Array(this.#m.memory.buffer, at, size).set(bytes);
  }

  /** Throws an Error that tells every difference. */
  run(one: EngineCase): void {
    const m = this.#m;
    const virtual = one.state.has("virtual");
    let msr = MSR.ME | MSR.RI | MSR.FP | MSR.VEC | MSR.VSX;
    if (!one.state.has("32-bit")) msr |= MSR.SF;
    if (this.littleEndian) msr |= MSR.LE;
    if (one.state.has("problem")) msr |= MSR.PR | MSR.EE;
    if (virtual) msr |= MSR.IR | MSR.DR;
    // What a case may set begins as 0, so that cases do not depend on one another.
    const settable = [...one.given, ...one.expect].map(({ place }) => place).filter((p) => p in state && p !== "pc");
    for (const name of settable) m.set(name as StateField, 0n);
    new Uint8Array(m.memory.buffer, m.s + state.gpr.offset, 256).fill(0);
    new Uint8Array(m.memory.buffer, m.s + state.cr.offset, 32).fill(0);
    for (const name of ["so", "ov", "ov32", "ca", "ca32", "xerRest", "srr0", "srr1", "fpscr", "mmcr0"] as const)
      m.set(name, 0n);
    m.set("decodeRoot", BigInt(decodeRoot(one.state.has("v3.1") ? "3.1" : "3.0")));
    m.set("fscr", -1n & 0xffffffffffffffn);
    m.set("amor", -1n);
    m.set("pid", 1n);
    m.set("fault", 0n);
    m.set("exitCode", 0n);
    m.set("reserveAddress", 0n);

    const { bytes } = assemble(one.code, { origin: codeAt, littleEndian: this.littleEndian });
    const physical = codeAt + (virtual ? 0x400000 : 0);
    new Uint8Array(m.memory.buffer, m.ram + physical, bytes.length).set(bytes);
    const end = codeAt + bytes.length;
    this.#word(physical + bytes.length, hypercall);
    m.call("guestMemoryWritten", BigInt(physical), BigInt(bytes.length + 4));
    m.set("pc", BigInt(codeAt));
    for (const { place, value } of one.given) this.#write(place, virtual, value);
    m.mode(msr);

    for (let slice = 0; ; slice++) {
      const exit = this.#vcpu.run();
      if (exit === ExitCode.hypercall) break;
      if (slice > 100 || exit !== ExitCode.none) throw new Error(`exit ${exit} at ${hex(m.get("pc"))}`);
    }
    let interrupt = m.get("pc") - 4n;
    // In problem state the sc at the end is a system call.
    if (interrupt === 0xc00n && m.get("srr0") === BigInt(end + 4)) interrupt = BigInt(end);
    const found: string[] = [];
    const expected = one.expect.find(({ place }) => place === "interrupt")?.value ?? 0n;
    const actual = interrupt === BigInt(end) ? 0n : interrupt;
    if (actual !== expected)
      found.push(`interrupt: expected ${hex(expected)}, got ${hex(actual)} (srr1 ${hex(m.get("srr1"))})`);
    for (const { place, value } of one.expect) {
      if (place === "interrupt") continue;
      const { size } = this.#place(place, virtual);
      const wanted = BigInt.asUintN(8 * size, value);
      const got = this.#read(place, virtual);
      if (got !== wanted) found.push(`${place}: expected ${hex(wanted)}, got ${hex(got)}`);
    }
    if (found.length > 0) throw new Error(found.join("\n"));
  }
}

const folder = fileURLToPath(new URL("../../../test/engines/cases/", import.meta.url));
for (const file of readdirSync(folder).sort()) {
  const cases = parseCases(readFileSync(folder + file, "utf8"));
  for (const [name, load] of Object.entries(engines)) {
    test(`${file} on ${name}`, () => {
      const engine = load();
      const failures: string[] = [];
      for (const littleEndian of [true, false]) {
        const order = littleEndian ? "little-endian" : "big-endian";
        const machine = new CaseMachine(engine, littleEndian);
        for (const one of cases) {
          if (one.state.has(littleEndian ? "big-endian" : "little-endian")) continue;
          try {
            machine.run(one);
          } catch (error) {
            const why = error instanceof Error ? error.message : String(error);
            failures.push(`${file}:${one.line}: ${one.name}, on ${name}, ${order}:\n${why}\n${one.code}`);
          }
        }
      }
      if (failures.length > 0) throw new Error(`${failures.length} failed\n${failures.join("\n")}`);
    });
  }
}
