import assert from "node:assert/strict";
import { test } from "node:test";
import { hostIsX86, orderingParameters, ordersAccesses } from "./ordering.js";

test("the parameter decides, and the host where it leaves that to it", () => {
  const ordered = (value: string) => [true, false].map((isX86) => ordersAccesses("kvm_intel", value, () => isX86));
  assert.deepEqual(ordered("on"), [true, true]);
  assert.deepEqual(ordered("off"), [false, false]);
  assert.deepEqual(ordered(orderingParameters.ordered.default), [false, true]);
});

test("EINVAL: nothing else is a value of it", () => {
  for (const value of ["", "1", "ON", "auto ", "constructor"]) {
    assert.throws(() => ordersAccesses("kvm_amd", value), { code: "EINVAL", message: /kvm_amd: .*auto, on, off/ });
  }
});

test("Node.js says what it was built for; without, the sign of a NaN says the same", (t) => {
  assert.deepEqual(
    ["x64", "ia32", "arm64", "riscv64", "s390x", "ppc64"].map((arch) => hostIsX86(arch)),
    [...[true, true], ...[false, false, false, false]],
  );
  const { process } = globalThis;
  const here = process.arch === "x64" || process.arch === "ia32";
  t.after(() => Object.defineProperty(globalThis, "process", { value: process, configurable: true, writable: true }));
  Object.defineProperty(globalThis, "process", { value: undefined, configurable: true, writable: true });
  assert.equal(hostIsX86(), here);
});
