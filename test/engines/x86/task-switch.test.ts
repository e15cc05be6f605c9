/** Switches of tasks by the processor, from the manuals: what is kept, what is begun with, and what is refused where. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ExitCode } from "../../../src/arch/x86/engines/layout.js";
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { Processor } from "./processor.js";

const ways = ["stepped", "interpreted", "translated"] as const;
type Way = (typeof ways)[number];

const ram = 4 << 20;
const [gdt, idt, directory, code, other, trap] = [0x6000, 0x8000, 0x9000, 0x1_0000, 0x1_4000, 0xc000];
/** Tasks' segments: what runs, what it goes to, what takes #TS. */
const tasks = { main: 0x2_0000, next: 0x2_1000, handler: 0x2_2000 } as const;
const selector = { code: 0x08, data: 0x10, main: 0x18, next: 0x20, handler: 0x28, gate: 0x30, short: 0x38 } as const;
const place32 = { back: 0, cr3: 0x1c, eip: 0x20, flags: 0x24, eax: 0x28, esp: 0x38, es: 0x48, ldt: 0x60 } as const;
const registers = [0x101, 0x202, 0x303, 0x404, 0x3_0000, 0x606, 0x707, 0x808] as const;
const nestedTask = 0x4000;
const [invalidTask, notPresent, protection] = [10, 11, 13];

class Tasks extends Processor {
  readonly #way: Way;

  constructor(way: Way) {
    super(ram, { translate: way === "translated" });
    this.#way = way;
    const task = (base: number, type: number, limit = 0x67) =>
      BigInt(limit) | (BigInt(base & 0xffff) << 16n) | (BigInt(base >> 16) << 32n) | (BigInt(type) << 40n);
    const flat = [0n, 0x00cf9b000000ffffn, 0x00cf93000000ffffn];
    const all = [...flat, task(tasks.main, 0x8b), task(tasks.next, 0x89), task(tasks.handler, 0x89)];
    const more = [(0xe5n << 40n) | (BigInt(selector.next) << 16n), task(tasks.next, 0x89, 0x66)];
    for (const [i, one] of [...all, ...more].entries()) this.putRam64(gdt + 8 * i, one);
    // What a switch does not keep.
    this.word(tasks.main + place32.cr3, directory);
    for (const name of ["next", "handler"] as const) {
      const at = tasks[name];
      this.word(at + place32.cr3, directory);
      this.word(at + place32.eip, name === "next" ? other : trap);
      this.word(at + place32.flags, 0x2);
      for (const [i, value] of registers.entries()) this.word(at + place32.eax + 4 * i, value);
      for (let i = 0; i < 6; i++)
        this.word(at + place32.es + 4 * i, i === 1 ? selector.code : i < 4 ? selector.data : 0);
    }
    for (let vector = 0; vector < 32; vector++) {
      this.putRam64(idt + 8 * vector, BigInt(trap + vector) | (BigInt(selector.code) << 16n) | (0x8e00n << 32n));
    }
    this.ram(trap, 0x40).fill(0xf4);
    this.putGate(invalidTask, selector.handler);
    this.word(directory, 0x83);
    this.set64("features", -1n);
    this.set64("debug", 0xffff_0ff0n, 6);
    this.set64("debug", 0x400n, 7);
    this.set64("control", 0x8000_0011n, 0);
    this.set64("control", BigInt(directory), 3);
    this.set64("control", 0x10n, 4);
    this.setMsr("efer", 0n);
    this.set("cpl", 0);
    for (let i = 0; i < 6; i++) {
      this.setSegment(i, i === 1 ? selector.code : selector.data, 0n, 0xffff_ffff, i === 1 ? 0xc09b : 0xc093);
    }
    this.setSegment(8, selector.main, BigInt(tasks.main), 0x67, 0x8b);
    this.set64("gdtBase", BigInt(gdt));
    this.set("gdtLimit", 0x7f);
    this.set64("idtBase", BigInt(idt));
    this.set("idtLimit", 0xff);
    this.flags = 2n;
    this.reset();
  }

