import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { kvmApi, target } from "./kvm-api.js";

test("docs/kvm-api.md is what the code's tables say", () => {
  assert.equal(readFileSync(target, "utf8"), kvmApi(), "run: node dist/tools/kvm-api.js --write");
});
