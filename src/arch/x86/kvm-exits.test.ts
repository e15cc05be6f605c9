/** What of an x86 guest's doings reaches the user side because that asked for it: registers, windows, priorities, ports. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  KVM_CAP_NESTED_STATE,
  KVM_CAP_X86_DISABLE_EXITS,
  KVM_CAP_X86_NOTIFY_VMEXIT,
  KVM_CAP_X86_SMM,
  KVM_CAP_X86_USER_SPACE_MSR,
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IOEVENTFD_FLAG_PIO,
} from "../../kvm/constants.js";
import type { Exit } from "../../kvm/uapi.js";
import { guest, kvmOf, msr, openWindow, out, types, vectorAt, waitUntil } from "./kvm.test-support.js";
import {
  KVM_MP_STATE_RUNNABLE,
  KVM_MSR_EXIT_REASON_FILTER,
  KVM_MSR_EXIT_REASON_INVAL,
  KVM_MSR_EXIT_REASON_UNKNOWN,
  KVM_MSR_FILTER_DEFAULT_DENY,
  KVM_MSR_FILTER_READ,
  KVM_MSR_FILTER_WRITE,
  KVM_X86_DISABLE_EXITS_HLT,
  KVM_X86_UNIKVM_HV,
} from "./uapi.js";

const sysenterCs = 0x174;
const read = (number: number): string[] => [`mov ecx, 0x${number.toString(16)}`, "rdmsr"];

type Of<R extends Exit["reason"]> = Extract<Exit, { readonly reason: R }>;
function isExit<R extends Exit["reason"]>(exit: Exit, reason: R): Of<R> {
  assert.equal(exit.reason, reason);
  return exit as Of<R>;
}

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  test(`${title}: a filter decides about reads and writes, and lets the rest be as they were`, async () => {
    const one = await guest(type);
    const { cpu, vm } = one;
    const both = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
    // SYSENTER_CS is for nobody, of the two after it only the second.
    vm.setMsrFilter({ ranges: [{ flags: both, base: sysenterCs, nmsrs: 3, bitmap: Uint8Array.of(0b100) }] });
    for (const lines of [read(sysenterCs), msr(sysenterCs + 1, 7)]) {
      one.load(lines);
      assert.equal(one.run().reason, "hlt");
      assert.equal(vectorAt(one), 13);
    }
    one.load([...msr(sysenterCs + 2, 0x99), "xor eax, eax", ...read(sysenterCs + 2), "mov ebx, eax", ...read(0x277)]);
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([vectorAt(one), cpu.getRegs().rbx], [-1, 0x99n]);
    // What the register does not take stays #GP.
    one.load(msr(0x277, 0x2));
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 13);
    // The user side itself is not filtered.
    assert.equal(cpu.setMsrs([{ index: sysenterCs, data: 0x10n }]), 1);

    vm.enableCap({ cap: KVM_CAP_X86_USER_SPACE_MSR, args: [KVM_MSR_EXIT_REASON_FILTER] });
    one.load([...read(sysenterCs), "mov ebx, eax", ...msr(sysenterCs, 0x77), "mov esi, 1", ...msr(sysenterCs, 0x78)]);
    const rdmsr = isExit(one.run(), "x86_rdmsr");
    assert.deepEqual(
      { ...rdmsr },
      { reason: "x86_rdmsr", msrReason: KVM_MSR_EXIT_REASON_FILTER, index: sysenterCs, data: 0n, error: 0 },
    );
    rdmsr.data = 0xabcdn;
    const wrmsr = isExit(one.run(), "x86_wrmsr");
    assert.deepEqual([wrmsr.index, wrmsr.data, wrmsr.msrReason], [sysenterCs, 0x77n, KVM_MSR_EXIT_REASON_FILTER]);
    const last = isExit(one.run(), "x86_wrmsr");
    assert.deepEqual([cpu.getRegs().rbx, cpu.getRegs().rsi], [0xabcdn, 1n]);
    last.error = 1;
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 13);
    const entry = { index: sysenterCs, data: 0n };
    cpu.getMsrs([entry]);
    assert.equal(entry.data, 0x10n, "the user side had what was written");

    const denied = { flags: both, base: 0x277, nmsrs: 1, bitmap: Uint8Array.of(1) };
    vm.setMsrFilter({ flags: KVM_MSR_FILTER_DEFAULT_DENY, ranges: [denied] });
    one.load([...read(0x277), ...read(0xc000_0082)]);
    assert.equal(isExit(one.run(), "x86_rdmsr").index, 0xc000_0082);
    assert.equal(one.run().reason, "hlt");
    vm.setMsrFilter({ ranges: [] });
    one.load([...read(sysenterCs), "mov ebx, eax"]);
    assert.equal(one.run().reason, "hlt");
    assert.equal(cpu.getRegs().rbx, 0x10n);
  });

  test(`${title}: registers that there are none of, and values that they do not take, are the user side's if it wants`, async () => {
    const one = await guest(type);
    one.load(read(0x1_2345));
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 13);
    const wanted = KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL;
    one.vm.enableCap({ cap: KVM_CAP_X86_USER_SPACE_MSR, args: [wanted] });
    one.load([...read(0x1_2345), "mov ebx, eax", "mov esi, edx"]);
    const exit = isExit(one.run(), "x86_rdmsr");
    assert.equal(exit.msrReason, KVM_MSR_EXIT_REASON_UNKNOWN);
    exit.data = 0x5_0000_0006n;
    assert.equal(one.run().reason, "hlt");
    const { rbx, rsi } = one.cpu.getRegs();
    assert.deepEqual([rbx, rsi], [6n, 5n]);
    // Of the engine's own registers, and of the kernel side's.
    for (const number of [0x277, 0x4b56_4d03]) {
      one.load(msr(number, 0x2222));
      const wrong = isExit(one.run(), "x86_wrmsr");
      assert.deepEqual([wrong.index, wrong.msrReason, wrong.data], [number, KVM_MSR_EXIT_REASON_INVAL, 0x2222n]);
      assert.equal(one.run().reason, "hlt");
      assert.equal(vectorAt(one), -1, "it did what there was to do");
    }
    for (const args of [8, -1, 2 ** 40]) {
      assert.throws(() => one.vm.enableCap({ cap: KVM_CAP_X86_USER_SPACE_MSR, args: [args] }), /EINVAL/);
    }
  });

  test(`${title}: without controllers, run() tells when an interrupt can be put in, and of lower priorities and HLT`, async () => {
    const one = await guest(type, "intel", false);
    const { cpu } = one;
    openWindow(one);
    cpu.requestInterruptWindow(false);
    cpu.interrupt(0x77);
    assert.equal(cpu.readyForInterruptInjection(), false);
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 0x77);

    one.load(["mov eax, 9", "mov cr8, rax", "mov eax, 3", "mov cr8, rax", "mov ebx, 5", "hlt", "mov ebx, 6"]);
    assert.deepEqual(one.run(), { reason: "set_tpr", cr8: 3 });
    assert.deepEqual(one.run(), { reason: "hlt", until: Number.POSITIVE_INFINITY });
    assert.deepEqual([cpu.getRegs().rbx, cpu.getMpState()], [5n, KVM_MP_STATE_RUNNABLE]);
    // It goes on behind it, as in Linux.
    assert.equal(one.run().reason, "hlt");
    assert.equal(cpu.getRegs().rbx, 6n);
  });

  test(`${title}: a store to a port signals the eventfd that is bound to it`, async () => {
    const one = await guest(type);
    const { vm } = one;
    const [fd, memory] = [vm.createEventFd(), vm.createEventFd()];
    const flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH;
    vm.ioeventfd({ fd, addr: 0x510n, len: 2, flags, datamatch: 0x1234n });
    // The same number in memory is another place.
    vm.ioeventfd({ fd: memory, addr: 0x510n, len: 2 });
    assert.throws(() => vm.ioeventfd({ fd: memory, addr: 0x510n, len: 2, flags: KVM_IOEVENTFD_FLAG_PIO }), /EEXIST/);
    one.load(["mov dx, 0x510", "mov ax, 0x1234", "out dx, ax", "mov ax, 0x1235", "out dx, ax"]);
    const exit = isExit(one.run(), "io");
    assert.equal(exit.data, 0x1235n);
    assert.deepEqual([fd.read(), memory.read()], [1n, 0n]);
    vm.ioeventfd({ fd, addr: 0x510n, len: 2, flags: flags | KVM_IOEVENTFD_FLAG_DEASSIGN, datamatch: 0x1234n });
    one.load(["mov dx, 0x510", "mov ax, 0x1234", "out dx, ax"]);
    assert.equal(one.run().reason, "io");
  });

  test(`${title}: interrupts by a table: two controllers' pins, a message, and nothing twice`, async () => {
    const one = await guest(type);
    const { vm } = one;
    const store = (address: number, value: number) => [
      `mov eax, 0x${address.toString(16)}`,
      `mov dword ptr [rax], 0x${value.toString(16)}`,
    ];
    one.load([
      ...["mov al, 0xff", "out 0x21, al", "out 0xa1, al", ...store(0xfee000f0, 0x1ff)],
      ...[...store(0xfec00000, 0x1a), ...store(0xfec00010, 0x55)],
    ]);
    assert.equal(one.run().reason, "hlt");
    const pin = { gsi: 100, type: "irqchip", irqchip: 2, pin: 5 } as const;
    const older = { gsi: 100, type: "irqchip", irqchip: 0, pin: 3 } as const;
    const message = { gsi: 101, type: "msi", address: 0xfee0_0000n, data: 0x66 } as const;
    for (const wrong of [
      [pin, pin],
      [pin, { ...message, gsi: 100 }],
      [{ ...message, gsi: 100 }, pin],
      [{ ...pin, pin: 24 }],
      [{ ...older, pin: 8 }],
      [{ ...pin, irqchip: 3 }],
    ] as const) {
      assert.throws(() => vm.setGsiRouting(wrong), /EINVAL/);
    }
    vm.setGsiRouting([pin, older, message]);
    vm.irqLine(100, 1);
    assert.equal((vm.getIrqchip(0).pic?.last_irr ?? 0) & 8, 8);
    vm.irqLine(100, 0);
    one.load(["sti", "hlt"]);
    await waitUntil(one, (each) => vectorAt(each) === 0x55);
    vm.irqLine(101, 1);
    one.load([...store(0xfee000b0, 0), "sti", "hlt"]);
    await waitUntil(one, (each) => vectorAt(each) === 0x66);
  });

  test(`${title}: what waits at the older controllers comes when the local APIC's line 0 is opened, or the APIC turned off`, async () => {
    for (const opened of [["mov eax, 0xfee00350", "mov dword ptr [rax], 0x700"], msr(0x1b, 0xfee0_0100)]) {
      const one = await guest(type);
      one.load([
        ...["mov eax, 0xfee000f0", "mov dword ptr [rax], 0x1ff", "mov eax, 0xfee00350", "mov dword ptr [rax], 0x10700"],
        ...[...out(0x20, 0x11), ...out(0x21, 0x30, 4, 1, 0xf7)],
      ]);
      assert.equal(one.run().reason, "hlt");
      one.vm.irqLine(3, 1);
      one.load(["sti", "nop", "nop"]);
      assert.equal(one.run().reason, "hlt");
      assert.equal(vectorAt(one), -1);
      one.load([...opened, "sti", "nop", "nop"]);
      assert.equal(one.run().reason, "hlt");
      assert.equal(vectorAt(one), 0x33);
    }
  });

  test(`${title}: a gsi that the table lacks does nothing, be it a line's number or the timer's`, async () => {
    const one = await guest(type);
    const { vm } = one;
    const linesOf = () => [vm.getIrqchip(2).ioapic?.irr, vm.getIrqchip(0).pic?.last_irr];
    assert.throws(() => vm.irqLine(24, 1), /EINVAL/);
    vm.irqLine(5, 1);
    assert.deepEqual(linesOf(), [0x20, 0x20]);
    vm.irqLine(5, 0);
    const [fd, raised] = [vm.createEventFd(), vm.createEventFd()];
    vm.irqfd({ fd, gsi: 6 });
    vm.irqfd({ fd: raised, gsi: 7 });
    vm.setGsiRouting([{ gsi: 7, type: "irqchip", irqchip: 2, pin: 9 }]);
    for (const gsi of [0, 5, 24, 102]) vm.irqLine(gsi, 1);
    fd.signal();
    assert.deepEqual(linesOf(), [0, 0]);
    vm.irqLine(7, 1);
    assert.deepEqual(linesOf(), [0x200, 0]);
    vm.irqLine(7, 0);
    // None at all; then the timer's, which comes where the table says.
    vm.setGsiRouting([]);
    vm.irqLine(7, 1);
    assert.deepEqual(linesOf(), [0, 0]);
    const pic = [...out(0x20, 0x11), ...out(0x21, 0x30, 4, 1, 0xf6)];
    one.load([...pic, ...out(0x43, 0x34), ...out(0x40, 0xff, 0x0f), "sti", "hlt"]);
    assert.equal(one.run().reason, "hlt");
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([vectorAt(one), linesOf()], [-1, [0, 0]]);
    vm.setGsiRouting([{ gsi: 0, type: "irqchip", irqchip: 0, pin: 3 }]);
    await waitUntil(one, (each) => vectorAt(each) === 0x33);
    // One that is handled makes room for the next.
    one.load([...out(0x20, 0x20), "sti", "hlt"]);
    await waitUntil(one, (each) => vectorAt(each) === 0x33);
  });
}

test("exits that are turned off before the first vCPU stay inside", async () => {
  const vm = (await kvmOf("intel")).createVm(types[1]);
  vm.enableCap({ cap: KVM_CAP_X86_DISABLE_EXITS, args: [KVM_X86_DISABLE_EXITS_HLT] });
  const cpu = vm.createVcpu(0);
  assert.throws(() => vm.enableCap({ cap: KVM_CAP_X86_DISABLE_EXITS, args: [0] }), /EINVAL.*before the first/);
  assert.throws(() => vm.enableCap({ cap: KVM_CAP_X86_DISABLE_EXITS, args: [1] }), /EINVAL/);
  cpu.close();
  vm.close();
});

test("there is no nesting and no system management mode, and nothing says that there were", async () => {
  for (const vendor of ["intel", "amd"] as const) {
    const one = await guest(types[1], vendor);
    for (const cap of [KVM_CAP_NESTED_STATE, KVM_CAP_X86_SMM, KVM_CAP_X86_NOTIFY_VMEXIT]) {
      assert.equal(one.vm.checkExtension(cap), 0);
      assert.throws(() => one.vm.enableCap({ cap }), /EINVAL/);
    }
    const entries = (await kvmOf(vendor)).getSupportedCpuid();
    const bitOf = (leaf: number, bit: number) =>
      ((entries.find((entry) => entry.function === leaf)?.ecx ?? 0) >> bit) & 1;
    // VMX, SMX, SVM.
    assert.deepEqual([bitOf(1, 5), bitOf(1, 6), bitOf(0x8000_0001, 2)], [0, 0, 0]);
    // CR4.VMXE, EFER.SVME and IA32_SMBASE.
    for (const lines of [
      ["mov rax, cr4", "or eax, 0x2000", "mov cr4, rax"],
      ["mov ecx, 0xc0000080", "rdmsr", "or eax, 0x1000", "wrmsr"],
      ["mov ecx, 0x9e", "rdmsr"],
    ]) {
      one.load(lines);
      assert.equal(one.run().reason, "hlt");
      assert.equal(vectorAt(one), 13, lines.join("; "));
    }
  }
});
