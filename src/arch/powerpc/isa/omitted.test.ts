import assert from "node:assert/strict";
import { test } from "node:test";
import { instructionSet } from "./instruction-set.js";
import { omitted } from "./omitted.js";

test("what is omitted is named once, with a reason, and is not there", () => {
  const names = omitted.map((o) => o.mnemonic);
  assert.deepEqual(
    names.filter((name, i) => names.indexOf(name) !== i),
    [],
  );
  assert.deepEqual(
    names.filter((name) => instructionSet().named(name).length > 0),
    [],
  );
  assert.ok(omitted.every((o) => o.reason.length > 20));
});
