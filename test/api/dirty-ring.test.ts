/** Dirty rings: what the guest and the kernel side write appears once, until it is taken back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PpcVcpu } from "../../src/arch/powerpc/uapi.js";
import { errno } from "../../src/base/errno.test-support.js";
import { openKvm } from "../../src/kernel.js";
import {
  KVM_CAP_DIRTY_LOG_RING,
  KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
  KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP,
  KVM_CAP_PPC_ENABLE_HCALL,
  KVM_MEM_LOG_DIRTY_PAGES,
} from "../../src/kvm/constants.js";
import { entrySize, take } from "./dirty-entries.js";
import { Fixture, implementations, page, soon } from "./fixture.js";

const ringBytes = 2048;
const manyPages = 256;
/** In slot 3, away from the code. */
const logged = 0x1000_0000n;

/** 16 MiB of logged memory in slot 3 and a ring of 128 entries. */
function ready(name: (typeof implementations)[number], bytes = ringBytes): Fixture {
  const it = new Fixture(name);
  it.vm.enableCap({ cap: KVM_CAP_DIRTY_LOG_RING_ACQ_REL, args: [bytes] });
  const memorySize = BigInt(manyPages) * page;
  const userspaceAddr = it.vm.allocate(Number(memorySize));
  const flags = KVM_MEM_LOG_DIRTY_PAGES;
  it.vm.setUserMemoryRegion({ slot: 3, guestPhysAddr: logged, memorySize, userspaceAddr, flags });
  return it;
}

/** Stores to the page in r20, then asks. */
const store = "again:\nstd 6, 0(20)\nstd 6, 8(20)\nli 3, 0x58\nsc 1\nb again\n";

function setGpr(cpu: PpcVcpu, number: number, value: bigint): void {
  const regs = cpu.getRegs();
  cpu.setRegs({ ...regs, gpr: regs.gpr.with(number, value) });
}

