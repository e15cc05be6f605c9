/** Hostile arguments (../hostile-calls.ts) for every call of an x86 VM. Afterwards the VM still runs a guest. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type X86Call, x86Calls } from "../../../src/arch/x86/calls/calls.js";
import { x86Signatures } from "../../../src/arch/x86/calls/signatures.js";
import { hostileArguments, refusesByName } from "../hostile-calls.js";
import { soon } from "../neutral-cases.js";
import { Random } from "../random.js";
import { implementations, X86Fixture } from "./fixture.js";

const hostile: { readonly [C in X86Call]?: (r: Random, it: X86Fixture) => readonly unknown[] } = {
  ...hostileArguments,
  KVM_SET_REGS: (r, { cpu }) => [r.spoil(cpu.getRegs())],
  KVM_SET_SREGS: (r, { cpu }) => [r.spoil({ ...cpu.getSregs(), cs: r.spoil(cpu.getSregs().cs) })],
  KVM_SET_CPUID2: (r, { kvm }) => [kvm.getSupportedCpuid().map((entry) => r.spoil(entry))],
  KVM_GET_MSRS: (r, { kvm }) => [r.array(() => ({ index: r.pick([...kvm.getMsrIndexList(), r.next()]), data: 0n }))],
  KVM_SET_MSRS: (r, { kvm }) => [
    r.array(() => ({
      index: r.pick([...kvm.getMsrIndexList(), 0x800 + (r.next() & 0xff), r.next()]),
      data: r.bigint(),
    })),
  ],
};

for (const name of implementations) {
  for (const [index, [call, row]] of Object.entries(x86Calls).entries()) {
    const arguments_ = hostile[call as X86Call];
    if (!arguments_) continue;
    for (const controllers of [true, false]) {
      test(`x86 ${name}: ${call} takes any values, ${controllers ? "with" : "without"} interrupt controllers`, () => {
        const it = new X86Fixture(name);
        const random = new Random(0x9e3779b9 + index);
        if (controllers) {
          it.controller;
          it.vm.createPit2();
        }
        const { cpu, vm } = it;
        const objects = { kvm: it.kvm, vm, vcpu: cpu, eventfd: vm.createEventFd(), stats: vm.getStatsFd() };
        refusesByName(row, x86Signatures, objects[row.on], () => arguments_(random, it));
        // A guest of its own, since this one's registers may hold anything.
        const after = new X86Fixture(name);
        after.exiting();
        assert.equal(after.cpu.run({ deadline: soon() }).reason, "io");
        // Whatever is set, entering the guest ends with an exit.
        it.vm.setTrace({ categories: [], sink: () => {} });
        assert.equal(typeof cpu.run({ deadline: performance.now() + 5 }).reason, "string");
        after.close();
        it.close();
      });
    }
  }
}
