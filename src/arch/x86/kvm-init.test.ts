/** INIT that comes in the middle of what the user side is to answer, or of a save. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { guest, types } from "./kvm.test-support.js";
import { KVM_MP_STATE_INIT_RECEIVED, KVM_X86_UNIKVM_HV } from "./uapi.js";

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  test(`${title}: an instruction that sends its processor an INIT and goes on to a device is done first`, async () => {
    const { vm, cpu, load, run } = await guest(type);
    // ENTER pushes the IOAPIC's entry of a line that is up, which makes it an INIT, and then what lies below the IOAPIC.
    vm.irqLine(5, 1);
    load(["mov eax, 0xfec00000", "mov dword ptr [rax], 0x1a", "mov esp, 0xfec00018", "mov ebp, 0x8500", "enter 0, 3"]);
    let exit = run();
    assert.ok(exit.reason === "mmio" && exit.physAddr === 0xfebf_fff8n && exit.isWrite, exit.reason);
    while (exit.reason === "mmio") exit = run();
    assert.deepEqual(exit, { reason: "hlt", until: Number.POSITIVE_INFINITY });
    assert.equal(cpu.getMpState(), KVM_MP_STATE_INIT_RECEIVED);
    assert.equal(cpu.getSregs().cs.base, 0xffff_0000n);
  });

  test(`${title}: one that waits when the VM is saved is taken at once where it goes on`, async () => {
    const [one, two] = [await guest(type), await guest(type)];
    two.load(["jmp 0x100000"]);
    one.load(["jmp 0x100000"]);
    assert.equal(one.vm.signalMsi({ address: 0xfee0_0000n, data: 0x500 }), 1);
    two.vm.loadState(structuredClone(one.vm.saveState()));
    const begin = performance.now();
    assert.equal(two.run().reason, "hlt");
    assert.ok(performance.now() - begin < 30_000, "at its deadline");
    assert.equal(two.cpu.getMpState(), KVM_MP_STATE_INIT_RECEIVED);
  });
}
