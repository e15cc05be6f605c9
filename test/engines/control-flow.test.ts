/**
 * Random control flow: loops in loops, jumps into loops, calls, computed jumps. The translator must nest what nests and
 * leave a region where nothing does; the interpreter is the judge, and both must count the same instructions.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import type { Engine } from "../../src/kvm/engine.js";
import { engines } from "../differential/engines.js";
import { Machine } from "../differential/machine.js";
import { double, Random } from "../differential/random.js";
import { offsets, State } from "../differential/record.js";

const origin = 0x100000;
const programs = 150;
/** Blocks entered before a program ends: some last for several slices. */
const fuel = [50, 3000, 40_000];

/** A program of `count` blocks; each ends with a branch to some other ones, by bits of registers that it computes. */
function program(random: Random, count: number): string {
  const lines = ["b block0"];
  const anyBlock = () => `block${random.below(count)}`;
  for (let n = 0; n < count; n++) {
    lines.push(`block${n}:`, "addic. 31,31,-1", "blt finish");
    for (let i = random.below(4); i >= 0; i--) {
      const [t, a, b] = [3 + random.below(8), 3 + random.below(8), 3 + random.below(8)];
      const operation = ["add", "xor", "subf", "mulld", "adde", "and.", "stdx", "ldx", "cmpd", "D", "F", "F"][
        random.below(12)
      ] as string;
      if (operation === "F") {
        lines.push(...floatingPoint(random));
        continue;
      }
      if (operation === "D") {
        lines.push(...runOfAccesses(random));
        continue;
      }
      if (operation === "stdx" || operation === "ldx") lines.push(`rldicl ${t},${a},0,58`, `${operation} ${b},${t},30`);
      else if (operation === "cmpd") lines.push(`cmpd ${random.below(8)},${a},${b}`);
      else lines.push(`${operation} ${t},${a},${b}`);
    }
    // CFAR feeds what decides about branches.
    if (random.chance(0.2)) lines.push("mfspr 12,28", "xor 3,3,12");
    lines.push(`rldicl. 0,${3 + random.below(8)},${random.below(64)},${60 + random.below(4)}`);
    switch (random.below(7)) {
      case 6:
        lines.push(...jumpTable(random, n, anyBlock));
        break;
      case 0:
        lines.push(`beq ${anyBlock()}`, `bdnz ${anyBlock()}`);
        break;
      case 1:
        lines.push(`bne ${anyBlock()}`, `bl leaf${random.below(2)}`);
        break;
      case 2:
        lines.push(`bc 12,${random.below(32)},${anyBlock()}`, `b ${anyBlock()}`);
        break;
      case 3:
        lines.push(`bge ${anyBlock()}`, `bgt ${anyBlock()}`);
        break;
      case 4:
        // A computed jump to one of two places.
        lines.push(`bl .+4`, "mflr 12", `addi 12,12,${anyBlock()}-(.-4)`, "mtctr 12", `bnectr`);
        break;
      default:
        break;
    }
  }
  lines.push("b block0", "leaf0: addi 3,3,1", "blr", "leaf1: xor 4,4,3", "addic. 31,31,-1", "bgelr", "finish: nop");
  return `${lines.join("\n")}\n`;
}

/** A jump by a table behind it, as compilers make them; now and then to a place that is not in it. */
function jumpTable(random: Random, n: number, anyBlock: () => string): string[] {
  const bits = 1 + random.below(3);
  const register = () => 3 + random.below(8);
  const lines = [
    `rldicl 12,${register()},${random.below(64)},${64 - bits}`,
    "sldi 12,12,2",
    "bcl 20,31,.+4",
    "mflr 11",
  ];
  lines.push(`addi 11,11,table${n}-(.-4)`, "lwax 12,11,12", "add 12,12,11");
  lines.push(`rldicl. 0,${register()},${random.below(64)},61`, `bne through${n}`, `addi 12,11,${anyBlock()}-table${n}`);
  lines.push(`through${n}: mtctr 12`, "bctr");
  lines.push(`table${n}:`);
  for (let i = 0; i < 1 << bits; i++) lines.push(`.long ${anyBlock()}-table${n}`);
  return lines;
}

