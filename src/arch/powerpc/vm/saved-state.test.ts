/** VMs that stand still, are taken out as values and filled in elsewhere, on the real engines. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../../base/errno.test-support.js";
import { openKvm } from "../../../kernel.js";
import {
  KVM_CAP_IRQ_XICS,
  KVM_CAP_PPC_ENABLE_HCALL,
  KVM_CAP_PPC_IRQ_XIVE,
  KVM_CAP_PPC_PAPR,
  KVM_DEV_TYPE_XICS,
  KVM_DEV_TYPE_XIVE,
} from "../../../kvm/constants.js";
import { generator, junk, places, put } from "../../../kvm/hostile-state.test-support.js";
import { KvmError, type VmState } from "../../../kvm/uapi.js";
import { assemble } from "../isa/assembler.js";
import type { PpcKvm, PpcVm } from "../module.js";
import {
  KVM_DEV_XIVE_GRP_EQ_CONFIG,
  KVM_DEV_XIVE_GRP_SOURCE,
  KVM_DEV_XIVE_GRP_SOURCE_CONFIG,
  KVM_GET_HTAB_WRITE,
  KVM_XIVE_EQ_ALWAYS_NOTIFY,
  kvmPpcXiveEq,
  type PpcVcpu,
} from "../uapi.js";

const start = 0x10000n;
const ramSize = 4 << 20;
const counterAt = 0x20000;
const kvm: PpcKvm = await openKvm({ memory: "both" });
const types = { hv: 1, pr: 2 } as const;
const names = ["hv", "pr"] as const;
type Controller = "xics" | "xive" | "none";

interface Guest {
  readonly vm: PpcVm;
  readonly cpus: readonly PpcVcpu[];
  readonly ram: number;
  counter(): bigint;
  close(): void;
}

interface Made {
  readonly shared?: boolean;
  readonly controller?: Controller;
  readonly cpus?: number;
  readonly sources?: number;
}

/** All that the user side makes, each time in the same way; no code, no registers. */
function make(name: "hv" | "pr", { shared = false, controller = "none", cpus = 2, sources = 4 }: Made = {}): Guest {
  const vm = kvm.createVm(types[name], { shared });
  const ram = vm.allocate(ramSize);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: ram });
  const type = controller === "xics" ? KVM_DEV_TYPE_XICS : KVM_DEV_TYPE_XIVE;
  const device = controller === "none" ? undefined : vm.createDevice(type);
  const group = controller === "xics" ? 1 : KVM_DEV_XIVE_GRP_SOURCE;
  for (let irq = 0x1000; device && irq < 0x1000 + sources; irq++) device.setAttr(group, BigInt(irq), 0xffn << 32n);
  const made = Array.from({ length: cpus }, (_, id) => {
    const cpu = vm.createVcpu(id);
    cpu.enableCap({ cap: KVM_CAP_PPC_PAPR });
    const cap = controller === "xics" ? KVM_CAP_IRQ_XICS : KVM_CAP_PPC_IRQ_XIVE;
    if (device) cpu.enableCap({ cap, args: [device.fd, id] });
    return cpu;
  });
  device?.close();
  const counter = () => new DataView(vm.memory.buffer, ram).getBigUint64(counterAt);
  const close = (): void => {
    for (const cpu of made) cpu.close();
    vm.close();
  };
  return { vm, cpus: made, ram, counter, close };
}

function load(guest: Guest, source: string): void {
  const { bytes } = assemble(source, { origin: start, littleEndian: false });
  guest.vm.bytes(guest.ram + Number(start), bytes.length).set(bytes);
  const [cpu] = guest.cpus;
  cpu?.setRegs({ ...cpu.getRegs(), pc: start });
}

const counting = `
  lis 4, 2
  li 5, 0
  lis 6, 0x7fff
again:
  mtctr 6
loop:
  addi 5, 5, 1
  std 5, 0(4)
  mftb 7
  bdnz loop
  b again
`;

function goOn({ cpus: [cpu], counter }: Guest): void {
  const before = counter();
  const end = performance.now() + 60_000;
  do assert.deepEqual(cpu?.run({ deadline: performance.now() + 40 }), { reason: "intr" });
  while (counter() === before && performance.now() < end);
  assert.ok(counter() > before, "the guest does not run");
}

/** What a snapshot does: memory's contents and the kernel side's state, by way of what a file can hold. */
function copyInto(to: Guest, from: Guest): void {
  const state = structuredClone(from.vm.saveState());
  to.vm.bytes(to.ram, ramSize).set(from.vm.bytes(from.ram, ramSize));
  to.vm.loadState(state);
}

