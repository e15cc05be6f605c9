/** KVM_CAP_SPLIT_IRQCHIP: local APICs in the kernel side, all other controllers the user side's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../base/errno.test-support.js";
import { KVM_CAP_SPLIT_IRQCHIP, KVM_IRQFD_FLAG_RESAMPLE } from "../../kvm/constants.js";
import { type Guest, guest, kvmOf, msr, openWindow, ramSize, types, vectorAt, waitUntil } from "./kvm.test-support.js";
import { KVM_MP_STATE_HALTED, KVM_X86_UNIKVM_HV } from "./uapi.js";

const local = 0xfee0_0000n;
const store = (address: number, value: number): string[] => [
  `mov eax, 0x${address.toString(16)}`,
  `mov dword ptr [rax], 0x${value.toString(16)}`,
];
const enable = store(0xfee000f0, 0x1ff);
const end = store(0xfee000b0, 0);
const lineMasked = store(0xfee00350, 0x10700);
const lineOpen = store(0xfee00350, 0x700);
/** Level, asserted. */
const byLevel = 0xc000;
const route = (gsi: number, data: number) => ({ gsi, type: "msi", address: local, data }) as const;

/** Loads and runs to its HLT: the vector that it stands in. */
function go(one: Guest, lines: readonly string[]): number {
  one.load(lines);
  assert.equal(one.run().reason, "hlt");
  return vectorAt(one);
}

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  test(`${title}: the older controllers, the timer and the IOAPIC are the user side's, the local APIC is not`, async () => {
    const one = await guest(type, "intel", "split");
    one.load([...enable, "out 0x20, al", "in al, 0x40", ...store(0xfec00010, 7), "mov cr8, rax"]);
    const first = one.run();
    assert.ok(first.reason === "io" && first.port === 0x20, first.reason);
    const second = one.run();
    assert.ok(second.reason === "io" && second.port === 0x40, second.reason);
    const third = one.run();
    assert.ok(third.reason === "mmio" && third.physAddr === 0xfec0_0010n && third.data === 7n, third.reason);
    // Nor is a lower priority anybody's affair outside.
    one.load(["mov eax, 9", "mov cr8, rax", "xor eax, eax", "mov cr8, rax", "hlt"]);
    assert.equal(one.run().reason, "hlt");
    assert.equal(one.cpu.getMpState(), KVM_MP_STATE_HALTED);
  });

  test(`${title}: messages come by KVM_SIGNAL_MSI, by a route, and by an eventfd; pins cannot be routed to`, async () => {
    const one = await guest(type, "intel", "split");
    const { vm } = one;
    go(one, enable);
    assert.equal(vm.signalMsi({ address: local, data: 0x41 }), 1);
    assert.equal(go(one, ["sti", "nop"]), 0x41);
    // No line leads anywhere until it is routed.
    vm.irqLine(4, 1);
    vm.setGsiRouting([route(4, 0x42), route(30, 0x43)]);
    vm.irqLine(4, 1);
    assert.equal(go(one, [...end, "sti", "nop"]), 0x42);
    const fd = vm.createEventFd();
    vm.irqfd({ fd, gsi: 30 });
    fd.signal();
    assert.equal(go(one, [...end, "sti", "nop"]), 0x43);
    const resample = { fd: vm.createEventFd(), resamplefd: vm.createEventFd(), flags: KVM_IRQFD_FLAG_RESAMPLE };
    assert.throws(() => vm.irqfd({ ...resample, gsi: 4 }), errno("EINVAL"));
    assert.throws(() => vm.setGsiRouting([{ gsi: 1, type: "irqchip", irqchip: 2, pin: 1 }]), errno("EINVAL"));
  });

  test(`${title}: the user side hears of the end of what a pin of its IOAPICs raises by level, and of nothing else`, async () => {
    const one = await guest(type, "intel", "split");
    const { vm } = one;
    vm.setGsiRouting([route(5, byLevel | 0x55), route(6, 0x56), route(24, byLevel | 0x57)]);
    go(one, enable);
    vm.irqLine(5, 1);
    assert.equal(go(one, ["sti", "nop"]), 0x55);
    one.load([...end, "mov ebx, 9", "out 0x80, al"]);
    assert.deepEqual(one.run(), { reason: "ioapic_eoi", vector: 0x55 });
    // The instruction has been done, and no other.
    assert.notEqual(one.cpu.getRegs().rbx, 9n);
    assert.equal(one.cpu.getLapic()[0x100 + 16 * 2] ?? 0, 0, "nothing is in service");
    const then = one.run();
    assert.ok(then.reason === "io" && then.port === 0x80);
    assert.equal(one.run().reason, "hlt");
    // An edge; a pin that is no IOAPIC's; a level that no route has.
    for (const vector of [0x56, 0x57, 0x58]) {
      if (vector === 0x58) vm.signalMsi({ address: local, data: byLevel | vector });
      else vm.irqLine(vector === 0x56 ? 6 : 24, 1);
      assert.equal(go(one, ["sti", "nop"]), vector);
      assert.equal(go(one, end), -1);
    }
    // By the x2APIC's register, too; and where the table has changed meanwhile, it is the one that there is now.
    go(one, msr(0x1b, 0xfee00d00));
    vm.irqLine(5, 1);
    assert.equal(go(one, ["sti", "nop"]), 0x55);
    one.load(msr(0x80b, 0));
    assert.deepEqual(one.run(), { reason: "ioapic_eoi", vector: 0x55 });
    vm.irqLine(5, 1);
    assert.equal(go(one, ["sti", "nop"]), 0x55);
    vm.setGsiRouting([]);
    assert.equal(go(one, msr(0x80b, 0)), -1);
    const stats = one.cpu.stats();
    assert.equal(stats["exits.ioapic_eoi"], 2);
  });

  test(`${title}: KVM_INTERRUPT comes in by the local APIC's line 0, and windows are its`, async () => {
    const one = await guest(type, "intel", "split");
    const { cpu } = one;
    go(one, enable);
    openWindow(one);
    cpu.interrupt(0x77);
    assert.throws(() => cpu.interrupt(0x78), errno("EEXIST"));
    assert.throws(() => cpu.interrupt(256), errno("EINVAL"));
    assert.equal(cpu.readyForInterruptInjection(), false);
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 0x77);
    // While the line is masked, there is no window, and the guest goes on all the same.
    go(one, lineMasked);
    one.load(["sti", "nop", "nop", "nop"]);
    assert.equal(cpu.readyForInterruptInjection(), false);
    assert.equal(one.run().reason, "hlt");
    cpu.interrupt(0x79);
    assert.equal(go(one, ["sti", "nop", "nop"]), -1);
    cpu.requestInterruptWindow(false);
    assert.equal(go(one, [...lineOpen, "sti", "nop"]), 0x79);
    // It ends HLT.
    one.load(["sti", "hlt"]);
    assert.equal(one.run().reason, "hlt");
    cpu.interrupt(0x7a);
    await waitUntil(one, (each) => vectorAt(each) === 0x7a);
  });

  test(`${title}: what waits goes along to another VM that is made so, and to no other`, async () => {
    const one = await guest(type, "intel", "split");
    go(one, [...enable, "cli"]);
    one.cpu.interrupt(0x66);
    const two = await guest(type, "intel", "split");
    two.ram().set(one.ram());
    two.vm.guestWritten(0n, ramSize);
    const state = structuredClone(one.vm.saveState());
    two.vm.loadState(state);
    assert.equal(go(two, ["sti", "nop"]), 0x66);
    assert.throws(() => two.cpu.interrupt(0x100), errno("EINVAL"));
    const whole = await guest(type);
    assert.throws(() => whole.vm.loadState(state), /EINVAL.*KVM_CAP_SPLIT_IRQCHIP/);
    assert.throws(() => two.vm.loadState(whole.vm.saveState()), /EINVAL.*all controllers/);
  });
}

