import assert from "node:assert/strict";
import { test } from "node:test";
import type { PpcVcpu } from "../../../arch/powerpc/uapi.js";
import { GuestMemory } from "../../core/guest-memory.js";
import { Fwnmi, type FwnmiState } from "./fwnmi.js";

const rtasBase = 0x8000;

/** A vCPU that has only registers. */
function vcpu(id: number): PpcVcpu {
  let regs = { gpr: Array<bigint>(32).fill(5n), pc: 0x1234n, msr: 0n, srr0: 0n, srr1: 0n };
  return {
    id,
    getRegs: () => structuredClone(regs),
    setRegs: (to: typeof regs) => {
      regs = to;
    },
    getOneReg: () => 0n,
  } as unknown as PpcVcpu;
}

test("one made from the other's state delivers, waits and is released as the other", () => {
  const memory = GuestMemory.standalone(0x1_0000);
  const first = new Fwnmi(memory, rtasBase);
  const again = (): Fwnmi => new Fwnmi(memory, rtasBase, structuredClone(first.save()));
  for (const each of [first, again()]) assert.equal(each.deliver(vcpu(0), 0), "unregistered");
  assert.equal(first.register(0x100, 0x200), true);
  const cpu = vcpu(1);
  assert.equal(again().deliver(cpu, 0), "delivered");
  assert.equal(cpu.getRegs().pc, 0x200n);
  assert.equal(first.deliver(vcpu(1), 0), "delivered");
  for (const each of [again(), first]) {
    assert.equal(each.deliver(vcpu(1), 0), "nested");
    assert.equal(each.deliver(vcpu(0), 0), "later");
    assert.equal(each.release(0), false);
    assert.equal(each.release(1), true);
    assert.equal(each.deliver(vcpu(0), 0), "delivered");
  }
});

test("a state that it cannot have got into is refused", () => {
  for (const [state, message] of [
    [{ machineCheck: 0x202 }, /the saved handler of machine checks, 514, is no instruction in memory/],
    [{ machineCheck: 0x1_0000 }, /65536/],
    [{ machineCheck: "512" }, /machineCheck is "512"/],
    [{ machineCheck: 0x200, holder: -1 }, /holder is -1/],
    [{ holder: 1 }, /CPU 1 has an error log, without a handler/],
  ] as const) {
    const make = () => new Fwnmi(GuestMemory.standalone(0x1_0000), rtasBase, state as FwnmiState);
    assert.throws(make, { code: "EINVAL", message });
  }
});
