/**
 * Instructions with LOCK, and XCHG, on memory that three processors work on at the same time: nothing gets lost. Interpreted and
 * translated.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { ExitCode } from "../../../src/arch/x86/engines/layout.js";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { Processor, sharedMemory } from "./processor.js";

const ramSize = 0x40_0000;
const code = 0x10_0000;
const data = 0x20_0000;
const processors = 3;
/** Long enough that they meet: what is translated is ten times as quick. */
const roundsOf = (translate: boolean) => (translate ? 1_000_000n : 100_000n);

/** Each round adds 1, the processor's number or its own bit somewhere; RBX is a bit of its own, RSI a number. */
const program = [
  "lock inc qword ptr [rdi]",
  "lock add dword ptr [rdi+0x8], 0x3",
  "mov eax, 0x1",
  "lock xadd word ptr [rdi+0x10], ax",
  "stc",
  "lock adc qword ptr [rdi+0x18], 0x1",
  "lock sub byte ptr [rdi+0x20], 0x1",
  "lock xor qword ptr [rdi+0x28], rbx",
  "lock neg qword ptr [rdi+0x30]",
  "lock not dword ptr [rdi+0x38]",
  "lock btc qword ptr [rdi+0x40], rsi",
];
function machine() {
  const memory = sharedMemory(ramSize, processors);
  const p = new Processor(ramSize, { translate: false, beside: { memory, index: 0, count: processors } });
  // 2 MiB pages, where they are.
  p.putRam64(0x1000, 0x2003n);
  p.putRam64(0x2000, 0x3003n);
  p.putRam64(0x3000, 0x83n);
  p.putRam64(0x3008, 0x20_0083n);
  return { memory, p };
}

interface Where {
  /** Where RDI leads to. */
  readonly data: number;
  readonly rounds: bigint;
}

async function runAll(
  memory: WebAssembly.Memory,
  translate: boolean,
  where: Where = { data, rounds: roundsOf(translate) },
): Promise<void> {
  const threads = Array.from({ length: processors }, (_, index) => {
    const beside = { memory, index, count: processors };
    const general = [
      [7, BigInt(where.data)],
      [3, 1n << BigInt(index)],
      [6, BigInt(40 + index)],
      [15, where.rounds],
      [4, BigInt(data + 0x1_0000 * (index + 1))],
    ];
    const worker = new Worker(new URL("lock-thread.js", import.meta.url), {
      workerData: { beside, ramSize, translate, pc: BigInt(code), general },
    });
    return once(worker, "message") as Promise<[{ exit: number; regions: number }]>;
  });
  for (const [{ exit, regions }] of await Promise.all(threads)) {
    assert.equal(exit, ExitCode.halt);
    assert.equal(regions > 0, translate);
  }
}

function write(p: Processor, lines: readonly (string | readonly number[])[]): void {
  // All begin together: lock inc [rdi+0x78]; wait: pause; cmp [rdi+0x78], 3; jb wait.
  const bytes = [0xf0, 0xff, 0x47, 0x78, 0xf3, 0x90, 0x83, 0x7f, 0x78, processors, 0x72, 0xf8];
  const begin = bytes.length;
  for (const line of lines) {
    bytes.push(...(typeof line === "string" ? assemble(line, 64, BigInt(code + bytes.length)) : line));
  }
  bytes.push(...assemble("sub r15, 1", 64, 0n));
  // jnz to the beginning; hlt.
  const back = begin - (bytes.length + 6);
  bytes.push(0x0f, 0x85, back & 0xff, (back >> 8) & 0xff, (back >> 16) & 0xff, (back >> 24) & 0xff, 0xf4);
  p.ram(code, bytes.length).set(bytes);
}

