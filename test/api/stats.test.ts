/** KVM_GET_STATS_FD, read as a program that knows only the layout reads it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Fixture, implementations, ramSize, soon } from "./fixture.js";
import { parse } from "./stats-file.js";

for (const name of implementations) {
  test(`${name}: statistics have Linux's layout and follow the guest`, () => {
    const it = new Fixture(name);
    it.code("li 3, 0xe8\nli 4, 0\nsc 1\nli 3, 0x58\nsc 1\n");
    const ofVm = it.vm.getStatsFd();
    const ofCpu = it.cpu.getStatsFd();
    const { id, stats } = parse(ofVm);
    assert.match(id, /^kvm-\d+$/);
    assert.deepEqual(stats.get("guest_memory"), { flags: 0x111, exponent: 0, value: BigInt(ramSize) });
    assert.equal(parse(ofCpu).id, `${id}/vcpu-0`);
    assert.equal(parse(ofCpu).stats.get("runs")?.value, 0n);
    it.cpu.run({ deadline: soon() });
    const after = parse(ofCpu).stats;
    assert.equal(after.get("papr_hcall_exits")?.value, 1n);
    assert.equal(after.get("instructions")?.value, BigInt(it.cpu.stats()["instructions"] ?? 0));
    assert.deepEqual([after.get("halt_wait_ns")?.flags, after.get("halt_wait_ns")?.exponent], [0x20, -9]);
    assert.equal(after.get("blocking")?.flags, 0x41);
    assert.equal(parse(ofVm).stats.get("hcall_H_PROD")?.value, 1n);
    it.close();
    ofVm.close();
    ofCpu.close();
  });

  test(`${name}: the file is read in pieces, to its end, and keeps the VM`, () => {
    const it = new Fixture(name);
    const file = it.vm.getStatsFd();
    it.close();
    const whole = new Uint8Array(1 << 16);
    const length = file.pread(whole, 0);
    const pieces: number[] = [];
    const piece = new Uint8Array(100);
    for (let got = file.read(piece); got > 0; got = file.read(piece)) pieces.push(...piece.subarray(0, got));
    assert.deepEqual(pieces, [...whole.subarray(0, length)]);
    assert.equal(file.read(piece), 0);
    assert.equal(file.pread(piece, length + 1000), 0);
    assert.equal(parse(file).stats.get("vcpus")?.value, 0n);
    file.close();
    file.close();
  });
}
