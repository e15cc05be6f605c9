/** What processors say of speculation, which nothing here does, and the registers by which systems restrict it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { guest, kvmOf, msr, types, vectorAt } from "./kvm.test-support.js";
import { KVM_X86_UNIKVM_HV } from "./uapi.js";

const speculationControl = 0x48;
const predictionCommand = 0x49;
const efer = 0xc000_0080;
const automatic = 1n << 21n;

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  test(`${title}: IA32_SPEC_CTRL and IA32_PRED_CMD are Intel's, with the bits that CPUID says`, async () => {
    const one = await guest(type);
    const read = (number: number) => [`mov ecx, 0x${number.toString(16)}`, "rdmsr", "mov rsi, rax"];
    one.load([...msr(speculationControl, 0x401), ...msr(predictionCommand, 1), ...read(speculationControl)]);
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([vectorAt(one), one.cpu.getRegs().rsi], [-1, 0x401n]);
    const faults = [msr(speculationControl, 2), msr(predictionCommand, 2), read(predictionCommand)];
    for (const lines of [...faults, msr(efer, 0x500n | automatic)]) {
      one.load(lines);
      assert.equal(one.run().reason, "hlt");
      assert.equal(vectorAt(one), 13, lines.join("; "));
    }
    assert.ok(!(await kvmOf("intel")).getMsrIndexList().includes(predictionCommand));
    const sregs = one.cpu.getSregs();
    assert.throws(() => one.cpu.setSregs({ ...sregs, efer: sregs.efer | automatic }), /EINVAL/);
  });

  test(`${title}: automatic restriction is AMD's, and the other registers are not there`, async () => {
    const one = await guest(type, "amd");
    one.load([...msr(efer, 0x500n | automatic), "rdmsr", "mov rsi, rax"]);
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([vectorAt(one), one.cpu.getRegs().rsi], [-1, 0x500n | automatic]);
    for (const lines of [msr(speculationControl, 0), msr(predictionCommand, 1)]) {
      one.load(lines);
      assert.equal(one.run().reason, "hlt");
      assert.equal(vectorAt(one), 13, lines.join("; "));
    }
    const sregs = one.cpu.getSregs();
    assert.equal(sregs.efer & automatic, automatic);
    one.cpu.setSregs(sregs);
    assert.equal(one.cpu.setMsrs([{ index: efer, data: sregs.efer | (1n << 22n) }]), 0);
  });
}

test("registers that systems read without a question are there, and those of AMD's that they write", async () => {
  for (const vendor of ["intel", "amd"] as const) {
    const one = await guest(types[0], vendor);
    const read = (number: number) => [`mov ecx, 0x${number.toString(16)}`, "rdmsr"];
    const said = (lines: readonly string[]) => {
      one.load(lines);
      assert.equal(one.run().reason, "hlt");
      return [vectorAt(one), one.cpu.getRegs().rax, one.cpu.getRegs().rdx];
    };
    for (const number of [0x17, 0x2a, 0x199]) assert.deepEqual(said(read(number)), [-1, 0n, 0n], number.toString(16));
    assert.deepEqual(said(read(0x198)), [-1, 1000n, 0x400n]);
    assert.equal(said(msr(0x17, 0))[0], 13);
    assert.equal(said([...read(0xc0010112), ...msr(0xc0010117, 0)])[0], vendor === "amd" ? -1 : 13);
  }
});

test("CPUID says of both vendors' processors that systems need to guard against nothing", async () => {
  const said = async (vendor: "intel" | "amd", leaf: number, index = 0) => {
    const entries = (await kvmOf(vendor)).getSupportedCpuid();
    return entries.find((one) => one.function === leaf && one.index === index);
  };
  assert.deepEqual(await said("intel", 7, 2), { function: 7, index: 2, flags: 1, eax: 0, ebx: 0, ecx: 0, edx: 1 << 4 });
  assert.equal((await said("intel", 7))?.eax, 2);
  assert.equal(((await said("intel", 7))?.edx ?? 0) & (1 << 26), 1 << 26);
  assert.equal(await said("amd", 7, 2), undefined);
  assert.equal((await said("amd", 7))?.eax, 0);
  assert.equal((await said("amd", 7))?.edx, 0);
  const guards = await said("amd", 0x8000_0021);
  // SRSO_NO, TSA_SQ_NO and TSA_L1_NO, SSB_NO.
  assert.deepEqual([(guards?.eax ?? 0) & (1 << 29), guards?.ecx], [1 << 29, 6]);
  assert.equal(((await said("amd", 0x8000_0008))?.ebx ?? 0) & (1 << 26), 1 << 26);
});
