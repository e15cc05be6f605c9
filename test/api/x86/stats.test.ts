/** KVM_GET_STATS_FD of x86 VMs and vCPUs: Linux's layout and names, and what the guest has done. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { exitTable } from "../../../src/kvm/uapi/exits.js";
import { soon } from "../neutral-cases.js";
import { parse } from "../stats-file.js";
import { implementations, ramSize, X86Fixture } from "./fixture.js";

for (const name of implementations) {
  test(`x86 ${name}: statistics have Linux's layout and follow the guest`, () => {
    const it = new X86Fixture(name);
    it.controller;
    const [ofVm, ofCpu] = [it.vm.getStatsFd(), it.cpu.getStatsFd()];
    const { id, stats } = parse(ofVm);
    assert.match(id, /^kvm-\d+$/);
    assert.deepEqual(stats.get("guest_memory"), { flags: 0x111, exponent: 0, value: BigInt(ramSize) });
    assert.deepEqual([stats.get("vcpus")?.value, stats.get("memory_slots")?.value], [1n, 1n]);
    assert.equal(parse(ofCpu).id, `${id}/vcpu-0`);
    const value = (of: string): bigint | undefined => parse(ofCpu).stats.get(of)?.value;
    for (const { statistic } of Object.values(exitTable)) assert.equal(value(statistic), 0n, statistic);
    assert.deepEqual([value("runs"), value("decoded"), value("halts")], [0n, 0n, 0n]);
    // Two ports: the kernel side's, and the user side's; then memory that is nowhere, and a halt.
    it.code("in al, 0x21", "out 0x80, al", "mov byte ptr es:[di], al", "hlt");
    const { cpu } = it;
    cpu.setSregs({ ...cpu.getSregs(), es: { ...cpu.getSregs().es, base: 0x20_0000n } });
    for (const reason of ["io", "mmio", "hlt"]) assert.equal(cpu.run({ deadline: soon(), wait: false }).reason, reason);
    assert.deepEqual(
      ["io_exits", "mmio_exits", "hlt_exits", "runs", "mmio_kernel_exits", "halts", "blocking"].map(value),
      [1n, 1n, 1n, 3n, 1n, 1n, 1n],
    );
    assert.ok((value("decoded") ?? 0n) >= 4n && (value("code_bytes") ?? 0n) > 0n && (value("sum_exits") ?? 0n) >= 3n);
    assert.equal(value("code_bytes"), BigInt(cpu.stats()["codeBytesRun"] ?? -1));
    // An interrupt that is taken ends the halt.
    cpu.nmi();
    it.vm.bytes(it.region.userspaceAddr + 8, 4).set([0, 0x20, 0, 0]);
    it.ram.set([0xf4], 0x2000);
    it.vm.guestWritten(0x2000n, 1);
    assert.equal(cpu.run({ deadline: soon(), wait: false }).reason, "hlt");
    assert.deepEqual(["interrupts", "halt_wakeup", "halts"].map(value), [1n, 1n, 2n]);
    const { stats: all } = parse(ofCpu);
    assert.deepEqual([all.get("halt_wait_ns")?.flags, all.get("halt_wait_ns")?.exponent], [0x20, -9]);
    assert.deepEqual([all.get("blocking")?.flags, all.get("io_exits")?.flags], [0x41, 0]);
    for (const file of [ofVm, ofCpu]) file.close();
    it.close();
  });

  test(`x86 ${name}: a file of statistics keeps the VM, and is read to its end`, () => {
    const it = new X86Fixture(name);
    const [ofVm, ofCpu] = [it.vm.getStatsFd(), it.cpu.getStatsFd()];
    it.close();
    for (const file of [ofVm, ofCpu]) {
      const whole = new Uint8Array(1 << 16);
      const length = file.pread(whole, 0);
      const pieces: number[] = [];
      const piece = new Uint8Array(61);
      for (let got = file.read(piece); got > 0; got = file.read(piece)) pieces.push(...piece.subarray(0, got));
      assert.deepEqual(pieces, [...whole.subarray(0, length)]);
      assert.equal(file.pread(piece, length + 1000), 0);
    }
    assert.equal(parse(ofVm).stats.get("vcpus")?.value, 1n);
    for (const file of [ofVm, ofCpu]) file.close();
  });
}
