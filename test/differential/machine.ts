/** A VM in the rough, without the KVM core: memory laid out by hand, one vCPU in real mode, an engine attached to it. */

import {
  archLayout,
  codePage,
  decodeRoot,
  ExitCode,
  Request,
  state,
  vcpuLayout,
} from "../../src/arch/powerpc/engines/layout.js";
import type { IsaLevel } from "../../src/arch/powerpc/isa/levels.js";
import { Msr } from "../../src/arch/powerpc/isa/msr.js";
import { instantiateInterpreter, interpretOnly } from "../../src/engine/interpret/interpreter.js";
import type { HvVcpu } from "../../src/engine/translate/load.js";
import type { Engine, EngineVcpu } from "../../src/kvm/engine.js";
import { vmLayout } from "../../src/kvm/layout.js";
import { engineAssets } from "./engines.js";
import type { Case } from "./generate.js";
import { addresses, offsets, Signal, type State, windowSize } from "./record.js";

const ramSize = 32 << 20;
const align = (n: number, to: number) => Math.ceil(n / to) * to;

const owners = vmLayout.heap;
const maps = owners + align((ramSize >>> 16) * 4, 64);
/** One i32 per 4 KiB, for each byte order. */
const mapSize = 2 * (ramSize >>> 12) * 4;
const vcpuAt = align(maps + mapSize, 65536);
const ramAt = align(vcpuAt + vcpuLayout.size, 65536);

/** FSCR[TAR]: bctar may be used. */
const fscrTar = 0x100n;

/** sc 1: a hypercall, which returns from the engine. */
const hypercall = 0x44000022;

/** What a kernel of supervisor-kernel.ts asks for; everything else is answered with H_FUNCTION. Source: PAPR, "Hypercalls". */
const Hypercall = { putTermChar: 0x58, setMode: 0x31c, registerProcessTable: 0x37c } as const;

/** Interrupt vectors below which a pc means that an interrupt was taken. */
const vectorsEnd = 0x3000;

/** One VM memory with an engine on its only vCPU. */
export class Machine {
  readonly memory: WebAssembly.Memory;
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly #vcpu: EngineVcpu;
  readonly #littleEndian: boolean;

  /** `level`: the version of the architecture whose instructions the vCPU has. */
  constructor(engine: Engine, littleEndian: boolean, level: IsaLevel = "3.0") {
    this.#littleEndian = littleEndian;
    this.memory = new WebAssembly.Memory({ initial: (ramAt + ramSize) / 65536, maximum: 65536 });
    this.view = new DataView(this.memory.buffer);
    this.bytes = new Uint8Array(this.memory.buffer);
    const i32 = (at: number, value: number) => this.view.setInt32(at, value, true);
    i32(vmLayout.vcpuCount, 1);
    i32(vmLayout.vcpus, vcpuAt);
    i32(vmLayout.slotCount, 1);
    this.view.setFloat64(vmLayout.clockRate, 512_000, true);
    this.view.setFloat64(vmLayout.clockBase, performance.timeOrigin + performance.now(), true);
    this.view.setBigInt64(vmLayout.slots + 8, BigInt(ramSize), true);
    i32(vmLayout.slots + 16, ramAt);
    this.view.setBigInt64(archLayout.ramLimit, BigInt(ramSize), true);
    i32(archLayout.codeOwners, owners);
    i32(vcpuAt + state.codeMaps.offset, maps);
    i32(archLayout.codeMapSize, mapSize);
    i32(vcpuAt + state.decodeRoot.offset, decodeRoot(level));
    i32(archLayout.radix, 1);
    i32(archLayout.interruptLittleEndian, littleEndian ? 1 : 0);
    for (let vector = 0x100; vector < vectorsEnd; vector += 4) this.word(vector, hypercall);
    this.#setMsr();
    this.#setI64("fscr", fscrTar);
    const { reset } = instantiateInterpreter(engineAssets(), this.memory, interpretOnly()).runtime as unknown as {
      reset: (s: number) => void;
    };
    reset(vcpuAt);
    this.#vcpu = engine.attach(this.memory, vcpuAt);
  }

  /** Puts an instruction into guest memory. */
  word(address: number, word: number): void {
    this.view.setUint32(ramAt + address, word, this.#littleEndian);
  }

  #field(name: keyof typeof state): number {
    return vcpuAt + state[name].offset;
  }
  #i64(name: keyof typeof state): bigint {
    return this.view.getBigUint64(this.#field(name), true);
  }
  #setI64(name: keyof typeof state, value: bigint): void {
    this.view.setBigUint64(this.#field(name), value, true);
  }
  #i32(name: keyof typeof state): number {
    return this.view.getInt32(this.#field(name), true);
  }
  #setI32(name: keyof typeof state, value: number): void {
    this.view.setInt32(this.#field(name), value, true);
  }

