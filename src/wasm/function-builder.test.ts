import assert from "node:assert/strict";
import { test } from "node:test";
import { branchHints, hasBranchHints, Reader, sections, withoutNames } from "./binary.js";
import { calledAt, FunctionBuilder, link } from "./function-builder.js";
import { ModuleBuilder } from "./module-builder.js";
import { Op } from "./opcodes.js";
import { orderAccesses } from "./order-accesses.js";

test("a function that is linked later calls what its module has for the numbers, however large they are", async () => {
  const f = new FunctionBuilder(["i32"], true);
  const local = f.local("i64");
  f.release(local);
  f.get(0);
  f.call(16_000);
  f.call(5);
  const linkable = f.finishLinkable();
  assert.deepEqual(
    linkable.calls.map((at) => calledAt(linkable, at)),
    [16_000, 5],
  );
  const before = linkable.body.slice();
  const m = new ModuleBuilder();
  const tenMore = m.importFunction("r", "tenMore", ["i32"], ["i32"]);
  const twice = m.importFunction("r", "twice", ["i32"], ["i32"]);
  const index = m.declare("both", ["i32"], ["i32"]);
  m.define(
    index,
    link(linkable, (number) => (number === 5 ? twice : tenMore)),
  );
  m.exportFunction("both", index);
  const { instance } = await WebAssembly.instantiate(m.build(), {
    r: { tenMore: (a: number) => a + 10, twice: (a: number) => 2 * a },
  });
  assert.equal((instance.exports.both as (a: number) => number)(1), 22);
  assert.deepEqual(linkable.body, before, "the body may go into another module");
  assert.throws(() => f.call(1 << 14), /function 16384 of 16384/);
});

/** -1 for what is below 0, for which nobody hopes; else the double. */
function hinted(): FunctionBuilder {
  const f = new FunctionBuilder(["i32"]);
  // Enough of them that what declares them is not as long as usual.
  for (let i = 0; i < 300; i++) f.local(i % 2 ? "i32" : "i64");
  const negative = f.block();
  f.get(0);
  f.i32Const(0);
  f.i32("ltS");
  f.brIf(negative, "unlikely");
  f.get(0);
  f.if("i32", "likely");
  f.get(0);
  f.i32Const(1);
  f.i32("shl");
  f.else();
  f.i32Const(0);
  f.end();
  f.return();
  f.end();
  f.i32Const(-1);
  return f;
}

/** Each hint of a module: its function, the opcode at its place in that function's body, and what it says. */
function hintsOf(bytes: Uint8Array<ArrayBuffer>): [index: number, opcode: number | undefined, expected: number][] {
  const all = [...sections(bytes)];
  const found = all.findIndex((section) => hasBranchHints(bytes, section));
  const code = all.findIndex(({ id }) => id === 10);
  const [section, codeSection] = [all[found], all[code]];
  if (!section || !codeSection) return [];
  assert.ok(found < code, "hints stand before the code");
  const bodies = new Reader(bytes, codeSection.content);
  const starts = Array.from({ length: bodies.leb() }, () => {
    const length = bodies.leb();
    bodies.at += length;
    return bodies.at - length;
  });
  const reader = new Reader(bytes, section.content);
  reader.skipName();
  const hints: [number, number | undefined, number][] = [];
  for (let functions = reader.leb(); functions > 0; functions--) {
    const index = reader.leb();
    for (let count = reader.leb(); count > 0; count--) {
      const at = reader.leb();
      assert.equal(reader.u8(), 1);
      // One function is imported.
      hints.push([index, bytes[(starts[index - 1] as number) + at], reader.u8()]);
    }
  }
  assert.equal(reader.at, section.end);
  return hints;
}

test("what is said of branches names them in the module, whatever else of it is cut", async () => {
  const m = new ModuleBuilder();
  m.importFunction("r", "nothing", [], []);
  const plain = m.declare("plain", [], []);
  m.define(plain, new FunctionBuilder([]));
  const first = m.declare("first", ["i32"], ["i32"]);
  m.define(first, hinted());
  const second = m.declare("second", ["i32"], ["i32"]);
  const { body, hints } = hinted().finishLinkable();
  m.define(second, body, hints);
  m.exportFunction("first", first);
  m.exportFunction("second", second);
  const expected = [first, second].flatMap((index) => [
    [index, Op.br_if, 0],
    [index, Op.if, 1],
  ]);
  const whole = m.build({ names: true });
  assert.deepEqual(hintsOf(whole), expected);
  const bare = withoutNames(whole) as Uint8Array<ArrayBuffer>;
  assert.deepEqual(hintsOf(bare), expected);
  assert.ok(bare.length < whole.length);
  // Its code is another, in which they would name something else.
  const ordered = orderAccesses(bare);
  assert.deepEqual(hintsOf(ordered), []);
  assert.ok(!new TextDecoder("latin1").decode(ordered).includes(branchHints));
  for (const bytes of [whole, bare, ordered]) {
    const { instance } = await WebAssembly.instantiate(bytes, { r: { nothing: () => {} } });
    for (const name of ["first", "second"]) {
      const run = instance.exports[name] as (a: number) => number;
      assert.deepEqual([-5, 0, 21].map(run), [-1, 0, 42]);
    }
  }
});
