/** A local APIC as its own vCPU sees it, in both vendors' processors: its identifier, and non-maskable interrupts that it sends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "./isa/assembler.js";
import { guest, interrupts, msr, segments, types, vectorAt } from "./kvm.test-support.js";
import { KVM_X86_UNIKVM_HV } from "./uapi.js";

const handler = 0x11_0000;
const command = 0x830;

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  for (const vendor of ["intel", "amd"] as const) {
    test(`${title}: what a guest writes as ${vendor}'s identifier in memory ends when the APIC becomes an x2APIC, or begins anew`, async () => {
      const one = await guest(type, vendor);
      const store = ["mov eax, 0xfee00020", "mov dword ptr [rax], 0x5000000"];
      one.load([
        ...[...store, "mov ebx, dword ptr [rax]"],
        ...[...msr(0x1b, 0xfee00d00), "mov ecx, 0x802", "rdmsr", "mov esi, eax"],
        ...[...msr(0x1b, 0xfee00100), ...msr(0x1b, 0xfee00900), "mov eax, 0xfee00020", "mov edi, dword ptr [rax]"],
      ]);
      assert.equal(one.run().reason, "hlt");
      const { rbx, rsi, rdi } = one.cpu.getRegs();
      assert.deepEqual([rbx, rsi, rdi], [0x500_0000n, 0n, 0n]);
    });
  }

  test(`${title}: SET_SREGS turns the local APIC off and on, and CPUID says so`, async () => {
    const one = await guest(type);
    const says = (apicBase: bigint) => {
      one.cpu.setSregs({ ...one.cpu.getSregs(), apic_base: apicBase });
      one.load(["mov eax, 1", "cpuid"]);
      assert.equal(one.run().reason, "hlt");
      return (one.cpu.getRegs().rdx >> 9n) & 1n;
    };
    assert.equal(says(0xfee0_0100n), 0n);
    assert.equal(says(0xfee0_0900n), 1n);
  });

  test(`${title}: a deadline is a counter without a sign: the last is far away, and what is past is due`, async () => {
    const one = await guest(type);
    const vector = 0x60;
    const deadline = (value: bigint) => {
      one.load([
        ...[...msr(0x1b, 0xfee00d00), ...msr(0x80f, 0x1ff), ...msr(0x80b, 0), ...msr(0x832, 0x4_0000 | vector)],
        ...[...msr(0x6e0, value), "sti", "nop", "nop", "cli"],
      ]);
      const exit = one.run();
      return { exit, vector: vectorAt(one) };
    };
    for (const value of [(1n << 64n) - 1n, 1n << 63n, (1n << 63n) - 1n]) {
      const { exit, vector: taken } = deadline(value);
      assert.equal(taken, -1, value.toString(16));
      assert.ok(exit.reason === "hlt" && exit.until - performance.now() > 1e11);
      const entry = { index: 0x6e0, data: 0n };
      one.cpu.getMsrs([entry]);
      assert.equal(entry.data, value);
      // Nor is a state with it another one's.
      one.vm.loadState(one.vm.saveState());
    }
    assert.equal(deadline(1n).vector, vector);
  });

  test(`${title}: of non-maskable interrupts one waits while another is handled, and more are lost`, async () => {
    const one = await guest(type);
    one.load([
      ...[...msr(0x1b, 0xfee00d00), ...msr(0x80f, 0x1ff)],
      ...["xor ebx, ebx", ...msr(command, 0x400), "nop", "nop", "nop"],
    ]);
    // It counts, and the first sends more to its own processor.
    const lines = ["inc ebx", "cmp ebx, 1", "jne 0", ...Array(5).fill("wrmsr"), "iretq"];
    const size = (from: number) => lines.slice(from, -1).reduce((sum, line) => sum + assemble(line, 64).length, 0);
    let at = handler;
    for (const line of lines) {
      const target = line.startsWith("jne") ? `jne 0x${(at + size(2)).toString(16)}` : line;
      const bytes = assemble(target, 64, BigInt(at));
      one.ram().set(bytes, at);
      at += bytes.length;
    }
    const gate = BigInt(handler & 0xffff) | (0x10n << 16n) | (0x8e00n << 32n) | (BigInt(handler >> 16) << 48n);
    const view = new DataView(one.ram().buffer, one.ram().byteOffset);
    view.setBigUint64(interrupts + 32, gate, true);
    // IRETQ loads SS.
    view.setBigUint64(segments + 0x18, 0x00cf93000000ffffn, true);
    one.vm.guestWritten(BigInt(handler), at - handler);
    assert.equal(one.run().reason, "hlt");
    assert.equal(one.cpu.getRegs().rbx, 2n);
  });
}