/** Scalars and vectors in the same registers, and a look at FPSCR now and then. */
function floatingPoint(random: Random): string[] {
  const [t, a, b] = [1 + random.below(4), 1 + random.below(4), 1 + random.below(4)];
  const at = 8 * random.below(16);
  return random.pick([
    [`fadd ${t},${a},${b}`],
    [`fsub ${t},${a},${b}`],
    [`fmul ${t},${a},${b}`],
    [`fmadds ${t},${a},${b},${t}`],
    [`xsmaddmdp ${t},${a},${b}`],
    [`xvadddp ${t},${a},${b}`],
    [`xxlor ${t},${a},${b}`],
    [`fmr ${t},${a}`],
    [`fcmpu ${random.below(8)},${a},${b}`],
    [`fctidz ${t},${a}`],
    [`fcfid ${t},${a}`],
    [`stfd ${a},${at}(30)`, `lfd ${t},${at}(30)`],
    [`mtvsrd ${t},3`],
    [`mfvsrd 4,${a}`],
    [`mffs ${t}`],
  ]);
}

/** Accesses near each other off one register, some of which change it. */
function runOfAccesses(random: Random): string[] {
  const lines = ["mr 13,30"];
  for (let i = 1 + random.below(5); i >= 0; i--) {
    const at = 8 * (random.below(20) - 10);
    const register = random.chance(0.1) ? 13 : 3 + random.below(8);
    const name = ["ld", "std", "lwz", "stw", "lbz", "sth", "lwa", "lfd", "stdu", "ldu"][random.below(10)] as string;
    const update = name.endsWith("u");
    // Only 13 is known to hold an address.
    if (register === 13 && (update || !name.startsWith("s"))) continue;
    lines.push(`${name} ${register},${at + (update ? 80 : 0)}(13)`);
    if (random.chance(0.2)) lines.push("mr 13,30");
  }
  return lines;
}

test("random control flow runs alike translated and interpreted", () => {
  const seed = Number(process.env.UNIKVM_SEED ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed} (UNIKVM_SEED repeats it)`);
  const random = new Random(seed);
  const machines = {
    pr: new Machine((engines.pr as () => Engine)(), true),
    hv: new Machine((engines.hv as () => Engine)(), true),
  };
  for (let n = 0; n < programs; n++) {
    const text = program(random, 2 + random.below(14));
    const { bytes } = assemble(text, { littleEndian: true, origin: BigInt(origin) });
    const words = [...new Uint32Array(bytes.slice().buffer)];
    const initial = new State();
    for (let r = 3; r < 12; r++) initial.set(offsets.gpr + 8 * r, random.u64());
    for (let r = 1; r < 5; r++) initial.setVsr(r, [double(random), double(random)]);
    if (random.chance(0.5)) initial.set(offsets.fpscr, 0x82000000n);
    initial.set(offsets.gpr + 8 * 30, 0x80000n);
    initial.set(offsets.gpr + 8 * 31, BigInt(fuel[n % fuel.length] as number));
    initial.set(offsets.ctr, BigInt(random.below(1000)));
    const one = { mnemonic: "flow", address: origin, words, initial };
    const [expected, actual] = [machines.pr, machines.hv].map((machine) => {
      machine.prepare([one]);
      const before = machine.executed;
      return { bytes: machine.run(one).bytes, count: machine.executed - before, comeFrom: machine.comeFrom };
    });
    assert.deepEqual(actual, expected, `seed ${seed}, program ${n}:\n${text}`);
  }
});

test("a loop through a jump table stays in its region", () => {
  const text = `
    li 3,0
    lis 4,1
    loop: rldicl 12,4,0,62
    sldi 12,12,2
    bcl 20,31,.+4
    mflr 11
    addi 11,11,table-(.-4)
    lwax 12,11,12
    add 12,12,11
    mtctr 12
    bctr
    table: .long one-table, two-table, three-table, next-table
    one: addi 3,3,1
    b next
    two: addi 3,3,2
    b next
    three: addi 3,3,3
    next: addi 4,4,-1
    cmpdi 4,0
    bgt loop
  `;
  const { bytes } = assemble(text, { littleEndian: true, origin: BigInt(origin) });
  const machine = new Machine((engines.hv as () => Engine)(), true);
  const initial = new State();
  const one = { mnemonic: "table", address: origin, words: [...new Uint32Array(bytes.slice().buffer)], initial };
  machine.prepare([one]);
  const { executed, slices, regionRuns } = machine;
  const state = machine.run(one);
  assert.equal(state.get(offsets.gpr + 8 * 3), BigInt((65536 / 4) * (1 + 2 + 3)));
  assert.ok(machine.executed - executed > 65536 * 12);
  // Its region is entered once in each slice.
  assert.ok(machine.regionRuns - regionRuns <= machine.slices - slices + 2, `${machine.regionRuns - regionRuns} runs`);
});
