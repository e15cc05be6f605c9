import assert from "node:assert/strict";
import { test } from "node:test";
import type { IrqRoute } from "../../../../kvm/uapi.js";
import { MessageRoutes } from "./message-routes.js";

function setUp() {
  const tables: (readonly IrqRoute[])[] = [];
  return { tables, routes: new MessageRoutes({ setGsiRouting: (table) => void tables.push(table) }) };
}
const message = (vector: number, data = vector) => ({ vector, address: 0xfee0_0000n, data });

test("lines lead where they do without a table, the bus's to both controllers, and messages have numbers behind them", () => {
  const { tables, routes } = setUp();
  assert.deepEqual([routes.gsiOf(1, message(0, 0x41)), routes.gsiOf(2, message(0, 0x42))], [24, 25]);
  // The same again sets nothing; another message of that vector keeps its number.
  assert.equal(routes.gsiOf(1, message(0, 0x41)), 24);
  assert.equal(tables.length, 3);
  assert.equal(routes.gsiOf(1, message(0, 0x43)), 24);
  const last = tables.at(-1) ?? [];
  const pins = (gsi: number) =>
    last.flatMap((route) => (route.gsi === gsi && route.type === "irqchip" ? [[route.irqchip, route.pin]] : []));
  assert.deepEqual([0, 1, 2, 9, 15, 16, 18, 23].map(pins), [
    [
      [2, 2],
      [0, 0],
    ],
    [
      [2, 1],
      [0, 1],
    ],
    [[0, 2]],
    [
      [2, 9],
      [1, 1],
    ],
    [
      [2, 15],
      [1, 7],
    ],
    // The bus's first and third have inputs of the older controllers, too: 10 and 5.
    [
      [2, 16],
      [1, 2],
    ],
    [
      [2, 18],
      [0, 5],
    ],
    [[2, 23]],
  ]);
  assert.deepEqual(
    last.flatMap((route) => (route.type === "msi" ? [[route.gsi, route.data]] : [])),
    [
      [24, 0x43],
      [25, 0x42],
    ],
  );
});

test("a guest that writes messages all the time takes no more of them than there are", () => {
  const { tables, routes } = setUp();
  for (let i = 0; i < 1000; i++) routes.gsiOf(0, message(i % 4, i));
  assert.ok(tables.every((table) => table.length <= 43 + 4));
  for (let vector = 0; vector < 2048; vector++) {
    const gsi = routes.gsiOf(1, message(vector));
    assert.equal(gsi, vector < 252 ? 28 + vector : undefined);
  }
});