  /** 64-bit mode, everything on that a user program of Linux has under QEMU, addresses real. */
  #setMsr(): void {
    const { SF, VEC, VSX, FP, ME, FE0, FE1, RI, LE } = Msr;
    this.#setI64("msr", SF | VEC | VSX | FP | ME | FE0 | FE1 | RI | (this.#littleEndian ? LE : 0n));
  }

  #load(from: State): void {
    const { view } = this;
    this.bytes.set(from.bytes.subarray(offsets.gpr, offsets.gpr + 256), this.#field("gpr"));
    const vsr = this.#field("vsr");
    for (let n = 0; n < 64; n++) {
      const [high, low] = from.vsr(n);
      view.setBigUint64(vsr + 16 * n + 8, high, true);
      view.setBigUint64(vsr + 16 * n, low, true);
    }
    const cr = Number(from.get(offsets.cr));
    for (let n = 0; n < 8; n++) view.setInt32(this.#field("cr") + 4 * n, (cr >>> (28 - 4 * n)) & 15, true);
    const xer = Number(from.get(offsets.xer));
    xerBits.forEach(([name, bit]) => this.#setI32(name, (xer >>> bit) & 1));
    this.#setI64("xerRest", BigInt(xer & 0x7f));
    this.#setI64("lr", from.get(offsets.lr));
    this.#setI64("ctr", from.get(offsets.ctr));
    this.#setI64("fpscr", from.get(offsets.fpscr));
    const vscr = Number(from.get(offsets.vscr + 8));
    this.#setI32("nj", (vscr >>> 16) & 1);
    this.#setI32("sat", vscr & 1);
    this.bytes.set(from.window, ramAt + addresses.window);
  }

  #store(to: State): void {
    const { view } = this;
    to.bytes.set(this.bytes.subarray(this.#field("gpr"), this.#field("gpr") + 256), offsets.gpr);
    const vsr = this.#field("vsr");
    for (let n = 0; n < 64; n++) {
      to.setVsr(n, [view.getBigUint64(vsr + 16 * n + 8, true), view.getBigUint64(vsr + 16 * n, true)]);
    }
    let cr = 0;
    for (let n = 0; n < 8; n++) cr = cr * 16 + view.getInt32(this.#field("cr") + 4 * n, true);
    to.set(offsets.cr, BigInt(cr));
    const xer = xerBits.reduce((bits, [name, bit]) => bits + this.#i32(name) * 2 ** bit, 0);
    to.set(offsets.xer, BigInt(xer) | this.#i64("xerRest"));
    to.set(offsets.lr, this.#i64("lr"));
    to.set(offsets.ctr, this.#i64("ctr"));
    to.set(offsets.fpscr, this.#i64("fpscr"));
    to.set(offsets.vscr, 0n);
    to.set(offsets.vscr + 8, BigInt((this.#i32("nj") << 16) | this.#i32("sat")));
    to.window.set(this.bytes.subarray(ramAt + addresses.window, ramAt + addresses.window + windowSize));
  }

  /**
   * Puts a kernel into memory. Where the engine translates, the code at these addresses is translated at once: there are two
   * lists, for code that is big-endian and for code that is little-endian.
   */
  loadKernel(image: Uint8Array, address: number, code: readonly [readonly number[], readonly number[]]): void {
    this.bytes.set(image, ramAt + address);
    this.#setI64("amor", (1n << 64n) - 1n);
    this.#setI64("pvr", 0x4e1200n);
    this.#setI32("requests", this.#i32("requests") | Request.flushCode | Request.flushTlb);
    const vcpu = this.#vcpu;
    if (!("translateNow" in vcpu)) return;
    code.forEach((addresses, littleEndian) => {
      this.#setI64("msr", Msr.SF | Msr.ME | (littleEndian ? Msr.LE : 0n));
      this.#setI32("requests", this.#i32("requests") | Request.context);
      (vcpu as HvVcpu).translateNow(addresses.map(BigInt));
    });
  }

  /**
   * Runs a kernel in supervisor state from its first instruction, until it writes to its terminal; its memory then. Throws
   * an Error if it does not; `explain` words it.
   */
  runKernel(
    address: number,
    explain: (why: string, read: (at: number, size: number) => Uint8Array) => string,
  ): Uint8Array {
    const arch = (offset: number, value: number) => this.view.setInt32(offset, value, true);
    arch(archLayout.interruptLittleEndian, 0);
    arch(archLayout.ail, 0);
    this.#setI64("msr", Msr.SF | Msr.ME);
    this.#setI64("pc", BigInt(address));
    this.#setI32("requests", this.#i32("requests") | Request.context);
    const gpr = (n: number) => this.#field("gpr") + 8 * n;
    for (let slices = 0; ; ) {
      this.#setI32("exitCode", 0);
      const exit = this.#vcpu.run();
      if (exit === ExitCode.none && ++slices < 1e6) continue;
      if (exit !== ExitCode.hypercall) {
        const [pc, where] = [this.#i64("pc"), this.#i64("exitAddress")].map((n) => n.toString(16));
        const read = (at: number, size: number) => this.bytes.slice(ramAt + at, ramAt + at + size);
        throw new Error(explain(`exit ${exit} at 0x${pc}, real address 0x${where}`, read));
      }
      const [number = 0, ...values] = [3, 4, 5, 6, 7].map((n) => Number(this.view.getBigUint64(gpr(n), true)));
      if (number === Hypercall.putTermChar) return this.bytes.subarray(ramAt, ramAt + ramSize);
      const [flags = 0, what = 0, , size = 0] = values;
      let answer = 0n;
      if (number === Hypercall.setMode && what === 4) arch(archLayout.interruptLittleEndian, flags);
      else if (number === Hypercall.setMode && what === 3) arch(archLayout.ail, flags);
      else if (number === Hypercall.registerProcessTable) {
        this.view.setBigInt64(archLayout.processTableBase, BigInt(what), true);
        arch(archLayout.processTableSize, size);
      } else answer = -2n; // H_FUNCTION
      this.view.setBigInt64(gpr(3), answer, true);
    }
  }

  /** Which signal Linux would send for the interrupt that was taken. */
  #signal(vector: number): number {
    if (vector === 0x600) return Signal.bus;
    if (vector === 0x300 || vector === 0x380 || vector === 0x400 || vector === 0x480) return Signal.segment;
    if (vector !== 0x700) throw new Error(`interrupt 0x${vector.toString(16)} was taken`);
    const cause = Number(this.#i64("srr1")) & 0x1f0000;
    if (cause & 0x20000) return Signal.trap;
    return cause & 0x100000 ? Signal.float : Signal.illegal;
  }

  /** Puts the code of all cases into memory; call before they run. */
  prepare(cases: readonly Case[]): void {
    for (const { address, words } of cases) {
      words.forEach((word, i) => this.word(address + 4 * i, word));
      this.word(address + 4 * words.length, hypercall);
    }
    this.#setI32("requests", this.#i32("requests") | Request.flushCode | Request.flushTlb);
    if (!("translateNow" in this.#vcpu)) return;
    // A stretch that does nothing serves the requests; then what is compared is the translation, hot or not.
    this.#setMsr();
    this.#go(0x100);
    (this.#vcpu as HvVcpu).translateNow(cases.map(({ address }) => BigInt(address)));
  }

  /** The vector of the interrupt that a case ends with when these facilities are disabled, 0 if it ends without one. */
  vectorWithout(one: Case, disabled: readonly ("FP" | "VEC" | "VSX")[]): number {
    this.#load(one.initial);
    this.#setMsr();
    this.#setI64(
      "msr",
      disabled.reduce((msr, name) => msr & ~Msr[name], this.#i64("msr")),
    );
    this.#go(one.address);
    const pc = Number(this.#i64("pc")) - 4;
    return pc < vectorsEnd ? pc : 0;
  }

  /** Runs from an address to the next hypercall. */
  #go(address: number): void {
    this.#setI64("pc", BigInt(address));
    this.#setI32("exitCode", 0);
    this.#setI32("fault", 0);
    this.#setI32("reserveAddress", 0);
    this.#setI32("requests", this.#i32("requests") | Request.context);
    for (let slice = 0; ; slice++) {
      const exit = this.#vcpu.run();
      if (exit === ExitCode.hypercall) return;
      if (exit !== ExitCode.none || slice > 1000) {
        throw new Error(
          `exit ${exit} at 0x${this.#i64("pc").toString(16)}, address 0x${this.#i64("exitAddress").toString(16)}`,
        );
      }
    }
  }

  /** Instructions executed since the machine was made. */
  get executed(): number {
    return Number(this.#i64("instructions")) + (this.#i32("sliceLength") - this.#i32("budget")) / codePage.entrySize;
  }

  /** Slices that have ended since the machine was made. */
  get slices(): number {
    return Number(this.#i64("statSlices"));
  }

  /** Times that the interpreter's core has entered a region since the machine was made. */
  get regionRuns(): number {
    return Number(this.#i64("statRegionRuns"));
  }

  /** CFAR: the address of the last branch taken. */
  get comeFrom(): bigint {
    return this.#i64("cfar");
  }

  /** The state after the case. Throws an Error if it does not end. */
  run(one: Case): State {
    this.#load(one.initial);
    this.#setMsr();
    this.#go(one.address);
    const result = one.initial.copy();
    this.#store(result);
    const pc = Number(this.#i64("pc")) - 4;
    result.set(offsets.signal, 0n);
    result.set(offsets.trapAddress, 0n);
    if (pc < vectorsEnd) {
      result.set(offsets.signal, BigInt(this.#signal(pc)));
      result.set(offsets.trapAddress, this.#i64("srr0"));
    } else if (pc !== one.address + 4 * one.words.length) throw new Error(`stopped at 0x${pc.toString(16)}`);
    return result;
  }
}

const xerBits = [
  ["so", 31],
  ["ov", 30],
  ["ca", 29],
  ["ov32", 19],
  ["ca32", 18],
] as const;
