import assert from "node:assert/strict";
import { test } from "node:test";
import {
  KVM_MP_STATE_HALTED,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_UNINITIALIZED,
  type X86Regs,
} from "../../../arch/x86/uapi.js";
import { allHaltedForGood } from "./halt.js";

/** A CPU whose thread does something between two looks at it: `meanwhile`, before its flags are read. */
function cpu(
  state: number,
  rflags: bigint,
  meanwhile: (now: { state: number; rflags: bigint; wakes: number }) => void,
) {
  const now = { state, rflags, wakes: 0 };
  return {
    getMpState: () => now.state,
    getRegs: () => {
      meanwhile(now);
      return { rflags: now.rflags } as X86Regs;
    },
    stats: () => ({ wakes: now.wakes }),
  };
}
const nothing = (): void => {};
const haltedForGood = (one: ReturnType<typeof cpu>): boolean => allHaltedForGood([one]);

test("who halts with interrupts off has halted for good, and who waits for its start; nobody else has", () => {
  assert.equal(haltedForGood(cpu(KVM_MP_STATE_HALTED, 0x2n, nothing)), true);
  assert.equal(haltedForGood(cpu(KVM_MP_STATE_UNINITIALIZED, 0x2n, nothing)), true);
  assert.equal(haltedForGood(cpu(KVM_MP_STATE_HALTED, 0x202n, nothing)), false);
  assert.equal(haltedForGood(cpu(KVM_MP_STATE_RUNNABLE, 0x2n, nothing)), false);
});

test("who wakes while it is looked at has interrupts off for a handler, not for good", () => {
  const woken = cpu(KVM_MP_STATE_HALTED, 0x202n, (now) => {
    Object.assign(now, { state: KVM_MP_STATE_RUNNABLE, rflags: 0x2n, wakes: 1 });
  });
  assert.equal(haltedForGood(woken), false);
  // And halts again before the second look.
  const again = cpu(KVM_MP_STATE_HALTED, 0x202n, (now) => {
    Object.assign(now, { rflags: 0x2n, wakes: 1 });
  });
  assert.equal(haltedForGood(again), false);
});
