/** The task's priority as the user side sees it: accesses that are reported, a word of memory that stands for it, CR8. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../base/errno.test-support.js";
import { KVM_CAP_VAPIC } from "../../kvm/constants.js";
import { type Guest, guest, msr, ramSize, types, vectorAt } from "./kvm.test-support.js";
import { KVM_MP_STATE_RUNNABLE, KVM_X86_UNIKVM_HV } from "./uapi.js";

const page = 0x8200;
const local = 0xfee0_0000n;
const store = (address: number, value: number): string[] => [
  `mov eax, 0x${address.toString(16)}`,
  `mov dword ptr [rax], 0x${value.toString(16)}`,
];
const enable = store(0xfee000f0, 0x1ff);

function go(one: Guest, lines: readonly string[]): number {
  one.load(lines);
  assert.equal(one.run().reason, "hlt");
  return vectorAt(one);
}
const wordAt = (one: Guest): number => new DataView(one.ram().buffer, one.ram().byteOffset).getUint32(page, true);

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  test(`${title}: accesses to the task's priority are told once they are done, with the instruction's place`, async () => {
    const one = await guest(type);
    const { cpu, vm } = one;
    assert.equal(vm.checkExtension(KVM_CAP_VAPIC), 1);
    go(one, enable);
    cpu.tprAccessReporting({ enabled: 1 });
    one.load(["mov esi, 0xfee00080", "mov dword ptr [rsi], 0x35", "mov ebx, dword ptr [rsi]", "mov ecx, ebx"]);
    const written = one.run();
    // Behind MOV of 5 bytes.
    assert.deepEqual(written, { reason: "tpr_access", rip: 0x10_0005n, isWrite: true });
    assert.equal(cpu.getLapic()[0x80], 0x35);
    const read = one.run();
    assert.deepEqual(read, { reason: "tpr_access", rip: cpu.getRegs().rip - 2n, isWrite: false });
    assert.equal(cpu.getRegs().rbx, 0x35n);
    assert.equal(one.run().reason, "hlt");
    // CR8 is no access to the local APIC; nor are its other registers.
    assert.equal(go(one, ["mov eax, 2", "mov cr8, rax", ...store(0xfee000b0, 0)]), -1);
    go(one, msr(0x1b, 0xfee00d00));
    one.load(msr(0x808, 0x40));
    const byRegister = one.run();
    assert.ok(byRegister.reason === "tpr_access" && byRegister.isWrite);
    assert.equal(one.run().reason, "hlt");
    cpu.tprAccessReporting({ enabled: 0 });
    assert.equal(go(one, msr(0x808, 0x10)), -1);
    assert.equal(cpu.stats()["exits.tpr_access"], 3);
  });

  test(`${title}: a word of memory stands for the priority, and tells what waits and what is being handled`, async () => {
    const one = await guest(type);
    const { cpu, vm } = one;
    go(one, enable);
    cpu.setVapicAddr(BigInt(page));
    // What waits, above what is being handled: nothing yet.
    vm.signalMsi({ address: local, data: 0x41 });
    assert.equal(go(one, [`mov ebx, dword ptr [0x${page.toString(16)}]`]), -1);
    assert.equal(cpu.getRegs().rbx, 0x4100_0000n);
    // The guest raises it there: the interrupt waits, though interrupts are let in.
    assert.equal(go(one, [...store(page, 0x53), "vmcall", "sti", "nop", "nop"]), -1);
    assert.deepEqual([cpu.getLapic()[0x80], cpu.getCr8(), wordAt(one)], [0x53, 5, 0x4100_0053]);
    const poll = ["mov eax, 1", "vmcall"];
    assert.equal(go(one, [...store(page, 0), ...poll, "sti", "nop"]), 0x41);
    vm.signalMsi({ address: local, data: 0x62 });
    assert.equal(go(one, [`mov ebx, dword ptr [0x${page.toString(16)}]`]), -1);
    assert.equal(cpu.getRegs().rbx, 0x6200_4000n);
    // What is set from outside is there, too.
    cpu.setSregs({ ...cpu.getSregs(), cr8: 7n });
    assert.equal(go(one, [`mov ebx, dword ptr [0x${page.toString(16)}]`]), -1);
    assert.equal(cpu.getRegs().rbx & 0xffn, 0x70n);
    // Without memory there, it is nowhere; 0 is none.
    vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: 0n, userspaceAddr: 0 });
    cpu.setMpState(KVM_MP_STATE_RUNNABLE);
    assert.equal(one.run().reason, "shutdown");
    for (const wrong of [BigInt(page), 1n << 63n]) assert.throws(() => cpu.setVapicAddr(wrong), errno("EINVAL"));
    cpu.setVapicAddr(0n);
  });

  test(`${title}: CR8 goes in and out where the local APIC is the user side's`, async () => {
    const one = await guest(type, "intel", false);
    one.cpu.setCr8(9);
    assert.equal(go(one, ["mov rbx, cr8", "mov eax, 12", "mov cr8, rax"]), -1);
    assert.deepEqual([one.cpu.getRegs().rbx, one.cpu.getCr8()], [9n, 12]);
    for (const wrong of [16, -1, 0.5, Number.NaN]) assert.throws(() => one.cpu.setCr8(wrong), errno("EINVAL"));
    assert.throws(() => one.cpu.setVapicAddr(BigInt(ramSize - 4)), errno("EINVAL"));
    const other = await guest(type, "intel", "split");
    other.cpu.setCr8(9);
    assert.equal(go(other, ["mov rbx, cr8"]), -1);
    assert.equal(other.cpu.getRegs().rbx, 0n);
  });
}
