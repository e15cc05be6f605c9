/**
 * Random x86 programs - loops, branches, calls, flags that go from one instruction to a later one - against the processor
 * itself: stepped, in the core, translated at their beginning and everywhere. UNIKVM_SEED draws others, UNIKVM_DRAWS more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { registerName } from "../../../src/arch/x86/isa/registers.js";
import { Random } from "../../differential/random.js";
import { base, extent, X86Machine } from "./machine.js";
import { type Case, complaint, dataAt, dataSize, type Found, native } from "./native.js";

const seed = Number(process.env["UNIKVM_SEED"] ?? 20_261_128);
const count = 24 * Number(process.env["UNIKVM_DRAWS"] ?? 1);
const skip = complaint() ?? false;

/** AF after logic and shifts is undefined, and no program here looks at it. */
const compared = 0x8c5n;
const sizes = [8, 16, 32, 64] as const;
const pointers = { 8: "byte", 16: "word", 32: "dword", 64: "qword" } as const;
const conditions = "o no b ae e ne be a s ns p np l ge le g".split(" ");
/** What programs compute with; R8 points to data, R14 and R15 count. */
const free = [0, 1, 2, 3, 6, 7, 9, 10, 11, 12, 13];

interface Program {
  readonly code: number[];
  /** Offsets of its instructions. */
  readonly places: number[];
}

function program(random: Random, at: bigint): Program {
  const code: number[] = [];
  const places: number[] = [];
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const here = () => at + BigInt(code.length);
  const emit = (text: string) => {
    places.push(code.length);
    code.push(...assemble(text, 64, here()));
  };
  /** A jump of 32 bits, to be told where to. */
  const jump = (...opcode: number[]) => {
    places.push(code.length);
    code.push(...opcode, 0, 0, 0, 0);
    return code.length;
  };
  const land = (end: number, target = code.length) => {
    for (let i = 0; i < 4; i++) code[end - 4 + i] = ((target - end) >> (8 * i)) & 0xff;
  };
  const register = (size: number) => registerName(pick(free), size);
  const memory = (size: 8 | 16 | 32 | 64) => `${pointers[size]} ptr [r8+0x${random.below(0x60).toString(16)}]`;
  const plain = () => {
    const size = pick(sizes);
    const either = () => (random.below(3) === 0 ? memory(size) : register(size));
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2: {
        const name = pick(["add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test", "mov"]);
        if (random.below(2)) emit(`${name} ${either()}, ${register(size)}`);
        else emit(`${name} ${either()}, 0x${random.below(0x80).toString(16)}`);
        break;
      }
      case 3:
        emit(`${pick(["inc", "dec", "neg", "not"])} ${either()}`);
        break;
      case 4:
        emit(`${pick(["shl", "shr", "sar", "rol", "ror", "rcl", "rcr"])} ${either()}, 1`);
        break;
      case 5:
        emit(`set${pick(conditions)} ${random.below(3) === 0 ? memory(8) : register(8)}`);
        break;
      case 6: {
        const wide = pick([16, 32, 64] as const);
        emit(`cmov${pick(conditions)} ${register(wide)}, ${random.below(3) === 0 ? memory(wide) : register(wide)}`);
        break;
      }
      case 7:
        emit(`${pick(["movzx", "movsx"])} ${register(pick([32, 64]))}, ${random.below(2) ? memory(16) : register(8)}`);
        break;
      case 8:
        emit(`lea ${register(64)}, [${register(64)}+${register(64)}*${pick([1, 2, 4, 8])}-0x35]`);
        break;
      case 9:
        emit(`${pick(["xchg", "xadd", "cmpxchg"])} ${either()}, ${register(size)}`);
        break;
      case 10:
        emit(`push ${register(64)}`);
        emit(`pop ${register(64)}`);
        break;
      default:
        emit(`${pick(["popcnt", "bsf", "mov"])} ${register(64)}, ${memory(64)}`);
        // What bsf leaves undefined is not looked at.
        emit(`add ${register(32)}, ${register(32)}`);
    }
  };
  const calls: number[] = [];
  const some = (depth: number): void => {
    for (let i = 2 + random.below(4); i > 0; i--) {
      switch (random.below(5)) {
        case 0: {
          const end = jump(0x0f, 0x80 + random.below(16));
          some(depth + 1);
          land(end);
          break;
        }
        case 1: {
          if (depth > 1) break;
          const counter = depth === 0 ? "r14" : "r15";
          emit(`mov ${counter}, 0x${(2 + random.below(depth === 0 ? 30 : 8)).toString(16)}`);
          const again = code.length;
          if (depth === 0 && code.length < 300) some(1);
          plain();
          emit(`sub ${counter}, 1`);
          land(jump(0x0f, 0x85), again);
          break;
        }
        case 2:
          calls.push(jump(0xe8));
          break;
        default:
          plain();
      }
      if (code.length > 600) return;
    }
  };
  for (let i = 0; i < 3; i++) some(0);
  code.push(0xcc);
  const functions = [0, 1].map(() => {
    const start = code.length;
    for (let i = random.below(4); i >= 0; i--) plain();
    emit("ret");
    return start;
  });
  for (const end of calls) land(end, functions[random.below(2)]);
  return { code, places };
}

