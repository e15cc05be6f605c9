import assert from "node:assert/strict";
import { test } from "node:test";
import { VmmError } from "../errors.js";
import { findNode, readDeviceTree } from "./reader.js";
import { encodeProperty, node, wide } from "./tree.js";
import { flatten } from "./writer.js";

const tree = node("", { "#address-cells": 2, model: "test" }, [
  node("cpus", {}, [node("cpu@0", { reg: 0, list: ["a", "bc"], wide: 0x1_2345_6789_abcdn, "64-bit": true })]),
  node("memory@0", { reg: [0, 0, ...wide(0x1_0000_0000)], raw: Uint8Array.of(1, 2, 3) }),
]);

test("what is written is read back", () => {
  const { root, reservations, bootCpu } = readDeviceTree(
    flatten(tree, { reservations: [{ address: 4096, size: 20 }], bootCpu: 3 }),
  );
  assert.equal(bootCpu, 3);
  assert.deepEqual(reservations, [{ address: 4096n, size: 20n }]);
  const cpu = findNode(root, "/cpus/cpu@0");
  assert.deepEqual(cpu?.properties.get("list"), new TextEncoder().encode("a\0bc\0"));
  assert.deepEqual(cpu?.properties.get("wide"), Uint8Array.of(0, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd));
  assert.deepEqual(cpu?.properties.get("64-bit"), new Uint8Array(0));
  assert.deepEqual(findNode(root, "/memory@0")?.properties.get("raw"), Uint8Array.of(1, 2, 3));
  assert.equal(findNode(root, "/nothing/here"), undefined);
});

test("the header is as the specification lays it out", () => {
  const blob = flatten(tree);
  const words = new DataView(blob.buffer);
  assert.equal(words.getUint32(0), 0xd00dfeed);
  assert.equal(words.getUint32(4), blob.length);
  assert.equal(words.getUint32(20), 17);
  // Structure block aligned to 4 bytes, reservations to 8.
  assert.equal(words.getUint32(8) % 4, 0);
  assert.equal(words.getUint32(16) % 8, 0);
});

test("values are encoded big-endian", () => {
  assert.deepEqual(encodeProperty([1, 0xffff_ffff]), Uint8Array.of(0, 0, 0, 1, 255, 255, 255, 255));
  assert.deepEqual(encodeProperty("x"), Uint8Array.of(0x78, 0));
});

test("a damaged tree is refused in words", () => {
  const blob = flatten(tree);
  for (let length = 0; length < blob.length - 60; length++)
    assert.throws(() => readDeviceTree(blob.slice(0, length)), VmmError);
  for (let at = 0; at < blob.length; at++) {
    const changed = blob.slice();
    changed[at] = 0xff;
    try {
      readDeviceTree(changed);
    } catch (error) {
      assert.ok(error instanceof VmmError, `${at}: ${error}`);
    }
  }
});
