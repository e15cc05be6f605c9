import assert from "node:assert/strict";
import { test } from "node:test";
import { KvmError } from "./errors.js";

test("an error of another copy of this file is one, and nothing else is", async () => {
  const url = new URL("./errors.js?another", import.meta.url).href;
  const other = (await import(url)) as typeof import("./errors.js");
  assert.notEqual(other.KvmError, KvmError);
  assert.ok(new other.KvmError("EBUSY", "in use") instanceof KvmError);
  assert.ok(new KvmError("EBUSY", "in use") instanceof other.KvmError);
  for (const value of [new Error("EBUSY"), { name: "KvmError", errno: 16 }, undefined, "KvmError"]) {
    assert.ok(!((value as object) instanceof KvmError));
  }
});
