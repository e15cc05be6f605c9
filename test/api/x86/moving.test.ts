/** x86 VMs that go to other loaded kvms while they run: of this version and of another one, and from one engine to the other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { counterAt, goOn, startCounting, word } from "../../../src/arch/x86/counting.test-support.js";
import { type Guest, guestOf, msr, ramSize, vectorAt } from "../../../src/arch/x86/kvm.test-support.js";
import {
  KVM_MSR_EXIT_REASON_FILTER,
  KVM_X86_UNIKVM_HV,
  KVM_X86_UNIKVM_PR,
  type X86Kvm,
} from "../../../src/arch/x86/uapi.js";
import { errno } from "../../../src/base/errno.test-support.js";
import { createLoader, type KvmOffer } from "../../../src/kernel.js";
import {
  KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
  KVM_CAP_EXCEPTION_PAYLOAD,
  KVM_CAP_X86_USER_SPACE_MSR,
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_USE_HW_BP,
  KVM_MEM_LOG_DIRTY_PAGES,
} from "../../../src/kvm/uapi.js";
import { ProcessPage } from "../../../src/vac/page.js";
import { type Change, withChangedCopy } from "../../changed-copy.test-support.js";
import { take } from "../dirty-entries.js";

interface Loaded {
  readonly kvm: X86Kvm;
  references(): number | undefined;
  unload(): void;
}

async function load(
  copy: { createLoader: typeof createLoader } = { createLoader },
  name = "kvm_intel",
): Promise<Loaded> {
  const loader = copy.createLoader({ memory: "unshared" });
  await loader.modprobe(name);
  return {
    kvm: loader.offer<KvmOffer>(name).open() as unknown as X86Kvm,
    references: () => loader.lsmod().find((module) => module.name === name)?.references,
    unload: () => loader.rmmod(name),
  };
}

/** What another version has changed in its data: names as the compiled files have them. */
const changes: readonly Change[] = [
  ["base/package.js", 'version: "', 'version: "99.'],
  ["kvm/layout.js", "heap: 0x50000", "heap: 0x53000"],
  ["kvm/state.js", 'halted: "i32",', ""],
  ["kvm/state.js", 'haltTime: "f64",', 'haltTime: "f64", halted: "i32",'],
  // A VM's and a vCPU's own data, the local APIC's and the IOAPIC's come in another order, and have something more.
  ["arch/x86/vm/state.js", 'bootCpu: "i32",', 'invented: ["i64", 2], bootCpu: "i32",'],
  ["arch/x86/vm/state.js", 'mpState: "i32",', ""],
  ["arch/x86/vm/state.js", 'kept: ["i64", 16],', 'kept: ["i64", 16], mpState: "i32",'],
  ["arch/x86/interrupts/irqchip/lapic.js", 'taskPriority: "i32",', ""],
  ["arch/x86/interrupts/irqchip/lapic.js", 'endOffered: "i32",', 'endOffered: "i32", taskPriority: "i32",'],
  ["arch/x86/interrupts/irqchip/ioapic.js", 'selected: "i32",', 'invented: "i64", selected: "i32",'],
  // Its module is not linked.
  ["arch/x86/vmx/linked.js", "../../../../modules/kvm-intel.js", "../whole.js"],
];
const types = { hv: KVM_X86_UNIKVM_HV, pr: KVM_X86_UNIKVM_PR } as const;
type Name = keyof typeof types;

/** There and back, three times; the guest goes on each time. */
async function moves(one: Guest, ways: readonly (readonly [from: Loaded, to: Loaded, type: Name])[]): Promise<void> {
  for (const [from, to, name] of ways) {
    goOn(one);
    const before = { regs: one.cpu.getRegs(), sregs: one.cpu.getSregs(), cpuid: one.cpu.getCpuid2() };
    const counted = word(one, counterAt);
    await one.vm.moveTo(to.kvm, { type: types[name] });
    assert.deepEqual([from.references(), to.references()], [0, 1]);
    assert.equal(one.vm.implementation, name);
    const after = { regs: one.cpu.getRegs(), sregs: one.cpu.getSregs(), cpuid: one.cpu.getCpuid2() };
    assert.deepEqual(after, before);
    assert.equal(word(one, counterAt), counted);
  }
  goOn(one);
  // The register and the memory tell the same.
  assert.ok(one.cpu.getRegs().rbx - word(one, counterAt) <= 1n);
}

