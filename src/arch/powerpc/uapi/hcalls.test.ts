import assert from "node:assert/strict";
import { test } from "node:test";
import { machineHcalls, vcpuHcalls } from "../../../vmm/machines/pseries/hcalls/index.js";
import { hcallByNumber, hcalls } from "../papr/list.js";
import { hcallName, hcallRows, hypertasFunctions, turnedOnHcalls } from "./hcalls.js";

test("every row that says who answers has a handler there, under its number and name", () => {
  for (const [name, { number, kernel, user }] of hcallRows) {
    assert.equal(hcallName(number), name);
    assert.equal(hcallByNumber.get(number)?.name, kernel && name);
    assert.equal(hcallByNumber.get(number)?.enabled, kernel && kernel === "on");
    assert.equal(vcpuHcalls.get(number)?.name, user === "vcpu" ? name : undefined);
    assert.equal(machineHcalls.get(number)?.name, user === "machine" ? name : undefined);
  }
  assert.deepEqual([hcalls.length, vcpuHcalls.size + machineHcalls.size], [29, 14]);
});

test("what a guest is promised is what is answered", () => {
  const always = [
    "hcall-pft",
    "hcall-tce",
    "hcall-sprg0",
    "hcall-term",
    "hcall-interrupt",
    "hcall-splpar",
    "hcall-bulk",
  ];
  assert.deepEqual(hypertasFunctions({ dma: false }), [...always, "hcall-set-mode"]);
  assert.deepEqual(hypertasFunctions({ dma: true }), [...always, "hcall-multi-tce", "hcall-set-mode"]);
  for (const [name, row] of hcallRows) {
    if (row.set) assert.ok(row.user ?? (row.kernel === "on" || row.turnedOn), name);
    if (row.turnedOn) assert.equal(row.kernel, "off", name);
  }
  assert.deepEqual(turnedOnHcalls({ dma: false }), [0x24, 0x2c, 0x300, 0x31c]);
  assert.deepEqual(turnedOnHcalls({ dma: true }), [0x24, 0x2c, 0x138, 0x13c, 0x300, 0x31c]);
});

test("an unknown one is its number", () => assert.equal(hcallName(0x7fc), "0x7fc"));
