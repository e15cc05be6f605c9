/**
 * The engine is neutral: a processor that has nothing of POWER's (instructions of 1 to 6 bytes over page ends, registers of its
 * own, pages of 4 KiB) runs through the same interpreter, translator and run-time library, by what this folder says of it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../../differential/random.js";
import { encode } from "./isa.js";
import { devicePage, type Outcome, TinyMachine } from "./machine.js";
import { Exit } from "./target.js";

const data = 0x8000n;

test("a loop over a page's end, an instruction and an access with their halves in two pages", () => {
  // Sums 1 to 100; `ldi` stands over the end of page 0, the store over that of page 8.
  const code = [
    ...encode("ldi", { a: 1, immediate: 100 }),
    ...encode("ldi", { a: 2, immediate: 0 }),
    ...encode("ldi", { a: 3, immediate: Number(data) + 0xffc }),
    ...encode("add", { a: 2, b: 1 }),
    ...encode("djnz", { a: 1, immediate: -2 }),
    ...encode("st8", { a: 2, b: 3 }),
    ...encode("ld4", { a: 4, b: 3, immediate: 2 }),
    ...encode("halt"),
  ];
  for (const start of [0x100n, 0x1000n - 7n, 0x1000n - 16n, 0x1000n - 19n, 0x1000n - 22n]) {
    const m = new TinyMachine();
    m.write(start, code);
    const stepped = m.run(start, { step: true });
    assert.equal(stepped.registers[2], 5050n);
    assert.equal(stepped.exit, Exit.halt);
    assert.equal(stepped.pc, start + BigInt(code.length - 1));
    assert.deepEqual(m.run(start), stepped, "interpreted");
    m.translate([start, start + 15n]);
    assert.ok(m.regions > 0);
    assert.deepEqual(m.run(start), stepped, "translated");
    assert.ok(m.regionRuns > 0);
  }
});

test("an instruction may begin inside another", () => {
  const m = new TinyMachine();
  // Jumps into its own operand: 0x02 is a nop, 0x41 in the next byte an addi.
  const code = [...encode("jmp", { immediate: 4 }), ...encode("ldi", { a: 2, immediate: 0 }), ...encode("halt")];
  code[3 + 1] = 0x02;
  code[3 + 2] = 0x02;
  m.write(0x40n, code);
  const first = m.run(0x40n, { step: true });
  assert.equal(first.exit, Exit.halt);
  m.translate([0x40n, 0x43n, 0x44n]);
  assert.deepEqual(m.run(0x40n), first);
});

test("what is no instruction, and what is not there, stops the processor where it stands", () => {
  for (const [bytes, exit] of [
    [[0xff], Exit.illegal],
    [encode("ld8", { a: 1, b: 7 }), Exit.pageFault],
    [encode("jr", { a: 7 }), Exit.pageFault],
  ] as const) {
    for (const translated of [false, true]) {
      const m = new TinyMachine();
      m.write(0x200n, [...encode("add", { a: 1, b: 1 }), ...bytes]);
      if (translated) m.translate([0x200n]);
      const { registers, exit: why, pc } = m.run(0x200n, { registers: [0n, 21n, 0n, 0n, 0n, 0n, 0n, 1n << 40n] });
      assert.equal(why, exit);
      assert.equal(registers[1], 42n);
      assert.equal(pc, bytes[0] === encode("jr")[0] ? 1n << 40n : 0x202n);
    }
  }
});

test("code that is written is what runs next: in its page, in another, and where it stands in two", () => {
  const rounds = 60;
  // Each round but the first loads what the one before has put into the operand: byte `place` of it.
  const code = (patched: bigint) => [
    ...encode("ldi", { a: 1, immediate: rounds }),
    ...encode("ldi", { a: 3, immediate: Number(patched) }),
    ...encode("jmp", { immediate: 3 }),
    ...encode("ldi", { a: 2, immediate: 5 }),
    ...encode("add", { a: 4, b: 2 }),
    ...encode("st1", { a: 1, b: 3 }),
    ...encode("djnz", { a: 1, immediate: -10 }),
    ...encode("halt"),
  ];
  const target = 13n;
  const stored = (rounds * (rounds + 1)) / 2 - 1;
  // Whole in a page, and its end after 1 to 4 bytes.
  for (const before of [100n, 1n, 2n, 3n, 4n]) {
    const start = 0x3000n - before - target;
    for (const place of [0n, 1n, 2n]) {
      const bytes = code(start + target + 2n + place);
      const expected = BigInt(place === 0n ? 5 + stored : 5 * rounds + stored * 256 ** Number(place));
      let stepped: Outcome | undefined;
      for (const way of ["stepped", "interpreted", "translated"] as const) {
        const m = new TinyMachine();
        m.write(start, bytes);
        if (way === "translated") m.translate([start, start + 10n, start + target, start + target + 5n]);
        const outcome = m.run(start, { step: way === "stepped" });
        assert.equal(outcome.exit, Exit.halt);
        assert.equal(outcome.registers[4], expected, `${way}, ${before} bytes before the page's end, byte ${place}`);
        stepped ??= outcome;
        assert.deepEqual(outcome, stepped, way);
      }
    }
  }
});

test("a fetch over a page's end into nothing faults there, and not where the instruction ends before", () => {
  for (const way of ["stepped", "interpreted", "translated"] as const) {
    const m = new TinyMachine();
    m.write(0xfff0n, [...encode("jmp", { immediate: 13 })]);
    m.write(0xfffdn, [...encode("add", { a: 1, b: 1 }), encode("ldi")[0] as number]);
    if (way === "translated") m.translate([0xfff0n, 0xfffdn]);
    const { exit, pc, address, registers } = m.run(0xfff0n, { registers: [0n, 4n], step: way === "stepped" });
    assert.deepEqual(
      { exit, pc, address, sum: registers[1] },
      { exit: Exit.pageFault, pc: 0xffffn, address: 0x10000n, sum: 8n },
    );
  }
});

test("a breakpoint of KVM's user stops before its instruction, wherever that begins", () => {
  const code = [
    ...encode("ldi", { a: 1, immediate: 50 }),
    ...encode("add", { a: 2, b: 1 }),
    ...encode("djnz", { a: 1, immediate: -2 }),
    ...encode("halt"),
  ];
  for (const start of [0x201n, 0x1000n - 6n]) {
    for (const translated of [false, true]) {
      const m = new TinyMachine();
      m.write(start, code);
      m.breakpoints = [start + 5n];
      if (translated) m.translate([start, start + 5n, start + 7n]);
      const first = m.run(start);
      assert.deepEqual([first.exit, first.pc, first.registers[2]], [Exit.debug, start + 5n, 0n]);
      m.breakpoints = [];
      const { exit, registers } = m.run(start + 5n);
      assert.deepEqual([exit, registers[2]], [Exit.halt, 1275n]);
    }
  }
});

test("an access to a device leaves, and its instruction runs again with the answer", () => {
  const register = devicePage * 0x1000n;
  for (const translated of [false, true]) {
    const m = new TinyMachine();
    m.write(0x300n, [
      ...encode("ld4", { a: 1, b: 7, immediate: 8 }),
      ...encode("st2", { a: 1, b: 7 }),
      ...encode("halt"),
    ]);
    if (translated) m.translate([0x300n, 0x303n]);
    const load = m.run(0x300n, { registers: [0n, 0n, 0n, 0n, 0n, 0n, 0n, register] });
    assert.deepEqual([load.exit, load.pc, load.address & 0xfffn], [Exit.mmio, 0x300n, 8n]);
    m.answer(0x12345678n);
    const store = m.run(0x303n);
    assert.deepEqual([store.exit, store.pc, store.registers[1]], [Exit.mmio, 0x303n, 0x12345678n]);
    m.answer(0n);
    assert.deepEqual(m.run(0x306n).exit, Exit.halt);
  }
});

/** A program that ends, with the addresses of its instructions. */
function program(random: Random, start: bigint): { bytes: number[]; addresses: bigint[] } {
  const bytes: number[] = [];
  const addresses: bigint[] = [];
  const emit = (name: string, operands: Parameters<typeof encode>[1] = {}): number => {
    const at = bytes.length;
    addresses.push(start + BigInt(at));
    bytes.push(...encode(name, operands));
    return at;
  };
  /** Sets the distance of a jump that was emitted with none. */
  const patch = (at: number, to: number) => {
    const place = at + (bytes[at] === encode("jmp")[0] || bytes[at] === encode("call")[0] ? 1 : 2);
    bytes[place] = (to - at) & 0xff;
    bytes[place + 1] = ((to - at) >> 8) & 0xff;
  };
  // Registers 4 and 5 count loops, 6 and 7 point to data.
  const any = () => random.below(4);
  const plain = (): void => {
    const memory = ["ld8", "ld4", "ld1", "st8", "st2", "st1"];
    const operations = ["mov", "add", "sub", "mul", "and", "xor", "shl", "shr", "rotl", "slt", "movnz", "nop"];
    const kind = random.below(10);
    if (kind < 4) {
      const name = memory[random.below(memory.length)] as string;
      emit(name, { a: any(), b: 6 + random.below(2), immediate: random.below(256) - 128 });
    } else if (kind < 8) emit(operations[random.below(operations.length)] as string, { a: any(), b: random.below(8) });
    else if (kind === 8) emit("ldi", { a: any(), immediate: random.below(1 << 24) - (1 << 23) });
    else emit("addi", { a: any(), b: random.below(8), immediate: random.below(1 << 12) - (1 << 11) });
  };
  const calls: number[] = [];
  const some = (depth: number): void => {
    for (let i = 1 + random.below(5); i > 0; i--) {
      switch (random.below(6)) {
        case 0: {
          const at = emit("jz", { a: any() });
          some(depth + 1);
          patch(at, bytes.length);
          break;
        }
        case 1: {
          if (depth > 1) break;
          const counter = 4 + depth;
          emit("ldi", { a: counter, immediate: 1 + random.below(depth === 0 ? 30 : 10) });
          const again = bytes.length;
          if (depth === 0) some(1);
          plain();
          const at = emit("djnz", { a: counter });
          patch(at, again);
          break;
        }
        case 2:
          calls.push(emit("call"));
          break;
        case 3: {
          const at = emit("jmp");
          plain();
          patch(at, bytes.length);
          break;
        }
        default:
          plain();
      }
    }
  };
  for (let i = 0; i < 4; i++) some(0);
  emit("halt");
  const functions = [0, 1, 2].map(() => {
    const at = bytes.length;
    for (let i = random.below(6); i >= 0; i--) plain();
    emit("ret");
    return at;
  });
  for (const at of calls) patch(at, functions[random.below(3)] as number);
  return { bytes, addresses };
}