function close({ cpu, vm }: Guest): void {
  cpu.close();
  vm.close();
}

for (const [from, to] of [
  ["hv", "hv"],
  ["hv", "pr"],
  ["pr", "hv"],
] as const) {
  test(`M19: x86: a VM moves from ${from} to another kvm's ${to} and back, its timer with it`, async () => {
    const [here, there] = [await load(), await load()];
    const code = ProcessPage.here().codeBytes;
    const one = guestOf(here.kvm, types[from]);
    startCounting(one);
    await moves(one, [
      [here, there, to],
      [there, here, from],
      [here, there, to],
    ]);
    close(one);
    assert.deepEqual([here.references(), there.references()], [0, 0]);
    assert.equal(ProcessPage.here().codeBytes, code, "generated code that nobody has is counted");
    for (const { unload } of [here, there]) unload();
  });
}

test("x86: what a debugger has armed, and the guest, moves with the VM", async () => {
  const [here, there] = [await load(), await load()];
  const one = guestOf(here.kvm, types.hv);
  const start = 0x10_0000n;
  one.load(["nop", "nop", "nop"]);
  one.cpu.setDebugregs({ db: [start + 2n, 0n, 0n, 0n], dr6: 0n, dr7: 1n, flags: 0 });
  const debugreg = [0n, start + 1n, 0n, 0n, 0n, 0n, 0n, 4n];
  one.cpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, debugreg });
  for (const [to, type] of [
    [there, types.pr],
    [here, types.hv],
  ] as const) {
    await one.vm.moveTo(to.kvm, { type });
    const exit = one.run();
    assert.deepEqual([exit.reason, exit.reason === "debug" && exit.address], ["debug", start + 1n]);
  }
  one.cpu.setGuestDebug({ control: 0 });
  await one.vm.moveTo(there.kvm, { type: types.hv });
  assert.equal(one.run().reason, "hlt");
  assert.equal(vectorAt(one), 1);
  close(one);
  for (const { unload } of [here, there]) unload();
});

test("M19: x86: a VM moves to another version, whose data lie elsewhere, and back", () =>
  withChangedCopy(changes, async (file) => {
    const here = await load();
    const there = await load(await file<typeof import("../../../src/kernel.js")>("kernel.js"));
    const one = guestOf(here.kvm, types.hv);
    startCounting(one);
    await moves(one, [
      [here, there, "hv"],
      [there, here, "pr"],
      [here, there, "pr"],
      [there, here, "hv"],
    ]);
    close(one);
    assert.deepEqual([here.references(), there.references()], [0, 0]);
    for (const { unload } of [here, there]) unload();
  }));

