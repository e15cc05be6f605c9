/** The example of docs/how-to-add-a-device.md does what it says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { PciDevice } from "./device.js";
import { PciFunction } from "./function.js";
import { PCI_COMMAND, PCI_COMMAND_MASTER, PCI_VENDOR_ID } from "./registers.js";

const text = readFileSync(new URL("../../../../../docs/how-to-add-a-device.md", import.meta.url), "utf8");

test("the die of the documentation rolls", async () => {
  const code = /```js\n([\s\S]*?)```/.exec(text)?.[1];
  assert.ok(code);
  const { Die } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as { Die: new () => PciDevice };
  const events: string[] = [];
  const it = new PciFunction(new Die(), {
    dma: () => false,
    setIntx: (level) => void events.push(`intx ${level}`),
    message: ({ vector }) => void events.push(`message ${vector}`),
  });
  assert.equal(it.readConfig(PCI_VENDOR_ID, 4), 0x0d1e1234);
  it.writeConfig(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
  const seen = new Set<bigint>();
  for (let i = 0; i < 500; i++) {
    it.write(0, 4, 4, 1n);
    seen.add(it.read(0, 0, 4));
  }
  assert.deepEqual([...seen].sort(), [1n, 2n, 3n, 4n, 5n, 6n]);
  it.write(0, 4, 4, 0n);
  assert.deepEqual(events, ["intx true", "intx false"]);
  it.msi?.set(0x1000n, 0);
  const flags = it.readConfig(0x34, 1) + 2;
  it.writeConfig(flags, 2, 1);
  it.write(0, 4, 4, 1n);
  assert.deepEqual(events.splice(2), ["message 0"]);
  it.reset();
  assert.equal(it.read(0, 0, 4), 1n);
});
