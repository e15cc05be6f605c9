/** What a guest that knows KVM asks it for, under both implementations, with addresses that are the guest's word. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KVM_CAP_EXIT_HYPERCALL } from "../../../kvm/constants.js";
import { type Guest, guest, kvmOf, ramSize, types, vectorAt, msr as write } from "../kvm.test-support.js";
import { KVM_EXIT_HYPERCALL_LONG_MODE, KVM_EXIT_HYPERCALL_VALID_MASK, KVM_HC_MAP_GPA_RANGE } from "../uapi.js";

const msr = { steal: 0x4b564d03, end: 0x4b564d04, apicBase: 0x1b } as const;
const area = 0x8100;
const outside = BigInt(ramSize) + 0x1000n;

const call = (number: number, ...args: readonly bigint[]): string[] => [
  ...["rbx", "rcx", "rdx", "rsi"].map((name, i) => `mov ${name}, 0x${(args[i] ?? 0n).toString(16)}`),
  `mov eax, 0x${number.toString(16)}`,
  "vmcall",
];
const word = ({ ram }: Guest, at: number): number => new DataView(ram().buffer, ram().byteOffset).getUint32(at, true);
/** Where the entry of a page of 2 MiB is, in the tables that the guest begins with. */
function entryOf(view: DataView, address: bigint): number {
  const next = (at: number) => Number(view.getBigUint64(at, true) & ~0xfffn);
  return next(next(0x1000)) + Number((address >> 21n) & 511n) * 8;
}
/** Loads and runs to its HLT: the vector that it stands in. */
function go(one: Guest, lines: readonly string[]): number {
  one.load(lines);
  one.run();
  return vectorAt(one);
}
const answer = ({ cpu }: Guest): bigint => BigInt.asIntN(64, cpu.getRegs().rax);

test("CPUID offers what there is", async () => {
  const kvm = await kvmOf("intel");
  const entry = kvm.getSupportedCpuid().find((one) => one.function === 0x4000_0001);
  // Steal time, PV EOI, PV unhalt, PV TLB flush, PV IPIs, PV sched_yield; no page faults that come later.
  assert.deepEqual(
    [5, 6, 7, 9, 11, 13, 4].map((bit) => ((entry?.eax ?? 0) >>> bit) & 1),
    [1, 1, 1, 1, 1, 1, 0],
  );
});

