/** x86 VMs that are taken out as values and filled in elsewhere, on the real engines. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../../base/errno.test-support.js";
import { generator, junk, places, put } from "../../../kvm/hostile-state.test-support.js";
import { KvmError, type VmState } from "../../../kvm/uapi.js";
import { counterAt, floatAt, goOn, startCounting, word } from "../counting.test-support.js";
import { type Guest, guest, kvmOf, ramSize, types, vectorAt, waitUntil } from "../kvm.test-support.js";
import { KVM_MP_STATE_UNINITIALIZED, KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR } from "../uapi.js";

const nameOf = (type: number): string => (type === KVM_X86_UNIKVM_HV ? "hv" : "pr");
/** What a snapshot does: memory's contents and the kernel side's state, by way of what a file can hold. */
function copyInto(to: Guest, from: Guest): void {
  const state = structuredClone(from.vm.saveState());
  to.ram().set(from.ram());
  to.vm.guestWritten(0n, ramSize);
  to.vm.loadState(state);
}

/** All but the time, which goes on. */
function stateOf({ vm }: Guest): object {
  const { clock: _, ...state } = vm.saveState() as VmState & { clock: number };
  return state;
}

for (const from of types) {
  for (const to of types) {
    test(`a guest under ${nameOf(from)} goes on under ${nameOf(to)} in the midst of its program, and both go their ways`, async () => {
      const [one, two] = [await guest(from), await guest(to)];
      startCounting(one);
      goOn(one);
      copyInto(two, one);
      assert.deepEqual(stateOf(two), stateOf(one));
      assert.deepEqual(two.cpu.getRegs(), one.cpu.getRegs());
      assert.deepEqual(two.cpu.getSregs(), one.cpu.getSregs());
      assert.deepEqual(two.cpu.getCpuid2(), one.cpu.getCpuid2());
      goOn(two);
      goOn(one);
      for (const each of [one, two]) {
        assert.ok(each.cpu.getRegs().rbx - word(each, counterAt) <= 1n);
        each.load([
          ...["cli", `mov eax, ${floatAt}`, "movq qword ptr [rax], xmm3"],
          ...["fstp qword ptr [rax+8]", "fstp qword ptr [rax+16]"],
        ]);
        assert.equal(each.run().reason, "hlt");
        const ram = each.ram();
        const view = new DataView(ram.buffer, ram.byteOffset + floatAt);
        assert.deepEqual(
          [view.getBigUint64(0, true), view.getFloat64(8, true), view.getFloat64(16, true)],
          [0x1234567n, Math.PI, 1],
        );
      }
    });
  }
}

test("what is on its way when it is saved arrives: a line, a non-maskable interrupt, a processor that waits for its start", async () => {
  const store = (address: number, value: number) => [
    `mov eax, 0x${address.toString(16)}`,
    `mov dword ptr [rax], 0x${value.toString(16)}`,
  ];
  const one = await guest(KVM_X86_UNIKVM_PR);
  const other = one.vm.createVcpu(1);
  one.load([
    ...["mov al, 0xff", "out 0x21, al", "out 0xa1, al", ...store(0xfee000f0, 0x1ff)],
    ...[...store(0xfec00000, 0x1a), ...store(0xfec00010, 0x55)],
  ]);
  assert.equal(one.run().reason, "hlt");
  one.vm.irqLine(5, 1);
  one.cpu.nmi();
  const two = await guest(KVM_X86_UNIKVM_HV);
  const twin = two.vm.createVcpu(1);
  copyInto(two, one);
  assert.equal(twin.getMpState(), KVM_MP_STATE_UNINITIALIZED);
  assert.deepEqual(twin.run({ wait: false }), { reason: "hlt", until: Number.POSITIVE_INFINITY });
  await waitUntil(two, (each) => vectorAt(each) === 2);
  two.load(["sti", "hlt"]);
  await waitUntil(two, (each) => vectorAt(each) === 0x55);
  for (const cpu of [other, twin]) cpu.close();
});

const refused = (sentence: RegExp) => (error: unknown) => errno("EINVAL")(error) && sentence.test(String(error));

test("a VM's state fits no other kind of VM", async () => {
  const one = await guest(KVM_X86_UNIKVM_PR);
  const state = one.vm.saveState();
  const amd = await guest(KVM_X86_UNIKVM_PR, "amd");
  assert.throws(() => amd.vm.loadState(state), refused(/of "kvm_intel", and this VM those of kvm_amd: a guest cannot/));
  assert.throws(() => one.vm.loadState(amd.vm.saveState()), refused(/of "kvm_amd", and this VM those of kvm_intel/));
  await assert.rejects(one.vm.moveTo(await kvmOf("amd")), /EOPNOTSUPP.*vendor/);
  one.load(["mov eax, 7"]);
  assert.equal(one.run().reason, "hlt");
  const plain = await guest(KVM_X86_UNIKVM_PR, "intel", false);
  assert.throws(() => plain.vm.loadState(state), refused(/has interrupt controllers .* and this VM has none/));
  assert.throws(() => one.vm.loadState(plain.vm.saveState()), refused(/lacks interrupt controllers/));
  const more = await guest(KVM_X86_UNIKVM_PR);
  const second = more.vm.createVcpu(1);
  assert.throws(() => more.vm.loadState(state), refused(/has the vCPUs 0, and this VM 0, 1/));
  second.close();
});