test("random programs end the same, stepped, interpreted and translated, and cost the same", () => {
  const seed = 20_261_128;
  let entered = 0;
  const exits = new Set<number>();
  for (let n = 0; n < 20; n++) {
    const random = new Random(seed + n);
    // Over the ends of pages.
    const start = BigInt(0xf00 + random.below(0x180));
    const { bytes, addresses } = program(random, start);
    const registers = Array.from({ length: 8 }, (_, i) =>
      // Now and then data lies where there is none.
      i < 6
        ? BigInt(random.below(1 << 30))
        : random.below(12) === 0
          ? 0x10000n
          : data + BigInt(0x800 + random.below(0x1000)),
    );
    const outcome = (prepare: (m: TinyMachine) => void, step = false): Outcome => {
      const m = new TinyMachine();
      m.write(start, bytes);
      prepare(m);
      const result = m.run(start, { registers, step });
      entered += m.regionRuns;
      return result;
    };
    const stepped = outcome(() => {}, true);
    exits.add(stepped.exit);
    const where = `seed ${seed + n}`;
    assert.deepEqual(
      outcome(() => {}),
      stepped,
      `${where}: interpreted`,
    );
    assert.deepEqual(
      outcome((m) => m.translate(addresses)),
      stepped,
      `${where}: translated everywhere`,
    );
    assert.deepEqual(
      outcome((m) => m.translate([start])),
      stepped,
      `${where}: translated at its beginning`,
    );
  }
  assert.ok(entered > 100);
  assert.deepEqual([...exits].sort(), [Exit.halt, Exit.pageFault]);
});