test("KVM_CAP_SPLIT_IRQCHIP and KVM_CREATE_IRQCHIP exclude each other", async () => {
  const kvm = await kvmOf("intel");
  const split = (pins: number | bigint) => ({ cap: KVM_CAP_SPLIT_IRQCHIP, args: [pins] });
  const vm = kvm.createVm(types[1]);
  assert.equal(vm.checkExtension(KVM_CAP_SPLIT_IRQCHIP), 1);
  for (const wrong of [4097, -1, 0.5, Number.NaN, 2 ** 53, 1n << 64n]) {
    assert.throws(() => vm.enableCap(split(wrong)), errno("EINVAL"));
  }
  vm.enableCap(split(24));
  assert.throws(() => vm.enableCap(split(24)), errno("EEXIST"));
  assert.throws(() => vm.createIrqchip(), errno("EEXIST"));
  assert.throws(() => vm.createPit2(), errno("ENOENT"));
  assert.throws(() => vm.getIrqchip(2), errno("ENXIO"));
  assert.throws(() => vm.getPit2(), errno("ENXIO"));
  vm.close();
  const late = kvm.createVm(types[1]);
  const cpu = late.createVcpu(0);
  assert.throws(() => late.enableCap(split(24)), errno("EEXIST"));
  cpu.close();
  late.close();
});
