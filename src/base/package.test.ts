import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { describePackage, thisPackage } from "./package.js";

test("the version is package.json's", () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  assert.equal((manifest as { version: string }).version, thisPackage.version);
  assert.match(describePackage(thisPackage), /^unikvm \d+\.\d+\.\d+ \(file:/);
});