for (const name of implementations) {
  test(`${name}: a page is noted once, and again after the reset`, () => {
    const it = ready(name);
    it.code(store);
    const { cpu, vm } = it;
    const writeTo = (index: bigint) => {
      setGpr(cpu, 20, logged + index * page + 0x100n);
      assert.equal(cpu.run({ deadline: soon() }).reason, "papr_hcall");
    };
    for (const index of [7n, 7n, 200n, 7n]) writeTo(index);
    assert.deepEqual(take(it.vm, cpu, 0), [
      [3, 7],
      [3, 200],
    ]);
    writeTo(7n);
    assert.deepEqual(take(it.vm, cpu, 2), []);
    assert.equal(vm.resetDirtyRings(), 2);
    assert.equal(vm.resetDirtyRings(), 0);
    writeTo(7n);
    assert.deepEqual(take(it.vm, cpu, 2), [[3, 7]]);
    it.close();
  });

  test(`${name}: a full ring stops the guest before its store, as often as it is run`, () => {
    const it = ready(name);
    it.code("again:\nstdx 6, 5, 7\nadd 7, 7, 8\naddi 6, 6, 1\nb again\n");
    const { cpu, vm } = it;
    setGpr(cpu, 5, logged);
    setGpr(cpu, 8, page);
    for (let again = 0; again < 2; again++) assert.equal(cpu.run({ deadline: soon() }).reason, "dirty_ring_full");
    // 64 of 128 entries are the reserve.
    assert.equal(cpu.getRegs().gpr[6], 64n);
    assert.equal(take(it.vm, cpu, 0).length, 64);
    assert.equal(cpu.run({ deadline: soon() }).reason, "dirty_ring_full");
    assert.equal(vm.resetDirtyRings(), 64);
    assert.equal(cpu.run({ deadline: soon() }).reason, "dirty_ring_full");
    assert.equal(cpu.getRegs().gpr[6], 128n);
    assert.deepEqual(
      take(it.vm, cpu, 64).map(([, index]) => index),
      Array.from({ length: 64 }, (_, i) => 64 + i),
    );
    assert.equal(cpu.stats()["exits.dirty_ring_full"], 4);
    it.close();
  });

  test(`${name}: what a hypercall writes is noted in its caller's ring`, () => {
    const it = ready(name);
    it.vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [0x2c, 1] });
    it.code("li 3, 0x2c\nlis 4, 0\nori 4, 4, 0x8000\nsc 1\nli 3, 0x58\nsc 1\n");
    const second = it.vm.createVcpu(1);
    setGpr(it.cpu, 5, logged + 9n * page);
    assert.equal(it.cpu.run({ deadline: soon() }).reason, "papr_hcall");
    assert.deepEqual(take(it.vm, it.cpu, 0), [[3, 9]]);
    assert.deepEqual(take(it.vm, second, 0), []);
    second.close();
    it.close();
  });

  test(`${name}: whatever stands in the ring, the kernel side only clears pages of slots`, () => {
    const it = ready(name);
    it.code(store);
    const { cpu, vm } = it;
    setGpr(cpu, 20, logged);
    cpu.run({ deadline: soon() });
    const { dirtyRing } = cpu;
    assert.ok(dirtyRing);
    const view = new DataView(vm.memory.buffer);
    for (let i = 0; i < dirtyRing.entries; i++) {
      const at = dirtyRing.address + i * entrySize;
      view.setUint32(at, 0xffffffff, true);
      view.setUint32(at + 4, [3, 0, 9, 0xffffffff][i % 4] as number, true);
      view.setBigUint64(at + 8, [0xffff_ffff_ffff_ffffn, 1n << 40n, 255n, 256n][i % 4] as bigint, true);
    }
    assert.equal(vm.resetDirtyRings(), 1);
    assert.equal(cpu.run({ deadline: soon() }).reason, "papr_hcall");
    it.close();
  });

  test(`${name}: a ring and what is in it go with a VM that moves`, async () => {
    const it = ready(name);
    it.code(store);
    const { cpu, vm } = it;
    const writeTo = (index: bigint) => {
      setGpr(cpu, 20, logged + index * page);
      assert.equal(cpu.run({ deadline: soon() }).reason, "papr_hcall");
      // Answers the exit, so that nothing is open.
      cpu.immediateExit = true;
      cpu.run();
      cpu.immediateExit = false;
    };
    writeTo(1n);
    const ring = cpu.dirtyRing;
    await vm.moveTo(await openKvm({ memory: "unshared" }), { type: name === "hv" ? 2 : 1 });
    assert.deepEqual(cpu.dirtyRing, ring);
    writeTo(1n);
    writeTo(2n);
    assert.deepEqual(take(it.vm, cpu, 0), [
      [3, 1],
      [3, 2],
    ]);
    assert.equal(vm.resetDirtyRings(), 2);
    writeTo(1n);
    assert.deepEqual(take(it.vm, cpu, 2), [[3, 1]]);
    it.close();
  });

  test(`${name}: rings are asked for once, in a size that can be had, before the first vCPU`, () => {
    const it = new Fixture(name);
    const enable = (bytes: number) => () => it.vm.enableCap({ cap: KVM_CAP_DIRTY_LOG_RING, args: [bytes] });
    const largest = it.vm.checkExtension(KVM_CAP_DIRTY_LOG_RING);
    for (const bytes of [0, 1024, ringBytes + 1, -1, 1.5]) assert.throws(enable(bytes), errno("EINVAL"));
    assert.throws(enable(2 * largest), errno("E2BIG"));
    const withBitmap = () => it.vm.enableCap({ cap: KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP });
    assert.throws(withBitmap, errno("EINVAL"));
    enable(ringBytes)();
    assert.throws(enable(ringBytes), errno("EINVAL"));
    withBitmap();
    it.vm.setUserMemoryRegion({ ...it.region, flags: KVM_MEM_LOG_DIRTY_PAGES });
    assert.equal(it.vm.getDirtyLog(0).length, 8);
    assert.equal(it.cpu.dirtyRing?.entries, ringBytes / entrySize);
    const late = new Fixture(name);
    assert.equal(late.cpu.dirtyRing, undefined);
    assert.throws(() => late.vm.enableCap({ cap: KVM_CAP_DIRTY_LOG_RING, args: [ringBytes] }), errno("EINVAL"));
    late.close();
    it.close();
  });
}