for (const from of names) {
  for (const to of names) {
    test(`a guest under ${from} goes on under ${to}, and both go their ways`, () => {
      const [one, two] = [make(from), make(to, { shared: true })];
      load(one, counting);
      goOn(one);
      const { gpr } = one.cpus[0]?.getRegs() ?? { gpr: [] };
      copyInto(two, one);
      assert.deepEqual(two.cpus[0]?.getRegs(), one.cpus[0]?.getRegs());
      assert.equal(two.counter(), one.counter());
      goOn(two);
      assert.ok(two.counter() > one.counter());
      const [timeBefore, timeAfter] = [gpr[7] ?? 0n, two.cpus[0]?.getRegs().gpr[7] ?? 0n];
      assert.ok(timeAfter > timeBefore, "the time base goes on");
      goOn(one);
      // Its own register and memory tell the same.
      for (const each of [one, two]) assert.ok((each.cpus[0]?.getRegs().gpr[5] ?? 0n) - each.counter() <= 1n);
      for (const each of [one, two]) each.close();
    });
  }
}

test("the guest's time stands still while it is paused, and in its state", async () => {
  // The clock may be one of the VM's beginning: on a busy host nobody has looked at it since.
  const beganAt = performance.now();
  const one = make("pr");
  load(one, "again: mftb 5\n b again");
  const [cpu] = one.cpus as [PpcVcpu];
  /** On a busy host it may not have come to look at its clock. */
  const timeBase = () => {
    const end = performance.now() + 60_000;
    cpu.setRegs({ ...cpu.getRegs(), gpr: cpu.getRegs().gpr.fill(0n) });
    do cpu.run({ deadline: performance.now() + 5 });
    while (cpu.getRegs().gpr[5] === 0n && performance.now() < end);
    return cpu.getRegs().gpr[5] ?? 0n;
  };
  const before = timeBase();
  await one.vm.pause();
  await assert.rejects(one.vm.pause(), errno("EBUSY"));
  await assert.rejects(one.vm.moveTo(kvm), errno("EBUSY"));
  // run() does not go in.
  assert.deepEqual(cpu.run({ deadline: performance.now() + 5 }), { reason: "intr" });
  const paused = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const state = one.vm.saveState();
  const still = performance.now() - paused;
  one.vm.resume();
  assert.throws(() => one.vm.resume(), errno("EINVAL"));
  const passed = Number(timeBase() - before) / 512_000;
  assert.ok(passed <= performance.now() - beganAt - still + 1, `${passed} ms have passed, though ${still} were paused`);
  const two = make("hv");
  two.vm.bytes(two.ram, ramSize).set(one.vm.bytes(one.ram, ramSize));
  const madeAt = performance.now();
  two.vm.loadState(state);
  const [twin] = two.cpus as [PpcVcpu];
  twin.run({ deadline: performance.now() + 5 });
  const onwards = Number((twin.getRegs().gpr[5] ?? 0n) - before) / 512_000;
  assert.ok(onwards >= 0 && onwards <= paused - beganAt + performance.now() - madeAt + 1, `${onwards} ms`);
  for (const each of [one, two]) each.close();
});

for (const controller of ["xics", "xive"] as const) {
  test(`interrupts that are on their way through a ${controller} arrive after it was filled in`, () => {
    const one = make("hv", { controller });
    const device = one.vm.device(controller === "xics" ? KVM_DEV_TYPE_XICS : KVM_DEV_TYPE_XIVE);
    if (controller === "xics") device.setAttr(1, 0x1001n, (5n << 32n) | 1n);
    else {
      const queue = { flags: KVM_XIVE_EQ_ALWAYS_NOTIFY, qshift: 16, qaddr: 0x30000n, qtoggle: 1, qindex: 0 };
      device.setAttr(KVM_DEV_XIVE_GRP_EQ_CONFIG, (1n << 3n) | 6n, kvmPpcXiveEq(queue));
      device.setAttr(KVM_DEV_XIVE_GRP_SOURCE_CONFIG, 0x1001n, (0x77n << 33n) | (1n << 3n) | 6n);
    }
    one.vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [0x31c, 1] });
    one.vm.rtasDefineToken("ibm,int-on", 77);
    one.vm.irqLine(0x1001, 1);
    const two = make("pr", { controller });
    copyInto(two, one);
    assert.deepEqual(two.vm.saveState().arch, "powerpc");
    const { clock: _, ...wanted } = one.vm.saveState() as VmState & { clock: number };
    const { clock: __, ...found } = two.vm.saveState() as VmState & { clock: number };
    assert.deepEqual(found, wanted);
    assert.throws(() => two.vm.rtasDefineToken("ibm,int-off", 77), errno("EEXIST"));
    device.close();
    const others = make("pr", { controller, sources: 5 });
    assert.throws(() => others.vm.loadState(one.vm.saveState()), /EINVAL.*other sources/);
    for (const each of [one, two, others]) each.close();
  });
}

