import assert from "node:assert/strict";
import { test } from "node:test";
import { KVM_MEM_LOG_DIRTY_PAGES } from "../../../kvm/constants.js";
import { ramSize, testVm } from "../test-vm.test-support.js";

test("a page is noted after it was written: who took the dirty log meanwhile finds it in the next", () => {
  const { vm, ppc, ram } = testVm();
  vm.setUserMemoryRegion({
    slot: 0,
    flags: KVM_MEM_LOG_DIRTY_PAGES,
    guestPhysAddr: 0n,
    memorySize: BigInt(ramSize),
    userspaceAddr: ram,
  });
  const isNoted = (): boolean => ((vm.getDirtyLog(0)[0] ?? 0) & 2) !== 0;
  const { memory } = ppc;
  const written = memory.write(0x10000n, 8, (view) => {
    isNoted();
    view.setUint32(0, 1);
  });
  assert.ok(written && isNoted());
  // What was written before it failed was written.
  const failing = (): void => {
    isNoted();
    throw new Error("half way");
  };
  assert.throws(() => memory.write(0x10000n, 8, failing), /half way/);
  assert.ok(isNoted());
  assert.ok(memory.storeWord(0x10000n, 1) && isNoted());
  assert.equal(
    memory.write(BigInt(ramSize) - 4n, 8, () => assert.fail("called")),
    false,
  );
  assert.ok(!isNoted());
});