function sumOf(image: Uint8Array): number {
  let sum = 0;
  for (const word of new Uint32Array(image.buffer)) sum = Math.imul(sum ^ word, 16777619);
  return sum >>> 0;
}

test("programs do what they do on the processor, stepped, in the core and translated", { skip }, () => {
  const drawn = Array.from({ length: count }, (_, n): Case & Program => {
    const random = new Random(seed + n);
    const word = () => (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32));
    // Over the end of a page.
    const pc = base + 0x4f80n + BigInt(random.below(0x80));
    const { code, places } = program(random, pc);
    const general = Array.from({ length: 16 }, () => word() >> BigInt(random.below(64)));
    general[8] = dataAt + 0x1c0n;
    general[4] = dataAt + 0x300n;
    const data = Uint8Array.from({ length: dataSize }, () => random.below(256));
    return { code, places, pc, general, flags: (word() & compared) | 0x202n, data, program: true };
  });
  const judged = native(drawn);
  const wrong: string[] = [];
  const machine = new X86Machine();
  drawn.forEach((one, n) => {
    const theirs = judged[n] as Found;
    const image = new Uint8Array(extent).fill(0xcc);
    image.set(one.code, Number(one.pc - base));
    image.set(one.data, Number(dataAt - base));
    const run = (way: string, prepare: (m: X86Machine) => void, step = false) => {
      machine.image = image;
      machine.registers = one;
      prepare(machine);
      const ours = machine.run(one.pc, step, true);
      const said = ours.general.flatMap((value, i) =>
        value === theirs.general[i]
          ? []
          : [`${registerName(i, 64)} ${theirs.general[i]?.toString(16)}, here ${value.toString(16)}`],
      );
      if (theirs.vector !== ours.vector || theirs.pc !== ours.pc)
        said.push(`end ${theirs.pc.toString(16)}, here ${ours.pc.toString(16)}`);
      if (((theirs.flags ^ ours.flags) & compared) !== 0n)
        said.push(`flags ${theirs.flags.toString(16)}, here ${ours.flags.toString(16)}`);
      if (sumOf(machine.image) !== theirs.sum) said.push("memory");
      if (said.length > 0) wrong.push(`UNIKVM_SEED=${seed + n} ${way}: ${said.join("; ")}`);
    };
    run("stepped", () => {}, true);
    run("core", () => {});
    run("translated at its beginning", (m) => m.translate([one.pc]));
    run("translated everywhere", (m) => m.translate(one.places.map((place) => one.pc + BigInt(place))));
  });
  assert.deepEqual(wrong.slice(0, 8), []);
  assert.ok(machine.regionRuns > count);
});
