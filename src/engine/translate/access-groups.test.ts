import assert from "node:assert/strict";
import { test } from "node:test";
import { accessGroups } from "./access-groups.js";

const access = (register: number, displacement: number, size: number, stores = false, writes: number[] = []) => ({
  plain: { address: "", register, displacement, size, stores },
  writes,
});
const other = (...writes: number[]) => ({ plain: undefined, writes });

test("accesses off one register are one group, from the lowest byte to the highest, until the register changes", () => {
  const [a, b, c, d, e, f] = accessGroups(
    [
      access(1, 16, 8),
      other(4),
      access(1, -8, 4, true),
      access(1, 0, 8, false, [1]),
      access(1, 8, 8),
      access(1, 16, 8),
    ],
    65536,
  );
  assert.ok(a);
  assert.deepEqual([a.low, a.high, a.loads, a.stores, a.last, a.count], [-8, 24, true, true, 3, 3]);
  assert.equal(b, undefined);
  assert.equal(c, a);
  assert.equal(d, a, "it is off the old value");
  assert.ok(e);
  assert.notEqual(e, a);
  assert.equal(f, e);
});

test("a single access, and one far away, are checked by themselves", () => {
  assert.deepEqual(accessGroups([access(1, 0, 8), access(2, 0, 8)], 65536), [undefined, undefined]);
  assert.deepEqual(accessGroups([access(1, 0, 8), access(1, 4000, 8)], 65536), [undefined, undefined]);
  const near = [access(1, 0, 8), access(1, 192, 8)];
  assert.notEqual(accessGroups(near, 65536)[0], undefined);
  assert.deepEqual(accessGroups(near, 4096), [undefined, undefined], "pages are small");
});
