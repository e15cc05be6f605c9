/**
 * Random calls: recursion deeper than calls nest on the host's stack, conditional and computed calls, jumps from one
 * function into another, returns past several callers, traps in callees, and stores into code that callers are in. The
 * interpreter is the judge.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import type { Engine } from "../../src/kvm/engine.js";
import { engines } from "../differential/engines.js";
import { Machine } from "../differential/machine.js";
import { Random } from "../differential/random.js";
import { offsets, State } from "../differential/record.js";

const origin = 0x100000;
/** Data in the code's own page of 64 KiB: it can be read at once, but each store to it is looked at. */
const amongCode = origin + 0x8000;
const programs = 40;
const fuel = [60, 2000, 30_000];
const functionCount = 5;

const machines = () => ({
  pr: new Machine((engines.pr as () => Engine)(), true),
  hv: new Machine((engines.hv as () => Engine)(), true),
});

/** Address of a label's instruction into register 12, from the place itself. */
const addressOf = (label: string) => ["bcl 20,31,.+4", "mflr 12", `addi 12,12,${label}-(.-4)`];

class Program {
  readonly lines: string[] = [];
  #labels = 0;
  readonly #random: Random;
  readonly #patched: string[] = [];

  constructor(random: Random) {
    this.#random = random;
    // r31 fuel, r29 depth of calls, r1 stack, r27 and r28 where the outermost caller goes on.
    const again = this.#label();
    this.lines.push("mr 27,1", ...addressOf(again), "mr 28,12", `${again}:`, "mr 1,27", "li 29,0");
    const loop = this.#label();
    this.lines.push(`${loop}:`, "addic. 31,31,-1", "blt finish", ...this.#work(), ...this.#call());
    this.lines.push(...this.#work(), `b ${loop}`);
    for (let n = 0; n < functionCount; n++) this.#function(n);
    this.lines.push("finish: nop");
  }

  #label(): string {
    return `l${this.#labels++}`;
  }

  #function(n: number): void {
    const { lines } = this;
    const random = this.#random;
    const out = `out${n}`;
    lines.push(`fn${n}:`, "addic. 31,31,-1", "bltlr", "cmpdi 5,29,150", "bgtlr 5");
    lines.push("mflr 0", "std 0,16(1)", "stdu 1,-48(1)", "addi 29,29,1");
    for (let part = random.below(4); part >= 0; part--) {
      lines.push(...this.#work());
      switch (random.below(6)) {
        case 0: {
          // A loop, perhaps with a call in it.
          const loop = this.#label();
          const test = this.#label();
          lines.push(`li 14,${1 + random.below(6)}`, "std 14,32(1)");
          // Compilers put the test last: then the return point is where the loop is entered.
          if (random.chance(0.5)) lines.push(`b ${test}`);
          lines.push(`${loop}:`, ...this.#work());
          if (random.chance(0.5)) lines.push(...this.#call());
          lines.push(`${test}:`, "ld 14,32(1)", "addi 14,14,-1", "std 14,32(1)", "cmpdi 14,0", `bgt ${loop}`);
          break;
        }
        case 1:
          // Past all callers.
          if (random.chance(0.3)) {
            const on = this.#label();
            lines.push(`rldicl. 0,${this.#any()},${random.below(64)},60`, `bne ${on}`, "mtlr 28", "blr", `${on}:`);
          }
          break;
        case 2:
          if (random.chance(0.05)) lines.push(`tdeq ${this.#any()},${this.#any()}`);
          break;
        case 3:
          if (random.chance(0.5)) lines.push(...this.#patch());
          break;
        default:
          lines.push(...this.#call());
          break;
      }
    }
    lines.push(`${out}:`, "addi 29,29,-1", "addi 1,1,48", "ld 0,16(1)", "mtlr 0");
    if (random.chance(0.3)) {
      const target = `fn${random.below(functionCount)}`;
      if (random.chance(0.5)) lines.push(`b ${target}`);
      else lines.push(...addressOf(target), "mtctr 12", "ld 0,16(1)", "mtlr 0", "bctr");
    }
    lines.push("blr");
  }

  #any(): number {
    return 3 + this.#random.below(8);
  }

  #call(): string[] {
    const random = this.#random;
    const target = `fn${random.below(functionCount)}`;
    const condition = `rldicl. 0,${this.#any()},${random.below(64)},63`;
    switch (random.below(4)) {
      case 0:
        return [...addressOf(target), "mtctr 12", "bctrl"];
      case 1:
        return [condition, `${random.chance(0.5) ? "beql" : "bnel"} ${target}`];
      case 2:
        return [condition, ...addressOf(target), "mtlr 12", "bnelrl"];
      default:
        return [`bl ${target}`];
    }
  }

  /** Changes an instruction somewhere, and what may be there to be seen. */
  #patch(): string[] {
    const random = this.#random;
    if (this.#patched.length === 0 || random.chance(0.5)) {
      const label = `p${this.#patched.length}`;
      this.#patched.push(label);
      return [`${label}:`, "addi 5,5,1"];
    }
    const label = this.#patched[random.below(this.#patched.length)] as string;
    const low = random.below(100);
    const store = [...addressOf(label), "lis 14,0x38a5", `addi 14,14,${low}`, "stw 14,0(12)"];
    return [...store, "dcbst 0,12", "sync", "icbi 0,12", "isync"];
  }

  #work(): string[] {
    const random = this.#random;
    const lines: string[] = [];
    for (let i = random.below(4); i >= 0; i--) {
      const [t, a, b] = [this.#any(), this.#any(), this.#any()];
      const name = ["add", "xor", "subf", "mulld", "adde", "and.", "near", "cfar"][random.below(8)] as string;
      if (name === "near") lines.push(...this.#near());
      else if (name === "cfar") lines.push("mfspr 12,28", `xor ${t},${t},12`);
      else lines.push(`${name} ${t},${a},${b}`);
    }
    return lines;
  }

  /** Accesses off one register: in the window, across the end of a page of 64 KiB, or among code. */
  #near(): string[] {
    const random = this.#random;
    const base = [30, 25, 24][random.below(3)];
    return [`mr 13,${base}`].concat(
      Array.from({ length: 2 + random.below(4) }, () => {
        const name = ["ld", "std", "lwz", "stw", "lbz", "sth"][random.below(6)];
        return `${name} ${this.#any()},${4 * (random.below(40) - 20)}(13)`;
      }),
    );
  }
}

const seed = Number(process.env.UNIKVM_SEED ?? Date.now() % 2 ** 31);

test("random calls run alike translated and interpreted", () => {
  console.log(`seed ${seed} (UNIKVM_SEED repeats it)`);
  const random = new Random(seed);
  const { pr, hv } = machines();
  for (let n = 0; n < programs; n++) {
    const text = `${new Program(random).lines.join("\n")}\n`;
    const { bytes, labels } = assemblyOf(text);
    const words = [...new Uint32Array(bytes.slice().buffer)];
    const initial = new State();
    for (let r = 3; r < 12; r++) initial.set(offsets.gpr + 8 * r, random.u64());
    initial.set(offsets.gpr + 8 * 1, 0x7f000n);
    initial.set(offsets.gpr + 8 * 24, BigInt(amongCode));
    initial.set(offsets.gpr + 8 * 25, 0x60000n);
    initial.set(offsets.gpr + 8 * 30, 0x80080n);
    initial.set(offsets.gpr + 8 * 31, BigInt(fuel[n % fuel.length] as number));
    // Functions as well, so that calls find regions at once.
    const cases = [origin, ...labels].map((address) => ({
      mnemonic: "calls",
      address,
      words: words.slice((address - origin) / 4),
      initial,
    }));
    const [expected, actual] = [pr, hv].map((machine) => {
      machine.prepare(cases);
      const before = machine.executed;
      const { bytes: state } = machine.run(cases[0] as (typeof cases)[0]);
      return { bytes: state, count: machine.executed - before, comeFrom: machine.comeFrom };
    });
    assert.deepEqual(actual, expected, `seed ${seed}, program ${n}:\n${text}`);
  }
});

/** Instructions of a program and the addresses of its functions. */
function assemblyOf(text: string): { bytes: Uint8Array; labels: number[] } {
  const { bytes } = assemble(text, { littleEndian: true, origin: BigInt(origin) });
  const before = (label: string) => text.slice(0, text.indexOf(`\n${label}:`) + 1);
  // Assembled by itself, what is in front of a function is as long as its address is far; its branches are left out.
  const labels = Array.from({ length: functionCount }, (_, n) => {
    const lines = before(`fn${n}`)
      .split("\n")
      .filter((line) => line !== "" && !line.endsWith(":"));
    return origin + 4 * lines.length;
  });
  return { bytes, labels };
}

test("calls without a loop among them end with the slice", () => {
  // Calls itself twice, 13 deep: 16383 times in all.
  const text = `
    li 3,13
    bl twice
    b finish
    twice: cmpdi 3,0
    beqlr
    mflr 0
    std 0,16(1)
    stdu 1,-48(1)
    addi 3,3,-1
    std 3,32(1)
    bl twice
    ld 3,32(1)
    bl twice
    ld 3,32(1)
    addi 3,3,1
    addi 1,1,48
    ld 0,16(1)
    mtlr 0
    blr
    finish: nop
  `;
  const { bytes } = assemble(text, { littleEndian: true, origin: BigInt(origin) });
  const words = [...new Uint32Array(bytes.slice().buffer)];
  const initial = new State();
  initial.set(offsets.gpr + 8 * 1, 0x7f000n);
  const cases = [0, 3].map((at) => ({
    mnemonic: "twice",
    address: origin + 4 * at,
    words: words.slice(at),
    initial,
  }));
  const [expected, actual] = Object.values(machines()).map((machine) => {
    machine.prepare(cases);
    const [executed, slices] = [machine.executed, machine.slices];
    machine.run(cases[0] as (typeof cases)[0]);
    return { executed: machine.executed - executed, slices: machine.slices - slices };
  });
  assert.equal(actual?.executed, expected?.executed);
  assert.ok((expected?.slices as number) >= 10, `${expected?.slices} slices interpreted`);
  assert.ok(
    (actual?.slices as number) >= (expected?.slices as number) / 2,
    `${actual?.slices} slices translated, ${expected?.slices} interpreted`,
  );
});

test("what traps counts as an instruction, as it does where it is interpreted", () => {
  for (const [trap, count] of [
    ["tdeq 8,8", 4],
    ["tw 31,0,0", 4],
    ["tdi 31,3,0", 4],
    ["tdne 8,8", 5],
  ] as const) {
    const { bytes } = assemble(`addi 3,3,1\naddi 4,4,1\n${trap}\nnop\n`, {
      littleEndian: true,
      origin: BigInt(origin),
    });
    const words = [...new Uint32Array(bytes.slice().buffer)];
    const one = { mnemonic: "trap", address: origin, words, initial: new State() };
    for (const [engine, machine] of Object.entries(machines())) {
      machine.prepare([one]);
      const before = machine.executed;
      machine.run(one);
      // And the hypercall where it ends, or where the interrupt goes.
      assert.equal(machine.executed - before, count, `${trap} on ${engine}`);
    }
  }
});
