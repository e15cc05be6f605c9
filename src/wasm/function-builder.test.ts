import assert from "node:assert/strict";
import { test } from "node:test";
import { calledAt, FunctionBuilder, link } from "./function-builder.js";
import { ModuleBuilder } from "./module-builder.js";

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