for (const translate of [false, true]) {
  const way = translate ? "translated" : "interpreted";
  test(`what LOCK does to memory nobody else undoes, ${way}`, async () => {
    const { memory, p } = machine();
    write(p, program);
    p.putRam64(data + 0x30, 5n);
    await runAll(memory, translate);
    const all = BigInt(processors) * roundsOf(translate);
    const at = (offset: number) => p.getRam64(data + offset);
    assert.deepEqual([at(0), at(8), at(0x10), at(0x18)], [all, 3n * all, all & 0xffffn, 2n * all]);
    assert.deepEqual([at(0x20), at(0x28), at(0x30)], [-all & 0xffn, 0n, 5n]);
    assert.deepEqual([at(0x38), at(0x40)], [0n, 0n]);
  });

  test(`what LOCK does where there is code, too, nobody else undoes, ${way}`, async () => {
    const { memory, p } = machine();
    const inPage = 0x800;
    write(p, [
      "lock inc qword ptr [rdi+0x80]",
      "lock add dword ptr [rdi+0x88], 0x3",
      "mov eax, 0x1",
      "lock xadd word ptr [rdi+0x90], ax",
      "lock sub byte ptr [rdi+0x98], 0x1",
    ]);
    const rounds = 20_000n;
    await runAll(memory, translate, { data: code + inPage, rounds });
    const all = BigInt(processors) * rounds;
    const at = (offset: number) => p.getRam64(code + inPage + offset);
    assert.deepEqual([at(0x80), at(0x88), at(0x90), at(0x98)], [all, 3n * all, all & 0xffffn, -all & 0xffn]);
  });

  test(`nor what is not aligned: in 8 bytes and over their end, ${way}`, async () => {
    const { memory, p } = machine();
    write(p, [
      "lock inc dword ptr [rdi+0x1]",
      // Beside it, in the same 8 bytes and aligned, somebody else counts.
      "lock inc byte ptr [rdi+0x6]",
      "lock add word ptr [rdi+0xb], 0x3",
      "lock inc qword ptr [rdi+0x14]",
      // Its half alone.
      "lock add dword ptr [rdi+0x18], 0x2",
      "lock inc dword ptr [rdi+0x1d]",
      "mov eax, 0x1",
      "lock xadd word ptr [rdi+0x27], ax",
      "lock xor qword ptr [rdi+0x33], rbx",
    ]);
    await runAll(memory, translate);
    const all = BigInt(processors) * roundsOf(translate);
    const at = (offset: number, size: number) =>
      BigInt.asUintN(8 * size, Buffer.from(p.ram(data + offset, 8)).readBigUInt64LE());
    assert.deepEqual([at(1, 4), at(6, 1), at(0xb, 2)], [all, all & 0xffn, (3n * all) & 0xffffn]);
    assert.equal(at(0x14, 8), all + ((2n * all) << 32n));
    assert.deepEqual([at(0x1d, 4), at(0x27, 2), at(0x33, 8)], [all, all & 0xffffn, 0n]);
    assert.deepEqual([at(0, 1), at(5, 1), at(7, 4), at(0xd, 4)], [0n, 0n, 0n, 0n]);
  });

  test(`nor what lies over the end of a page, with code in either, ${way}`, async () => {
    const page = 0x1000;
    const rounds = 20_000n;
    // From code's page and from one without code into the next, a carry every 256 rounds; into code's page, whose first byte stays.
    for (const [border, before] of [
      [code + page, 1],
      [data + page, 1],
      [code, 7],
    ] as const) {
      const { memory, p } = machine();
      write(p, [`lock inc qword ptr [rdi-0x${before}]`]);
      const read = () => Buffer.from(p.ram(border - 8, 16));
      const wanted = read();
      await runAll(memory, translate, { data: border, rounds });
      const at = 8 - before;
      wanted.writeBigUInt64LE(wanted.readBigUInt64LE(at) + BigInt(processors) * rounds, at);
      assert.deepEqual(read(), wanted, `over ${border.toString(16)}`);
    }
  });

  test(`a lock that CMPXCHG takes, and one that XCHG takes, let one in, ${way}`, async () => {
    const { memory, p } = machine();
    write(p, [
      // take: xor eax, eax; lock cmpxchg [rdi], rbx; jnz take
      [0x31, 0xc0, 0xf0, 0x48, 0x0f, 0xb1, 0x1f, 0x75, 0xf7],
      "add qword ptr [rdi+0x8], 0x1",
      "mov qword ptr [rdi], 0x0",
      // take: mov eax, 1; xchg [rdi+0x40], eax; test eax, eax; jnz take
      [0xb8, 1, 0, 0, 0, 0x87, 0x47, 0x40, 0x85, 0xc0, 0x75, 0xf4],
      "add qword ptr [rdi+0x48], 0x1",
      "mov dword ptr [rdi+0x40], 0x0",
    ]);
    await runAll(memory, translate);
    const all = BigInt(processors) * roundsOf(translate);
    assert.deepEqual([p.getRam64(data + 8), p.getRam64(data + 0x48)], [all, all]);
  });

  test(`16 bytes that CMPXCHG16B exchanges are one number, whoever counts in a half of them, ${way}`, async () => {
    const { memory, p } = machine();
    write(p, [
      // again: mov rax, [rdi]; mov rdx, [rdi+8]; lea rbx, [rax+1]; lea rcx, [rdx+3]; lock cmpxchg16b [rdi]; jnz again
      [0x48, 0x8b, 0x07, 0x48, 0x8b, 0x57, 0x08, 0x48, 0x8d, 0x58, 0x01, 0x48, 0x8d, 0x4a, 0x03],
      [0xf0, 0x48, 0x0f, 0xc7, 0x0f, 0x75, 0xea],
      "lock inc qword ptr [rdi+0x8]",
      // The same of a half alone: again: mov rax, [rdi+0x40]; mov rdx, [rdi+0x48]; mov rbx, rax; lea rcx, [rdx+1]; ...
      [0x48, 0x8b, 0x47, 0x40, 0x48, 0x8b, 0x57, 0x48, 0x48, 0x89, 0xc3, 0x48, 0x8d, 0x4a, 0x01],
      [0xf0, 0x48, 0x0f, 0xc7, 0x4f, 0x40, 0x75, 0xe9],
    ]);
    const rounds = 100_000n;
    await runAll(memory, translate, { data, rounds });
    const all = BigInt(processors) * rounds;
    assert.deepEqual([p.getRam64(data), p.getRam64(data + 8)], [all, 4n * all]);
    assert.deepEqual([p.getRam64(data + 0x40), p.getRam64(data + 0x48)], [0n, all]);
  });
}
