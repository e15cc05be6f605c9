/** An x86 VM through KVM's interface: both vendors' modules, both implementations, guests of a few instructions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { guest, kvmOf, msr, out, types, vectorAt, waitUntil } from "./kvm.test-support.js";
import {
  KVM_MP_STATE_HALTED,
  KVM_MP_STATE_INIT_RECEIVED,
  KVM_MP_STATE_UNINITIALIZED,
  KVM_X86_UNIKVM_HV,
  KVM_X86_UNIKVM_PR,
} from "./uapi.js";

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  test(`${title}: ports are exits, of both directions`, async () => {
    const one = await guest(type);
    one.load(["mov eax, 0x12345678", "mov dx, 0x3f8", "out dx, al", "in eax, dx", "mov ebx, eax"]);
    const out = one.run();
    assert.deepEqual(out, { reason: "io", direction: 1, size: 1, port: 0x3f8, count: 1, data: 0x78n });
    const input = one.run();
    assert.ok(input.reason === "io" && input.direction === 0 && input.size === 4);
    input.data = 0xabcd_ef01n;
    assert.equal(one.run().reason, "hlt");
    assert.equal(one.cpu.getRegs().rbx, 0xabcd_ef01n);
    assert.equal(one.cpu.getMpState(), KVM_MP_STATE_HALTED);
  });

  test(`${title}: the timer's interrupt ends HLT, through the older controllers and through the local APIC`, async () => {
    const one = await guest(type);
    one.load([
      ...[...out(0x20, 0x11), ...out(0x21, 0x30, 4, 1, 0xfe), ...out(0x43, 0x34), ...out(0x40, 0xff, 0x0f)],
      ...["sti", "hlt"],
    ]);
    const ended = waitUntil(one, (guest) => vectorAt(guest) === 0x30);
    await ended;
    // x2APIC: enabled, its timer once, by its MSRs.
    const two = await guest(type);
    two.load([
      ...[
        ...msr(0x1b, 0xfee00d00),
        ...msr(0x80f, 0x1ff),
        ...msr(0x83e, 11),
        ...msr(0x832, 0x41),
        ...msr(0x838, 1_000_000),
      ],
      ...["sti", "hlt"],
    ]);
    await waitUntil(two, (guest) => vectorAt(guest) === 0x41);
    // By the time-stamp counter.
    const three = await guest(type);
    three.load([
      ...[...msr(0x1b, 0xfee00d00), ...msr(0x80f, 0x1ff), ...msr(0x832, 0x40042)],
      ...["rdtsc", "add eax, 1000000", "mov ecx, 0x6e0", "wrmsr", "sti", "hlt"],
    ]);
    await waitUntil(three, (guest) => vectorAt(guest) === 0x42);
  });

  test(`${title}: lines and messages from outside`, async () => {
    const one = await guest(type);
    const store = (address: number, value: number) => [
      `mov eax, 0x${address.toString(16)}`,
      `mov dword ptr [rax], 0x${value.toString(16)}`,
    ];
    one.load([
      ...["mov al, 0xff", "out 0x21, al", "out 0xa1, al"],
      ...store(0xfee000f0, 0x1ff),
      ...[...store(0xfec00000, 0x1a), ...store(0xfec00010, 0x55)],
      ...["sti", "hlt"],
    ]);
    assert.equal(one.run().reason, "hlt");
    one.vm.irqLine(5, 1);
    await waitUntil(one, (guest) => vectorAt(guest) === 0x55);
    one.load(["mov eax, 0xfee000b0", "mov dword ptr [rax], 0x0", "sti", "hlt"]);
    assert.equal(one.run().reason, "hlt");
    assert.equal(one.vm.signalMsi({ address: 0xfee0_0000n, data: 0x66 }), 1);
    await waitUntil(one, (guest) => vectorAt(guest) === 0x66);
    one.cpu.nmi();
    await waitUntil(one, (guest) => vectorAt(guest) === 2);
    assert.throws(() => one.cpu.interrupt(0x30), /ENXIO/);
  });

  test(`${title}: without controllers, KVM_INTERRUPT`, async () => {
    const one = await guest(type, "intel", false);
    assert.throws(() => one.vm.createIrqchip(), /EINVAL/);
    assert.throws(() => one.vm.createPit2(), /ENOENT/);
    one.load(["sti", "hlt"]);
    assert.equal(one.run().reason, "hlt");
    one.cpu.interrupt(0x77);
    assert.throws(() => one.cpu.interrupt(0x78), /EEXIST/);
    assert.throws(() => one.cpu.interrupt(256), /EINVAL/);
    await waitUntil(one, (guest) => vectorAt(guest) === 0x77);
  });

  test(`${title}: another processor stays where INIT has put it until it is started`, async () => {
    const one = await guest(type);
    const other = one.vm.createVcpu(1);
    assert.equal(other.getMpState(), KVM_MP_STATE_UNINITIALIZED);
    const command = (low: number) => [
      "mov eax, 0xfee00310",
      "mov dword ptr [rax], 0x1000000",
      "mov eax, 0xfee00300",
      `mov dword ptr [rax], 0x${low.toString(16)}`,
    ];
    one.load([...command(0xc500), ...command(0x8500)]);
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual(other.run({ wait: false }), { reason: "hlt", until: Number.POSITIVE_INFINITY });
    assert.equal(other.getMpState(), KVM_MP_STATE_INIT_RECEIVED);
    assert.equal(other.getRegs().rip, 0xfff0n);
    other.close();
  });
}

test("CPUID says the vendor and what the engines have; registers go in and out", async () => {
  for (const [vendor, name] of [
    ["intel", "GenuineIntel"],
    ["amd", "AuthenticAMD"],
  ] as const) {
    const one = await guest(KVM_X86_UNIKVM_PR, vendor);
    one.load(["xor eax, eax", "cpuid"]);
    assert.equal(one.run().reason, "hlt");
    const { rbx, rcx, rdx } = one.cpu.getRegs();
    const text = [rbx, rdx, rcx].map((word) => new TextDecoder().decode(Uint8Array.of(...bytesOf(word)))).join("");
    assert.equal(text, name);
    assert.throws(() => one.cpu.setCpuid2([]), /EINVAL/);
    assert.deepEqual(one.cpu.getCpuid2(), (await kvmOf(vendor)).getSupportedCpuid());
    const regs = { ...one.cpu.getRegs(), r15: 15n, rflags: 0x8d7n };
    one.cpu.setRegs(regs);
    assert.deepEqual(one.cpu.getRegs(), regs);
    const sregs = { ...one.cpu.getSregs(), cr8: 3n, interrupt_bitmap: [0n, 1n << 4n, 0n, 0n] };
    one.cpu.setSregs(sregs);
    assert.deepEqual(one.cpu.getSregs(), sregs);
    for (const wrong of [{ cr8: 16n }, { cr0: 0x8000_0000n }, { efer: 0x400n }, { cr4: 1n << 30n }]) {
      assert.throws(() => one.cpu.setSregs({ ...sregs, ...wrong }), /EINVAL/);
    }
    // CR4.PKE is there if CPUID says so.
    const keys = one.cpu.getCpuid2().some(({ function: leaf, ecx }) => leaf === 7 && (ecx & 8) !== 0);
    const withKeys = { ...sregs, cr4: sregs.cr4 | 0x40_0000n };
    if (keys) one.cpu.setSregs(withKeys);
    else assert.throws(() => one.cpu.setSregs(withKeys), /EINVAL.*PKE/);
    one.cpu.setSregs(sregs);
    const entries = [
      { index: 0xc000_0082, data: 0x1234n },
      { index: 0x277, data: 6n },
    ];
    assert.equal(one.cpu.setMsrs(entries), 2);
    const read = entries.map(({ index }) => ({ index, data: 0n }));
    assert.equal(one.cpu.getMsrs([...read, { index: 0x1_2345, data: 0n }, { index: 0x10, data: 0n }]), 2);
    assert.deepEqual(read, entries);
    const list = (await kvmOf(vendor)).getMsrIndexList();
    const all = list.map((index) => ({ index, data: 0n }));
    assert.ok(list.includes(0x6e0) && one.cpu.getMsrs(all) > 0);
  }
});

const bytesOf = (word: bigint): number[] => [0n, 8n, 16n, 24n].map((shift) => Number((word >> shift) & 255n));

test("a hostile guest's registers by number, ports and addresses of any kind end in no error of the host", async () => {
  let seed = Number(process.env["UNIKVM_SEED"] ?? 1);
  const draw = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const one = await guest(KVM_X86_UNIKVM_PR);
  const list = [...(await kvmOf("intel")).getMsrIndexList(), 0x48, 0x3a, 0x10a, 0x1_2345];
  for (let i = 0; i < 600; i++) {
    const msr = draw(3) ? (list[draw(list.length)] as number) : draw(2) ? 0x800 + draw(0x100) : draw(2 ** 32);
    const hex = (value: number) => `0x${value.toString(16)}`;
    const address = draw(2) ? 0xfee0_0000 + draw(0x1000) : 0xfec0_0000 + draw(0x1000);
    const lines = [
      [
        `mov ecx, ${hex(msr)}`,
        `mov eax, ${hex(draw(2 ** 32))}`,
        `mov edx, ${hex(draw(4) ? 0 : draw(2 ** 32))}`,
        "wrmsr",
      ],
      [`mov ecx, ${hex(msr)}`, "rdmsr"],
      [`mov dx, ${hex(draw(0x10000))}`, draw(2) ? "out dx, eax" : "in ax, dx"],
      [`mov eax, ${hex(address)}`, draw(2) ? "mov qword ptr [rax], rcx" : "mov bx, word ptr [rax]"],
      [`mov al, ${hex(draw(256))}`, `out ${hex([0x20, 0x21, 0x40, 0x43, 0x61, 0xa1][draw(6)] as number)}, al`],
    ][draw(5)] as string[];
    // EFER and the APIC's base stay, so that the next one can run.
    if (lines.includes("wrmsr") && (msr === 0xc000_0080 || msr === 0x1b)) continue;
    one.load(lines);
    let exit = one.run();
    for (let answers = 0; (exit.reason === "io" || exit.reason === "mmio") && answers < 9; answers++) {
      exit.data = (1n << 64n) - 1n;
      exit = one.run();
    }
    assert.ok(["hlt", "shutdown"].includes(exit.reason), JSON.stringify([lines, exit.reason]));
  }
});