test("a hashed page table comes with the state, and one that is being prepared", () => {
  const one = make("hv", { cpus: 1 });
  one.vm.allocateHtab(18);
  const file = one.vm.getHtabFd({ flags: KVM_GET_HTAB_WRITE });
  const entry = new Uint8Array(8 + 16);
  const view = new DataView(entry.buffer);
  view.setUint32(0, 0x123, true);
  view.setUint16(4, 1, true);
  view.setBigUint64(8, 0x11n);
  view.setBigUint64(16, 0x10000n | 0x190n);
  assert.equal(file.write(entry), entry.length);
  file.close();
  one.vm.resizeHptPrepare({ shift: 19 });
  const two = make("pr", { cpus: 1 });
  copyInto(two, one);
  const read = two.vm.getHtabFd();
  const found = new Uint8Array(1 << 16);
  const length = read.read(found);
  read.close();
  const words = new DataView(found.buffer);
  const at = Array.from({ length: length / 8 }, (_, i) => words.getBigUint64(8 * i)).indexOf(0x11n);
  assert.ok(at > 0 && words.getBigUint64(8 * at + 8) === 0x10190n);
  two.vm.resizeHptCommit({ shift: 19 });
  for (const each of [one, two]) each.close();
});

test("a guest's dispatch trace log may have 2 GiB and more", () => {
  const one = make("pr", { cpus: 1 });
  const state = one.vm.saveState() as VmState & { vcpus: { arch: { record: Record<string, unknown> } }[] };
  const [
    {
      arch: { record },
    },
  ] = state.vcpus as [(typeof state.vcpus)[0]];
  // As H_REGISTER_VPA leaves it: 32 bits without a sign.
  Object.assign(record, { dtl: 0x10000n, dtlLength: 0x9000_0000 | 0 });
  one.vm.loadState(state);
  Object.assign(record, { dtlLength: 47 });
  assert.throws(() => one.vm.loadState(state), /EINVAL.*without room for an entry/);
  one.close();
});

test("a VM's state fits no other kind of VM", () => {
  const one = make("pr", { controller: "xics" });
  const state = one.vm.saveState();
  const refused: readonly (readonly [Made, RegExp])[] = [
    [{ cpus: 1, controller: "xics" }, /has the vCPUs 0, 1, and this VM 0/],
    [{ controller: "xive" }, /has devices of the types \d+, and this VM \d+/],
    [{}, /has devices of the types \d+, and this VM none/],
  ];
  for (const [made, sentence] of refused) {
    const other = make("pr", made);
    assert.throws(
      () => other.vm.loadState(state),
      (error) => errno("EINVAL")(error) && sentence.test(String(error)),
    );
    other.close();
  }
  const same = make("pr", { controller: "xics" });
  assert.throws(() => same.vm.loadState({ ...state, format: 99 }), /has format 99, and this version reads 1/);
  assert.throws(() => same.vm.loadState({ ...state, arch: "vax" }), /architecture "vax", and this VM of powerpc/);
  for (const each of [one, same]) each.close();
});

for (const controller of ["xics", "xive"] as const) {
  test(`a hostile state makes no more than a guest that does not work (${controller})`, () => {
    const one = make("pr", { controller, cpus: 1 });
    load(one, counting);
    goOn(one);
    const state = one.vm.saveState();
    const random = generator(11);
    const ways = [...places(state)];
    let [refused, taken] = [0, 0];
    for (let i = 0; i < 60; i++) {
      const hostile = structuredClone(state);
      put(hostile, ways[random(ways.length)] ?? [], junk[random(junk.length)]);
      const other = make(random(2) ? "hv" : "pr", { controller, cpus: 1 });
      other.vm.bytes(other.ram, ramSize).set(one.vm.bytes(one.ram, ramSize));
      try {
        other.vm.loadState(hostile);
        taken++;
        other.vm.irqLine(0x1001, 1);
        // It may do anything that a guest can do.
        for (let runs = 0; runs < 3; runs++) other.cpus[0]?.run({ wait: false, deadline: performance.now() + 2 });
        other.vm.saveState();
      } catch (error) {
        if (!(error instanceof KvmError)) throw error;
        assert.match(error.code, /^(EINVAL|EIO|EBUSY|ENOMEM)$/, String(error));
        refused++;
      }
      other.close();
    }
    assert.ok(refused > 10 && taken > 5, `${refused} refused, ${taken} taken`);
    one.close();
  });
}
