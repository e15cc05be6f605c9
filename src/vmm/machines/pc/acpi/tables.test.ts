import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { missing } from "../../../../../test/oracles/oracles.js";
import { Address } from "../memory-map.js";
import { mpTable } from "../mp-table.js";
import * as aml from "./aml.js";
import { acpiTables } from "./tables.js";

const headerSize = 36;
const sum = (bytes: Uint8Array): number => bytes.reduce((all, byte) => (all + byte) & 0xff, 0);

/** By signature, as a kernel finds them from the root pointer on; every sum is 0. */
function tablesOf(cpus: number): Map<string, Buffer> {
  const all = Buffer.from(acpiTables(cpus));
  const at = (address: number | bigint): number => Number(address) - Address.acpi;
  const tableAt = (address: number | bigint): Buffer =>
    all.subarray(at(address), at(address) + all.readUInt32LE(at(address) + 4));
  assert.equal(all.toString("latin1", 0, 8), "RSD PTR ");
  assert.deepEqual([sum(all.subarray(0, 20)), sum(all.subarray(0, 36))], [0, 0]);
  const root = tableAt(all.readBigUInt64LE(24));
  const pointers = Array.from({ length: (root.length - headerSize) / 8 }, (_, i) =>
    root.readBigUInt64LE(headerSize + 8 * i),
  );
  const found = [root, ...pointers.map(tableAt)];
  const fadt = found.find((table) => table.toString("latin1", 0, 4) === "FACP");
  assert.ok(fadt);
  assert.equal(BigInt(fadt.readUInt32LE(40)), fadt.readBigUInt64LE(140));
  const named = [...found, tableAt(fadt.readUInt32LE(40))];
  for (const table of named) assert.equal(sum(table), 0, table.toString("latin1", 0, 4));
  return new Map([...named, tableAt(fadt.readUInt32LE(36))].map((table) => [table.toString("latin1", 0, 4), table]));
}

test("every table is found from the root pointer, and sums to 0; they end below what comes behind", () => {
  for (const cpus of [1, 2, 16, 255]) {
    const tables = tablesOf(cpus);
    assert.deepEqual([...tables.keys()], ["XSDT", "FACP", "APIC", "MCFG", "DSDT", "FACS"]);
    assert.equal(tables.get("FACP")?.length, 276);
    assert.ok(acpiTables(cpus).length <= Address.mpTable - Address.acpi);
    const mp = Buffer.from(mpTable(cpus, 0x306c3, 0x201));
    assert.ok(mp.length <= Address.firmwareEnd - Address.mpTable);
    assert.deepEqual([mp.toString("latin1", 0, 4), sum(mp.subarray(0, 16)), sum(mp.subarray(16))], ["_MP_", 0, 0]);
    assert.equal(mp.readUInt16LE(20), mp.length - 16);
    assert.equal(mp.subarray(60, 60 + 20 * cpus).filter((byte, i) => i % 20 === 0 && byte !== 0).length, 0);
  }
});

test("lengths of terms take as many bytes as they need", () => {
  const bytes = (count: number) => aml.scope("\\A", ...Array<aml.Aml>(count).fill([0xa3]));
  assert.deepEqual(bytes(0).slice(1, 3), [6, 0x5c]);
  assert.deepEqual(bytes(57).slice(1, 3), [63, 0x5c]);
  assert.deepEqual(bytes(58).slice(1, 4), [0x40 | 1, 4, 0x5c]);
  assert.deepEqual(bytes(4095 - 7).slice(1, 4), [0x40 | 15, 255, 0x5c]);
  assert.deepEqual(bytes(4096 - 7).slice(1, 5), [0x80 | 1, 0, 1, 0x5c]);
  assert.deepEqual(aml.eisaId("PNP0A03"), [0x0c, 0x41, 0xd0, 0x0a, 0x03]);
  for (const wrong of ["", "1A", "ABCDE", "a", "\\"]) assert.throws(() => aml.name(wrong, [0]), RangeError, wrong);
  assert.throws(() => aml.eisaId("PNP0A0"), RangeError);
});

test("ACPICA reads every table without a word, and makes the same bytes of what it reads in DSDT", {
  skip: missing("iasl"),
}, () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-acpi-"));
  const iasl = (...args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync("iasl", args, { cwd: folder, encoding: "utf8" });
    assert.equal(status, 0, stdout + stderr);
    return stdout + stderr;
  };
  try {
    const tables = tablesOf(3);
    for (const [name, bytes] of tables) {
      writeFileSync(join(folder, `${name}.dat`), bytes);
      const said = iasl("-d", `${name}.dat`);
      const text = readFileSync(join(folder, `${name}.dsl`), "utf8");
      assert.doesNotMatch(said, /error|warning|invalid/i);
      assert.doesNotMatch(text, /incorrect checksum|unknown|invalid/i, name);
    }
    // What it recommends is a matter of taste; a warning is none.
    assert.match(iasl("-oa", "-p", "again", "DSDT.dsl"), /0 Errors, 0 Warnings/);
    const again = readFileSync(join(folder, "again.aml"));
    assert.deepEqual(again.subarray(headerSize), Buffer.from(tables.get("DSDT") ?? []).subarray(headerSize));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