  word(at: number, value?: number): number {
    const view = new DataView(this.ram(at, 4).buffer, this.ram(at, 4).byteOffset);
    if (value !== undefined) view.setUint32(0, value, true);
    return view.getUint32(0, true);
  }

  putGate(vector: number, to: number): void {
    this.putRam64(idt + 8 * vector, (BigInt(to) << 16n) | (0x8500n << 32n));
  }

  /** Puts code there; where each line begins. */
  put(at: number, lines: readonly (string | readonly number[])[]): number[] {
    let to = at;
    const places = lines.map((line) => {
      const bytes = typeof line === "string" ? assemble(line, 32, BigInt(to)) : Uint8Array.from(line);
      this.ram(to, bytes.length).set(bytes);
      to += bytes.length;
      return to - bytes.length;
    });
    this.ram(to, 1)[0] = 0xf4;
    this.written(at, to - at + 1);
    return places;
  }

  /** From `code` to a HLT: where it stands. `hot`: where regions begin. */
  go(hot = code): number {
    if (this.#way === "translated") this.translator.translateNow([BigInt(code), BigInt(hot)]);
    this.set64("pc", BigInt(code));
    this.set64("general", 0x2_f000n, 4);
    for (let i = 0; i < 200_000; i++) {
      const exit = this.#way === "stepped" ? this.step() : this.run(100);
      if (exit === ExitCode.halt) return Number(this.get64("pc")) - 1;
      assert.equal(exit, ExitCode.none, `it left at 0x${this.get64("pc").toString(16)}`);
    }
    throw new Error("it does not end");
  }

  get task(): number {
    return this.get("selector", 8);
  }

  /** The byte of a task's descriptor that says whether it is busy. */
  isBusy(which: number): boolean {
    return (this.word(gdt + which + 4) & 0x200) !== 0;
  }
}

/** JMP and CALL to another segment. */
const far = (opcode: 0xea | 0x9a, to: number): number[] => [opcode, 0, 0, 0, 0, to, 0];

for (const way of ways) {
  test(`${way}: a page fault in a loop begins a task, and its IRET goes on with all registers as they were`, () => {
    const m = new Tasks(way);
    const rounds = way === "stepped" ? 60 : 30_000;
    // It is read up to the end of what is mapped, where the task gate's task maps more.
    m.putGate(14, selector.next);
    const begin = [`mov ebx, 0x${(ram - 4 * rounds).toString(16)}`, "xor esi, esi", "xor edi, edi", "mov ebp, 0x55"];
    const loop = ["add esi, 0x1", "mov edx, esi", "add edi, edx", "mov eax, dword ptr [ebx]"];
    const places = m.put(code, [...begin, ...loop]);
    const [first, access] = [places[4] as number, places[7] as number];
    m.put(access + 2, ["add ebx, 0x4", `cmp ebx, 0x${(ram + 8).toString(16)}`, `jne 0x${first.toString(16)}`]);
    m.put(other, ["pop ebp", `mov dword ptr [0x${(directory + 4).toString(16)}], 0x83`, [0xcf], "pop ebp"]);
    // Once more behind its IRET, for a second fault.
    for (const round of [1, 2]) {
      m.word(directory + 4, 0);
      m.set64("control", BigInt(directory), 3);
      m.reset();
      const end = m.go(first);
      assert.equal(m.task, selector.main);
      // In the midst of a region, which holds registers of its own.
      if (way === "translated") assert.ok(m.regionRuns > 0);
      assert.equal(end, access + 2 + 3 + 6 + 2 + (m.ram(access + 13, 1)[0] === 0xf4 ? 0 : 4));
      const total = rounds + 2;
      const sum = BigInt.asUintN(32, (BigInt(total) * BigInt(total + 1)) / 2n);
      const at = (register: number) => m.get64("general", register);
      assert.deepEqual([at(6), at(7), at(5), at(3), at(4)], [BigInt(total), sum, 0x55n, BigInt(ram + 8), 0x2_f000n]);
      assert.equal(m.get64("control", 2), BigInt(ram));
      // What was kept when it faulted: in the middle, before the access.
      const kept = (place: number) => m.word(tasks.main + place);
      assert.deepEqual(
        [kept(place32.eip), kept(place32.eax + 4 * 6), kept(place32.eax + 4 * 3), kept(place32.es)],
        [access, rounds + 1, ram, selector.data],
      );
      // The other's: what it had popped is the error code; it is not busy, NT is clear.
      const left = (place: number) => m.word(tasks.next + place);
      if (round === 1) assert.deepEqual([left(place32.eax + 4 * 5), left(place32.back)], [0, selector.main]);
      assert.equal(left(place32.eax), registers[0]);
      assert.equal(left(place32.flags) & nestedTask, 0);
      assert.deepEqual([m.isBusy(selector.main), m.isBusy(selector.next)], [true, false]);
      assert.equal(m.get64("control", 0) & 8n, 8n, "the floating-point unit's state is another task's");
      if (round === 2) break;
      // The task begins where it was left.
      m.word(tasks.next + place32.eax + 16, registers[4]);
      m.put(other, ["pop ebp", `mov dword ptr [0x${(directory + 4).toString(16)}], 0x83`, [0xcf]]);
      m.word(tasks.next + place32.eip, other);
    }
  });

  test(`${way}: JMP and CALL to a task and to a task gate`, () => {
    for (const [opcode, to] of [
      [0xea, selector.next],
      [0x9a, selector.next],
      [0xea, selector.gate],
      [0x9a, selector.gate],
    ] as const) {
      const m = new Tasks(way);
      const calls = opcode === 0x9a;
      m.put(other, ["mov edx, esi"]);
      const [, , after] = m.put(code, ["mov esi, 0x77", far(opcode, to), "nop"]);
      assert.equal(m.go(), other + 2);
      assert.equal(m.task, selector.next);
      assert.equal(m.get64("general", 2), BigInt(registers[6]));
      assert.equal(m.get64("general", 4), BigInt(registers[4]));
      assert.deepEqual([m.isBusy(selector.main), m.isBusy(selector.next)], [calls, true]);
      assert.equal(m.word(tasks.main + place32.eip), after);
      assert.equal(m.word(tasks.main + place32.eax + 24), 0x77);
      assert.equal(m.word(tasks.next + place32.back), calls ? selector.main : 0);
      assert.equal(Number(m.flags) & nestedTask, calls ? nestedTask : 0);
    }
  });

  test(`${way}: tasks of 16 bits, and of virtual-8086 mode`, () => {
    const m = new Tasks(way);
    m.putRam64(gdt + selector.next, 0x0000_8102_1000_002bn);
    const words = [
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      other - 0x1_0000,
      2,
      ...registers.map((one) => one & 0xffff),
      0x10,
      8,
      0x10,
      0x10,
    ];
    for (const [i, one] of words.entries()) m.ram(tasks.next + 2 * i, 2).set([one & 0xff, one >> 8]);
    // Its code is 64 KiB further on.
    m.putRam64(gdt + 8, 0x00cf9b010000ffffn);
    m.put(other, ["mov edx, esi"]);
    m.set64("general", 0xffff_ffffn, 6);
    m.put(code, [far(0xea, selector.next)]);
    assert.equal(m.go(), other + 2);
    assert.deepEqual([m.get64("general", 2), m.get("selector", 4)], [BigInt(registers[6]), 0]);

    const v = new Tasks(way);
    v.word(tasks.next + place32.flags, 0x2_0002);
    v.word(tasks.next + place32.eip, 0x10);
    for (let i = 0; i < 6; i++) v.word(tasks.next + place32.es + 4 * i, 0x1400 + i);
    v.word(directory, 0x87);
    // HLT is not for a program.
    v.ram(0x1_4020, 1)[0] = 0xf4;
    v.putGate(protection, selector.handler);
    v.put(code, [far(0xea, selector.next)]);
    assert.equal(v.go(), trap);
    assert.equal(v.word(tasks.next + place32.eip), 0x10);
    assert.deepEqual(
      [0, 1, 5].map((i) => v.word(tasks.next + place32.es + 4 * i) & 0xffff),
      [0x1400, 0x1401, 0x1405],
    );
    assert.equal(v.word(tasks.next + place32.flags) & 0x2_0000, 0x2_0000);
  });

  test(`${way}: what is no task to be switched to is refused in the old one, and what it cannot have in the new one`, () => {
    const jump = far(0xea, selector.next);
    const descriptorByte = (m: Tasks, value: number) => void m.ram(gdt + selector.next + 5, 1).fill(value);
    const put = (place: number, value: number) => (m: Tasks) => void m.word(tasks.next + place, value);
    const rows: readonly (readonly [string, readonly number[], (m: Tasks) => void, number, number, number])[] = [
      ["itself", far(0xea, selector.main), () => undefined, protection, selector.main, selector.main],
      ["of an inner level", far(0xea, selector.next | 3), () => undefined, protection, selector.next, selector.main],
      ["absent", jump, (m) => descriptorByte(m, 0x09), notPresent, selector.next, selector.main],
      ["too short", far(0x9a, selector.short), () => undefined, invalidTask, selector.short, selector.main],
      [
        "a local one",
        far(0xea, selector.gate),
        (m) => void m.ram(gdt + selector.gate + 2, 1).fill(0x24),
        protection,
        0x24,
        selector.main,
      ],
      [
        "no task",
        far(0xea, selector.gate),
        (m) => void m.ram(gdt + selector.gate + 2, 1).fill(0x10),
        protection,
        0x10,
        selector.main,
      ],
      [
        "back to what is not busy",
        [0xcf],
        (m) => {
          m.flags = 0x4002n;
          m.word(tasks.main, selector.next);
        },
        invalidTask,
        selector.next,
        selector.main,
      ],
      ["CS of data", jump, put(place32.es + 4, selector.data), invalidTask, selector.data, selector.next],
      ["no SS", jump, put(place32.es + 8, 0), invalidTask, 0, selector.next],
      ["SS of code", jump, put(place32.es + 8, selector.code), invalidTask, selector.code, selector.next],
      ["DS of a system segment", jump, put(place32.es + 12, selector.main), invalidTask, selector.main, selector.next],
      ["GS beyond the table", jump, put(place32.es + 20, 0x88), invalidTask, 0x88, selector.next],
      ["a local table that is none", jump, put(place32.ldt, selector.data), invalidTask, selector.data, selector.next],
    ];
    for (const [name, lines, set, vector, error, where] of rows) {
      const m = new Tasks(way);
      m.putGate(vector, selector.handler);
      m.put(code, [lines]);
      set(m);
      m.reset();
      assert.equal(m.go(), trap, name);
      // The handler's task was begun from the one that it happened in.
      assert.equal(m.task, selector.handler, name);
      assert.equal(m.word(tasks.handler), where, name);
      assert.equal(m.word(Number(m.get64("general", 4))), error, name);
      assert.equal(m.get64("general", 4), BigInt(registers[4] - 4), name);
    }
    // Of a table of descriptors that no longer has the present one, nothing is written.
    const less = new Tasks(way);
    less.putRam64(gdt + 8, less.getRam64(gdt + selector.next));
    less.set("gdtLimit", 0xf);
    less.putRam64(0, 0n);
    less.putGate(invalidTask, 0);
    less.put(code, [far(0xea, 0x08)]);
    less.word(tasks.next + place32.es + 4, 0);
    less.reset();
    assert.throws(() => less.go(), /it left/, "nor is there anything to go on with");
    assert.equal(less.getRam64(0), 0n);
    // One that ends where nothing is mapped: nothing has been switched, or kept.
    const m = new Tasks(way);
    m.putRam64(gdt + selector.next, 0x0000_893f_fff0_0067n);
    m.put(code, [jump]);
    m.reset();
    assert.equal(m.go(), trap + 14, "a task's segment that is not mapped");
    assert.equal(m.task, selector.main);
    assert.deepEqual([m.word(tasks.main + place32.eip), m.isBusy(selector.next)], [0, false]);
  });
}