/** Each would have the host count, index or wait by it. */
const hostile: readonly (readonly [way: readonly string[], value: unknown])[] = [
  [["clock"], 1e300],
  ...[Number.NaN, Number.POSITIVE_INFINITY, -1, 1e13].map(
    (time) => [["vcpus", "0", "arch", "lapic", "due"], time] as const,
  ),
  [["archVm", "irqchip", "pit", "due"], Number.POSITIVE_INFINITY],
  [["archVm", "irqchip", "pit", "count", "0"], 65537],
  [["archVm", "irqchip", "pit", "mode", "0"], 6],
  [["archVm", "irqchip", "pic", "vectorBase", "0"], 0xf9],
  [["archVm", "irqchip", "ioapic", "entries", "3"], 1n << 64n],
  [["archVm", "irqchip", "ioapic", "entries"], [1n]],
  [["archVm", "vendor"], 7],
  [["archVm", "hasPit"], 0],
  [["vcpus", "0", "arch", "record", "mpState"], 99],
  [["vcpus", "0", "arch", "record", "startVector"], 512],
  [["vcpus", "0", "arch", "record", "systemTime"], Number.POSITIVE_INFINITY],
  [["vcpus", "0", "arch", "state", "interruptPending", "0"], 257n],
  [["vcpus", "0", "arch", "state", "cpuidCount", "0"], 129n],
  [["vcpus", "0", "arch", "state", "cpl", "0"], 4n],
  [["vcpus", "0", "arch", "state", "watchCount", "0"], 17n],
  [["vcpus", "0", "arch", "state", "mmioCompleted", "0"], 65n],
  [["vcpus", "0", "arch", "state", "dirtyRing", "1"], 4096n],
  [["vcpus", "0", "arch", "state", "control", "0"], 0x8000_0000n],
  [["vcpus", "0", "arch", "state", "control", "3"], 1n << 40n],
  [["vcpus", "0", "arch", "state", "control", "4"], 1n << 30n],
  [["vcpus", "0", "arch", "state", "msrs", "0"], 0x400n],
  [["vcpus", "0", "arch", "state", "xcr0", "0"], 0x206n],
  [["vcpus", "0", "arch", "state", "pkru", "0"], 1n << 32n],
  [["vcpus", "0", "arch", "state", "general", "3"], 1n << 64n],
  [["vcpus", "0", "arch", "state", "general", "3"], 5],
];

test("what no processor and no controller can be is refused, each with its sentence", async () => {
  const one = await guest(KVM_X86_UNIKVM_PR);
  startCounting(one);
  goOn(one);
  const state = one.vm.saveState();
  for (const [way, value] of hostile) {
    const changed = structuredClone(state);
    put(changed, way, value);
    assert.throws(() => one.vm.loadState(changed), refused(/vm\.loadState/), way.join("."));
  }
  one.vm.loadState(state);
  goOn(one);
});

test("a hostile state makes no more than a guest that does not work", async () => {
  const one = await guest(KVM_X86_UNIKVM_PR);
  startCounting(one);
  goOn(one);
  const state = one.vm.saveState();
  const ways = [...places(state)];
  const random = generator(Number(process.env["UNIKVM_SEED"] ?? 5));
  const others = [await guest(KVM_X86_UNIKVM_HV), await guest(KVM_X86_UNIKVM_PR)] as const;
  let [no, yes] = [0, 0];
  for (let i = 0; i < 200; i++) {
    const changed = structuredClone(state);
    const way = ways[random(ways.length)] ?? [];
    put(changed, way, junk[random(junk.length)]);
    const other = others[random(2)] ?? others[0];
    other.ram().set(one.ram());
    other.vm.guestWritten(0n, ramSize);
    try {
      other.vm.loadState(changed);
      yes++;
      other.vm.irqLine(1, 1);
      // It may do anything that a guest can do.
      for (let runs = 0; runs < 3; runs++) other.cpu.run({ wait: false, deadline: performance.now() + 2 });
      await other.vm.pause();
      other.vm.saveState();
      other.vm.resume();
    } catch (error) {
      if (!(error instanceof KvmError)) throw new Error(`${way.join(".")}: ${String(error)}`, { cause: error });
      assert.match(error.code, /^(EINVAL|EBUSY)$/, `${way.join(".")}: ${String(error)}`);
      no++;
    }
  }
  assert.ok(no > 50 && yes > 20, `${no} refused, ${yes} taken`);
});
