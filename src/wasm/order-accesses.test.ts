import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { memoryShared } from "./binary.js";
import { FunctionBuilder } from "./function-builder.js";
import { ModuleBuilder } from "./module-builder.js";
import { sharedHint } from "./opcodes.js";
import { orderAccesses } from "./order-accesses.js";
import { plainLoads, plainStores } from "./ordered.js";

const sizes = [1, 2, 4, 8] as const;

/** Functions that load and store so many bytes at an offset; those of 16 bytes take and give the first of them, 0 and 8. */
function accesses(alignment: number, offset: number): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder();
  m.importFunction("env", "nothing", [], []);
  m.importMemory("env", "memory", 1, 65536, true);
  m.importTable("env", "table", 1);
  const define = (name: string, f: FunctionBuilder, results: ("i64" | "i32")[], params: ("i64" | "i32")[]) => {
    const index = m.declare(name, params, results);
    m.define(index, f.finish());
    m.exportFunction(name, index);
  };
  for (const size of sizes) {
    const load = new FunctionBuilder(["i32"]);
    load.get(0);
    load.access(plainLoads[size], offset, size === 1 ? 0 : alignment);
    define(`load${size}`, load, ["i64"], ["i32"]);
    const store = new FunctionBuilder(["i32", "i64"]);
    store.get(0);
    store.get(1);
    store.access(plainStores[size], offset, size === 1 ? 0 : alignment);
    define(`store${size}`, store, [], ["i32", "i64"]);
  }
  for (const lane of [0, 1]) {
    const load = new FunctionBuilder(["i32"]);
    load.get(0);
    load.vectorAccess("load", offset, alignment);
    load.lane("i64x2", "extract", lane);
    define(`load16 ${lane}`, load, ["i64"], ["i32"]);
  }
  const store = new FunctionBuilder(["i32", "i64"]);
  store.get(0);
  store.get(1);
  store.lanes("i64x2", "splat");
  store.vectorAccess("store", offset, alignment);
  define("store16", store, [], ["i32", "i64"]);
  const exchange = new FunctionBuilder(["i32", "i64"]);
  exchange.get(0);
  exchange.i64Const(0n);
  exchange.get(1);
  exchange.compareExchange(4);
  define("exchange", exchange, ["i64"], ["i32", "i64"]);
  return m.build();
}

function run(bytes: Uint8Array<ArrayBuffer>) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const table = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: { memory, table, nothing: () => {} },
  });
  const call = (name: string, ...args: (number | bigint)[]) =>
    (exports[name] as (...args: (number | bigint)[]) => bigint)(...args);
  return { bytes: new Uint8Array(memory.buffer), view: new DataView(memory.buffer), call };
}

test("what is marked does the same in order, aligned and not", () => {
  for (const offset of [0, 24, 25]) {
    const plain = accesses(sharedHint, offset);
    const ordered = run(orderAccesses(plain));
    const same = run(plain);
    for (const it of [ordered, same]) for (let i = 0; i < 512; i++) it.bytes[i] = 7 * i + 3;
    for (let at = 64; at < 64 + 20; at++) {
      const value = 0x0123_4567_89ab_cdefn * BigInt(at);
      for (const name of [...sizes.map((size) => `load${size}`), "load16 0", "load16 1"]) {
        assert.equal(ordered.call(name, at), same.call(name, at), `${name} ${at}+${offset}`);
      }
      for (const size of [...sizes, 16]) {
        for (const it of [ordered, same]) it.call(`store${size}`, at, BigInt.asIntN(64, value));
        assert.deepEqual(ordered.bytes.slice(0, 512), same.bytes.slice(0, 512), `store${size} ${at}+${offset}`);
      }
    }
    for (const it of [ordered, same]) it.view.setUint32(128, 0, true);
    assert.equal(ordered.call("exchange", 128, 5n), same.call("exchange", 128, 5n));
    assert.deepEqual(ordered.bytes.slice(0, 512), same.bytes.slice(0, 512));
  }
});

test("an access behind the memory's end traps as it did", () => {
  const ordered = run(orderAccesses(accesses(sharedHint, 0)));
  for (const at of [65536 - 1, 65536, -1, -8]) {
    for (const size of sizes.slice(at === 65535 ? 1 : 0)) {
      assert.throws(() => ordered.call(`load${size}`, at), WebAssembly.RuntimeError);
      assert.throws(() => ordered.call(`store${size}`, at, 1n), WebAssembly.RuntimeError);
    }
  }
});

test("what is not marked stays as it is, but for what has no alignment", () => {
  const grown = (bytes: Uint8Array<ArrayBuffer>) => orderAccesses(bytes).length - bytes.length;
  // Only the fence behind what exchanges.
  assert.equal(grown(accesses(0, 8)), 3);
  assert.ok(grown(accesses(0, 0)) > 3);
  assert.ok(grown(accesses(sharedHint, 8)) > 100);
});

test("x86's built modules have their ordered forms, of every size that guests access", () => {
  for (const name of ["runtime", "interpreter"]) {
    const read = (kind: string) =>
      new Uint8Array(readFileSync(new URL(`../arch/x86/engines/${name}${kind}.wasm`, import.meta.url)));
    const built = read(".ordered");
    assert.deepEqual(orderAccesses(memoryShared(read(""))), built);
    const module = new WebAssembly.Module(built);
    const plain = new WebAssembly.Module(read(".shared"));
    assert.deepEqual(WebAssembly.Module.exports(module), WebAssembly.Module.exports(plain));
    assert.deepEqual(WebAssembly.Module.imports(module), WebAssembly.Module.imports(plain));
    // Loads and stores of 1, 2, 4, 8 and 16 bytes, off no offset.
    const functions = (of: Uint8Array) => functionCount(of);
    assert.ok(functions(built) - functions(read(".shared")) >= 10, name);
  }
});

/** How many functions a module defines. */
function functionCount(bytes: Uint8Array): number {
  let at = 8;
  const leb = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  for (;;) {
    const id = bytes[at++];
    const end = leb() + at;
    if (id === 3) return leb();
    at = end;
  }
}
