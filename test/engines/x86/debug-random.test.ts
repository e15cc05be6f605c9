/**
 * Random programs under random debug registers and single steps: stepped, interpreted and translated they are told of alike, and
 * end as if nothing had been looked at. UNIKVM_SEED draws others, UNIKVM_DRAWS more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Request } from "../../../src/arch/x86/engines/layout.js";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { Random } from "../../differential/random.js";
import { fixed6, on } from "./debug.test-support.js";
import { type Program, program } from "./random-program.js";
import { code, interrupts, System, type Way, ways } from "./system.test-support.js";

const seed = Number(process.env["UNIKVM_SEED"] ?? 20_261_129);
const count = 24 * Number(process.env["UNIKVM_DRAWS"] ?? 1);

const handler = 0x18_0000;
const task = 0xa000;
/** Where #DB is noted: the next place, and then an address, DR6 and RFLAGS each. */
const log = 0x40_0000;
const data = 0x1c_0fc0;
const dataSize = 0x80;
const stack = 0x1f_0000;

interface Case extends Program {
  readonly general: readonly bigint[];
  readonly data: Uint8Array;
  /** DR0 to DR3 and DR7. */
  readonly addresses: readonly bigint[];
  readonly control: bigint;
  readonly steps: boolean;
}

function draw(n: number): Case {
  const random = new Random(seed + n);
  const word = () => (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32));
  const { code: bytes, places } = program(random, BigInt(code), 64);
  const general = Array.from({ length: 16 }, () => word() >> BigInt(random.below(64)));
  general[8] = BigInt(data);
  general[4] = BigInt(stack);
  // One in three has breakpoints on instructions alone, of which is known when they are hit.
  const kinds = n % 3 === 0 ? (["execute"] as const) : (["execute", "write", "access"] as const);
  let control = 0x400;
  const addresses = [0, 1, 2, 3].map((i) => {
    const kind = kinds[random.below(kinds.length)] ?? "execute";
    const size = ([1, 2, 4, 8] as const)[random.below(4)] ?? 1;
    if (random.below(4) > 0) control |= on(i, kind, kind === "execute" ? 1 : size);
    if (kind === "execute") return BigInt(code + (places[random.below(places.length)] ?? 0));
    const at = random.below(6) === 0 ? stack - 8 - random.below(8) : data + random.below(0x68);
    return BigInt(at);
  });
  const contents = Uint8Array.from({ length: dataSize }, () => random.below(256));
  return {
    ...{ code: bytes, places, general, data: contents, addresses, control: BigInt(control >>> 0) },
    steps: random.below(6) === 0,
  };
}

const noting = [
  ...["push rax", "push rbx", `mov ebx, 0x${log.toString(16)}`, "mov rbx, qword ptr [rbx]"],
  ...["mov rax, qword ptr [rsp+0x10]", "mov qword ptr [rbx], rax", "mov rax, dr6", "mov qword ptr [rbx+0x8], rax"],
  ...["mov rax, qword ptr [rsp+0x20]", "mov qword ptr [rbx+0x10], rax", "or rax, 0x10000"],
  ...["mov qword ptr [rsp+0x20], rax", "add rbx, 0x18", `mov eax, 0x${log.toString(16)}`, "mov qword ptr [rax], rbx"],
  ...["mov eax, 0xffff0ff0", "mov dr6, rax", "pop rbx", "pop rax", "iretq"],
];

interface Ran {
  /** Addresses, DR6 and RFLAGS. */
  readonly told: readonly (readonly bigint[])[];
  readonly end: string;
  /** Addresses of all instructions, of one that was stepped. */
  readonly trace: readonly bigint[];
}

const putInto = (processor: System, at: number, bytes: readonly number[] | Uint8Array) =>
  processor.ram(at, bytes.length).set(bytes);

function made(way: Way): System {
  const processor = new System(way);
  let at = handler;
  for (const line of noting) {
    const bytes = assemble(line, 64, BigInt(at));
    putInto(processor, at, bytes);
    at += bytes.length;
  }
  // On a stack of its own, which nothing watches.
  processor.putRam64(task + 36, 0x3_0000n);
  const gate = BigInt(handler & 0xffff) | (8n << 16n) | (0x8e01n << 32n) | (BigInt(handler >> 16) << 48n);
  processor.putRam64(interrupts + 16, gate);
  return processor;
}

function run(one: Case, processor: System, way: Way, armed: boolean): Ran {
  processor.putRam64(log, BigInt(log + 8));
  putInto(processor, code, one.code);
  putInto(processor, data, one.data);
  processor.written(code, one.code.length);
  if (way === "translated") processor.translator.translateNow(one.places.map((place) => BigInt(code + place)));
  for (const [i, value] of one.general.entries()) processor.set64("general", value, i);
  processor.flags = armed && one.steps ? 0x102n : 2n;
  processor.set64("pc", BigInt(code));
  for (const [i, address] of one.addresses.entries()) processor.set64("debug", address, i);
  processor.set64("debug", armed ? one.control : 0x400n, 7);
  processor.set("requests", processor.get("requests") | Request.debug | Request.context);
  processor.set("lastInterrupt", 0);
  const trace: bigint[] = [];
  if (way === "stepped" && !armed) {
    while (processor.get("lastInterrupt") !== 3) {
      trace.push(processor.get64("pc"));
      processor.step();
    }
  }
  assert.equal(processor.end(), 3);
  const noted = (Number(processor.getRam64(log)) - log - 8) / 24;
  const told = Array.from({ length: noted }, (_, i) =>
    [0, 8, 16].map((part) => processor.getRam64(log + 8 + 24 * i + part)),
  );
  const registers = Array.from({ length: 16 }, (_, i) => processor.get64("general", i).toString(16));
  const memory = [...processor.ram(data, dataSize)].join();
  return { told, end: `${registers.join()} ${processor.frame(0).toString(16)} ${memory}`, trace };
}

test("random programs are told of alike, and end alike", () => {
  const processors = ways.map((way) => [way, made(way)] as const);
  const [[, stepped]] = processors as [(typeof processors)[number]];
  let told = 0;
  for (let n = 0; n < count; n++) {
    const one = draw(n);
    const plain = run(one, stepped, "stepped", false);
    const [first, ...others] = processors.map(([way, processor]) => run(one, processor, way, true));
    assert.ok(first);
    told += first.told.length;
    for (const [i, other] of others.entries()) {
      assert.deepEqual(other.told, first.told, `UNIKVM_SEED=${seed + n}, ${ways[i + 1]}`);
      assert.equal(other.end, first.end, `UNIKVM_SEED=${seed + n}, ${ways[i + 1]}`);
    }
    assert.equal(first.end, plain.end, `UNIKVM_SEED=${seed + n}`);
    if (n % 3 !== 0 || one.steps) continue;
    const enabled = one.addresses.map((address, i) => ((one.control >> BigInt(2 * i)) & 3n ? address : undefined));
    const expected = plain.trace.flatMap((pc) => {
      const matched = enabled.reduce<bigint>((all, address, i) => (address === pc ? all | (1n << BigInt(i)) : all), 0n);
      return matched === 0n ? [] : [[pc, fixed6 | matched]];
    });
    assert.deepEqual(
      first.told.map(([pc, dr6]) => [pc, dr6]),
      expected,
      `UNIKVM_SEED=${seed + n}`,
    );
  }
  assert.ok(told > count);
  assert.ok((processors.at(-1)?.[1].regionRuns ?? 0) > count);
});