for (const type of types) {
  const name = type === types[0] ? "hv" : "pr";

  test(`${name}: addresses that cannot be are refused as KVM does, or never written to`, async () => {
    const one = await guest(type);
    assert.equal(go(one, write(msr.steal, BigInt(area) | 3n)), 13);
    assert.equal(go(one, write(msr.end, BigInt(area) | 3n)), 13);
    assert.equal(go(one, write(msr.end, outside | 1n)), 13);
    for (const value of [outside | 1n, (1n << 60n) | 1n, BigInt(ramSize) | 1n, 0xffff_ffff_ffff_ffc1n]) {
      const before = one.ram().slice(ramSize - 64);
      assert.equal(go(one, write(msr.steal, value)), -1, value.toString(16));
      assert.equal(go(one, []), -1);
      assert.deepEqual(one.ram().slice(ramSize - 64), before);
    }
    // Without local APICs there is no end of interrupts.
    assert.equal(go(await guest(type, "intel", false), write(msr.end, BigInt(area) | 1n)), 13);
  });

  test(`${name}: who rests is told of, and drops translations before it runs again if another asked for that`, async () => {
    const one = await guest(type);
    const view = () => new DataView(one.ram().buffer, one.ram().byteOffset);
    const [first, second] = [0x1111_1111, 0x2222_2222];
    const read = ["mov esi, 0x200010", "mov ebx, dword ptr [rsi]"];
    view().setUint32(0x20_0010, first, true);
    view().setUint32(0x10, second, true);
    assert.equal(go(one, [...write(msr.steal, BigInt(area) | 1n), ...read]), -1);
    assert.equal(one.cpu.getRegs().rbx, BigInt(first));
    assert.equal(word(one, area + 16), 1, "it rests");
    // The second 2 MiB lead to the first now, which this processor is told by its flag alone.
    const entry = entryOf(view(), 0x20_0000n);
    view().setBigUint64(entry, 0x83n, true);
    one.ram()[area + 16] = 3;
    assert.equal(go(one, [...read, `mov eax, dword ptr [0x${(area + 16).toString(16)}]`]), -1);
    assert.equal(one.cpu.getRegs().rbx, BigInt(second));
    assert.equal(one.cpu.getRegs().rax, 0n, "it runs");
    assert.equal(word(one, area + 8) % 2, 0);
  });

  test(`${name}: time that it wanted and did not get is counted`, async () => {
    const one = await guest(type);
    assert.equal(go(one, write(msr.steal, BigInt(area) | 1n)), -1);
    one.load(["inc dword ptr [0x8200]", "jmp 0x100000"]);
    // On a busy host its time can be over before it begins.
    const slice = () => {
      const before = word(one, 0x8200);
      while (word(one, 0x8200) === before) one.cpu.run({ deadline: performance.now() + 5, wait: false });
    };
    slice();
    await new Promise((resolve) => setTimeout(resolve, 30));
    slice();
    const stolen = new DataView(one.ram().buffer, one.ram().byteOffset).getBigUint64(area, true);
    assert.ok(stolen > 20_000_000n && stolen < 60_000_000_000n, `${stolen} ns`);
    // What it rests of itself is not.
    assert.equal(go(one, []), -1);
    const before = new DataView(one.ram().buffer, one.ram().byteOffset).getBigUint64(area, true);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(go(one, []), -1);
    assert.equal(new DataView(one.ram().buffer, one.ram().byteOffset).getBigUint64(area, true), before);
  });

  test(`${name}: an interrupt ends by the guest's word, and by the register where it is not told`, async () => {
    const one = await guest(type);
    const enable = ["mov esi, 0xfee000f0", "mov dword ptr [rsi], 0x1ff"];
    const self = (vector: number) => [
      "mov esi, 0xfee00300",
      `mov dword ptr [rsi], 0x${(0x4_0000 | vector).toString(16)}`,
    ];
    const end = ["mov esi, 0xfee000b0", "mov dword ptr [rsi], 0"];
    const take = (vector: number) => go(one, [...self(vector), "sti", "nop", "nop"]);
    assert.equal(go(one, [...enable, ...write(msr.end, BigInt(area) | 1n)]), -1);
    assert.equal(take(0x60), 0x60);
    assert.equal(word(one, area) & 1, 1, "it need not be ended");
    // As the guest does it; then one of lower priority can be taken.
    one.ram()[area] = 0;
    assert.equal(take(0x40), 0x40);
    assert.equal(word(one, area) & 1, 1);
    // Not ended: one of lower priority waits, and it is to be ended by the register after all.
    assert.equal(take(0x30), -1);
    assert.equal(word(one, area) & 1, 0);
    assert.equal(go(one, [...end, "sti", "nop", "nop"]), 0x30);
    // Two that wait: the first is ended by the register, or the second would not come.
    one.ram()[area] = 0;
    assert.equal(go(one, [...end, ...self(0x50), ...self(0x60), "sti", "nop", "nop"]), 0x60);
    assert.equal(word(one, area) & 1, 0);
    assert.equal(go(one, [...end, "sti", "nop", "nop"]), 0x50);
  });

  test(`${name}: hypercalls answer as KVM's do`, async () => {
    const one = await guest(type);
    const said = (number: number, ...args: readonly bigint[]): bigint => {
      assert.equal(go(one, call(number, ...args)), -1);
      return answer(one);
    };
    go(one, ["mov esi, 0xfee000f0", "mov dword ptr [rsi], 0x1ff"]);
    assert.equal(said(4711), -1000n);
    assert.equal(said(10, 1n, 0n, 0n, 0xff00_0040n), -22n);
    assert.equal(said(10, 1n, 0n, 0n, 0x4_0040n), -22n);
    assert.equal(said(10, 0xffff_ffffn, 0n, 0xffff_ffffn, 0n), 0n);
    assert.equal(said(10, 2n, 0xffff_ffff_ffff_ffffn, 0n, 0x40n), 0n, "nobody has these numbers");
    assert.equal(said(10, 1n, 0n, 0n, 0x41n), 1n);
    assert.equal(go(one, ["sti", "nop", "nop"]), 0x41);
    assert.equal(said(5, 0n, 200n), 0n);
    assert.equal(said(11, 200n), 0n);
    // Kicked beforehand, it does not rest, though no interrupt is let in.
    assert.equal(go(one, [...call(5, 0n, 0n), "cli", "hlt", "mov r8d, 7"]), -1);
    assert.equal(one.cpu.getRegs().r8, 7n);
    assert.equal(go(one, ["cli", "mov r8d, 8", "hlt", "mov r8d, 9"]), -1);
    assert.equal(one.cpu.getRegs().r8, 8n);
  });

  test(`${name}: whose memory some of it is, is the user side's to say if it has asked for that`, async () => {
    const one = await guest(type);
    const range = (...args: readonly bigint[]): bigint => {
      assert.equal(go(one, call(KVM_HC_MAP_GPA_RANGE, ...args)), -1);
      return answer(one);
    };
    assert.equal(one.vm.checkExtension(KVM_CAP_EXIT_HYPERCALL), KVM_EXIT_HYPERCALL_VALID_MASK);
    assert.equal(range(0x10_0000n, 2n, 0x10n), -1000n, "nobody has asked");
    const enable = (mask: number) => one.vm.enableCap({ cap: KVM_CAP_EXIT_HYPERCALL, args: [mask] });
    for (const mask of [1, KVM_EXIT_HYPERCALL_VALID_MASK | 2]) assert.throws(() => enable(mask), /EINVAL/);
    enable(KVM_EXIT_HYPERCALL_VALID_MASK);
    // What is no range does not leave.
    for (const [address, pages] of [
      [0x10_0001n, 1n],
      [0x10_0000n, 0n],
      [0x10_0000n, 0xffff_ffff_ffff_ffffn],
      [0xffff_ffff_ffff_f000n, 0xfff0_0000_0000_0001n],
    ] as const)
      assert.equal(range(address, pages), -22n);
    one.load([...call(KVM_HC_MAP_GPA_RANGE, 0x10_0000n, 2n, 0x10n), "mov r8, rax"]);
    const exit = one.run();
    const asked = { reason: "hypercall", nr: KVM_HC_MAP_GPA_RANGE, flags: KVM_EXIT_HYPERCALL_LONG_MODE, ret: 0n };
    assert.deepEqual({ ...exit }, { ...asked, args: [0x10_0000n, 2n, 0x10n, 0n, 0n, 0n] });
    if (exit.reason === "hypercall") exit.ret = -7n;
    assert.equal(one.run().reason, "hlt");
    assert.equal(BigInt.asIntN(64, one.cpu.getRegs().r8), -7n);
    enable(0);
    assert.equal(range(0x10_0000n, 2n, 0x10n), -1000n);
  });

  test(`${name}: another VM goes on with what was set`, async () => {
    const one = await guest(type);
    go(one, [...write(msr.steal, BigInt(area) | 1n), ...write(msr.end, BigInt(area + 64) | 1n)]);
    const state = one.vm.saveState();
    const two = await guest(type);
    two.vm.loadState(state);
    const entries = [msr.steal, msr.end].map((index) => ({ index, data: 0n }));
    assert.equal(two.cpu.getMsrs(entries), 2);
    assert.deepEqual(
      entries.map(({ data }) => data),
      [BigInt(area) | 1n, BigInt(area + 64) | 1n],
    );
  });

  test(`${name}: a processor whose local APIC is off says that it has none`, async () => {
    const one = await guest(type);
    const says = (lines: readonly string[]): bigint => {
      assert.equal(go(one, [...lines, "mov eax, 1", "cpuid"]), -1);
      return (one.cpu.getRegs().rdx >> 9n) & 1n;
    };
    assert.equal(says([]), 1n);
    assert.equal(says(write(msr.apicBase, 0xfee0_0100n)), 0n);
    assert.equal(says(write(msr.apicBase, 0xfee0_0900n)), 1n);
  });
}
