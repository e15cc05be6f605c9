import assert from "node:assert/strict";
import { test } from "node:test";
import { hashOf, parseLine } from "./protocol.js";

test("the agent's lines are understood, with a carriage return or without", () => {
  assert.deepEqual(parseLine("@bench ready 1.25\r"), { kind: "ready", uptime: 1.25 });
  assert.deepEqual(parseLine("@bench begin 7"), { kind: "begin", id: "7" });
  assert.deepEqual(parseLine("@bench end 7 0 1500000000 17 cbf29ce484222325 250000,1000000"), {
    kind: "end",
    id: "7",
    status: 0,
    seconds: 1.5,
    output: { bytes: 17, hash: "cbf29ce484222325" },
    steps: [0.25, 1],
  });
  assert.deepEqual(parseLine("@bench error 7 awk: no such thing"), {
    kind: "error",
    id: "7",
    text: "awk: no such thing",
  });
  assert.deepEqual(parseLine("@bench failed fork: no memory"), { kind: "failed", text: "fork: no memory" });
});

test("what only looks like the agent's is not taken for it", () => {
  for (const line of [
    "[    0.5] @bench ready 1",
    "@bench end 7 0 15 17",
    "@bench end 7 0 x 17 00 -",
    "@bench dance 7",
    "@bench",
    "",
  ]) {
    assert.equal(parseLine(line), undefined, line);
  }
});

test("a run without steps has none", () => {
  const line = parseLine("@bench end 1 0 5 0 cbf29ce484222325 -");
  assert.deepEqual(line?.kind === "end" && line.steps, []);
});

test("the hash is FNV-1a", () => {
  assert.equal(hashOf(new Uint8Array()), "cbf29ce484222325");
  assert.equal(hashOf(new TextEncoder().encode("a")), "af63dc4c8601ec8c");
  assert.equal(hashOf(new TextEncoder().encode("foobar")), "85944171f73967e8");
});