for (const name of ["hv", "pr"] as const) {
  test(`${name}: what the user side has set goes along: routes, filters, capabilities, what waits and what is owed`, async () => {
    const [here, there] = [await load(), await load()];
    const other = name === "hv" ? "pr" : "hv";
    const one = guestOf(here.kvm, types[name], "split");
    const { cpu, vm } = one;
    vm.setGsiRouting([{ gsi: 5, type: "msi", address: 0xfee0_0000n, data: 0xc055 }]);
    vm.setMsrFilter({ ranges: [{ flags: 3, base: 0x174, nmsrs: 1, bitmap: Uint8Array.of(0) }] });
    vm.enableCap({ cap: KVM_CAP_X86_USER_SPACE_MSR, args: [KVM_MSR_EXIT_REASON_FILTER] });
    vm.enableCap({ cap: KVM_CAP_EXCEPTION_PAYLOAD, args: [1] });
    const fd = vm.createEventFd();
    vm.irqfd({ fd, gsi: 5 });
    cpu.setVapicAddr(0x8200n);
    one.load(["mov eax, 0xfee000f0", "mov dword ptr [rax], 0x1ff", "cli"]);
    assert.equal(one.run().reason, "hlt");
    cpu.interrupt(0x66);
    const events = cpu.getVcpuEvents();
    await vm.moveTo(there.kvm, { type: types[other] });
    assert.deepEqual(cpu.getVcpuEvents(), events);
    // Whoever has the line's controllers is asked by the local APIC that has moved.
    one.load(["sti", "nop"]);
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 0x66);
    fd.signal();
    one.load(["sti", "nop"]);
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 0x55);
    await vm.moveTo(here.kvm, { type: types[name] });
    one.load(["mov eax, 0xfee000b0", "mov dword ptr [rax], 0"]);
    assert.deepEqual(one.run(), { reason: "ioapic_eoi", vector: 0x55 });
    one.load(msr(0x174, 7));
    assert.equal(one.run().reason, "x86_wrmsr");
    assert.equal(one.run().reason, "hlt");
    assert.throws(() => vm.createIrqchip(), errno("EEXIST"));
    // A table of none stays a table.
    vm.setGsiRouting([]);
    await vm.moveTo(there.kvm, { type: types[other] });
    vm.irqLine(5, 1);
    one.load(["sti", "nop", "nop"]);
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), -1);
    fd.close();
    close(one);
    for (const { unload } of [here, there]) unload();
  });

  test(`${name}: a dirty ring and what is in it go with a VM that moves, and its log`, async () => {
    const [here, there] = [await load(), await load()];
    const other = name === "hv" ? "pr" : "hv";
    const one = guestOf(here.kvm, types[name], true, (vm) =>
      vm.enableCap({ cap: KVM_CAP_DIRTY_LOG_RING_ACQ_REL, args: [2048] }),
    );
    const { cpu, vm } = one;
    const at = vm.allocate(ramSize);
    const region = { slot: 3, guestPhysAddr: 0x1000_0000n, memorySize: BigInt(ramSize), userspaceAddr: at };
    vm.setUserMemoryRegion({ ...region, flags: KVM_MEM_LOG_DIRTY_PAGES });
    const writeTo = (page: number): void => {
      one.load([`mov esi, 0x${(0x1000_0000 + page * vm.pageSize).toString(16)}`, "mov qword ptr [rsi], rsi"]);
      assert.equal(one.run().reason, "hlt");
    };
    writeTo(1);
    const ring = cpu.dirtyRing;
    await vm.moveTo(there.kvm, { type: types[other] });
    assert.deepEqual(cpu.dirtyRing, ring);
    for (const page of [1, 2]) writeTo(page);
    const dirty = [
      [3, 1],
      [3, 2],
    ];
    assert.deepEqual(take(vm, cpu, 0), dirty);
    assert.equal(vm.resetDirtyRings(), 2);
    await vm.moveTo(here.kvm, { type: types[name] });
    writeTo(1);
    assert.deepEqual(take(vm, cpu, 2), [[3, 1]]);
    close(one);
    for (const { unload } of [here, there]) unload();
  });
}

test("x86: a VM that cannot move runs on where it was, and what is wrong is said", async () => {
  const [here, amd] = [await load(), await load(undefined, "kvm_amd")];
  const one = guestOf(here.kvm, KVM_X86_UNIKVM_PR);
  startCounting(one);
  goOn(one);
  await assert.rejects(one.vm.moveTo(amd.kvm), /EOPNOTSUPP.*vendor/);
  await assert.rejects(one.vm.moveTo(here.kvm, { type: 3 }), errno("EINVAL"));
  const broken = { ...here.kvm } as X86Kvm;
  await assert.rejects(one.vm.moveTo(broken), errno("EOPNOTSUPP"));
  assert.deepEqual([here.references(), amd.references()], [1, 0]);
  goOn(one);
  // An exit whose answer is open.
  one.load(["cli", "in al, 0x99"]);
  assert.equal(one.run().reason, "io");
  await assert.rejects(one.vm.moveTo((await load()).kvm, { timeout: 20 }), errno("EBUSY"));
  assert.equal(one.run().reason, "hlt");
  const { vm, cpu } = one;
  close(one);
  await assert.rejects(vm.moveTo(here.kvm), errno("EBADF"));
  assert.throws(() => cpu.run(), errno("EBADF"));
  for (const { unload } of [here, amd]) unload();
});
