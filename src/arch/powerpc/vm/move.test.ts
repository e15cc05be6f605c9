/** VMs that go from one loaded kvm to another, on the real engines. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { errno } from "../../../base/errno.test-support.js";
import { createLoader, type KvmOffer } from "../../../kernel.js";
import {
  KVM_CAP_IRQ_XICS,
  KVM_CAP_PPC_IRQ_XIVE,
  KVM_DEV_TYPE_XICS,
  KVM_DEV_TYPE_XIVE,
  KVM_IRQFD_FLAG_RESAMPLE,
  KVM_MEM_LOG_DIRTY_PAGES,
} from "../../../kvm/constants.js";
import { saveVm } from "../../../kvm/save-vm.js";
import type { Arrival, ErrnoName, Exit, Kvm, SharedVm } from "../../../kvm/uapi.js";
import type { VmCore } from "../../../kvm/vm.js";
import { ProcessPage } from "../../../vac/page.js";
import { archLayout } from "../engines/layout.js";
import { assemble } from "../isa/assembler.js";
import type { ImplementationName } from "../module.js";
import type { GuestWorkerStart } from "../node/guest.test-worker.js";
import {
  KVM_DEV_XIVE_GRP_EQ_CONFIG,
  KVM_DEV_XIVE_GRP_ESB,
  KVM_DEV_XIVE_GRP_PAGES,
  KVM_DEV_XIVE_GRP_SOURCE,
  KVM_DEV_XIVE_GRP_SOURCE_CONFIG,
  KVM_REG_PPC_PPR,
  KVM_REG_PPC_VP_STATE,
  KVM_XIVE_EQ_ALWAYS_NOTIFY,
  KVM_XIVE_LEVEL_SENSITIVE,
  KVM_XIVE_TIMA_PAGE_OFFSET,
  kvmPpcXiveEq,
  kvmXiveEsb,
  type PpcKvm,
  type PpcVcpu,
  type PpcVm,
} from "../uapi.js";
import { derivedWords, savedWords } from "./saved.js";

const start = 0x10000n;
const ramSize = 4 << 20;
const counterAt = 0x20000;

/** A loaded kvm of its own, as another copy of the package has it. */
async function loadKvm() {
  const loader = createLoader({ memory: "both" });
  await loader.modprobe("kvm");
  const references = () => loader.lsmod().find(({ name }) => name === "kvm")?.references;
  return { kvm: loader.offer<KvmOffer>("kvm").open(), loader, references };
}

interface Guest {
  readonly vm: PpcVm;
  readonly cpu: PpcVcpu;
  readonly ram: number;
  counter(): bigint;
}

function guest(kvm: PpcKvm, type: number, source: string, shared = false): Guest {
  const vm = kvm.createVm(type, { shared });
  const ram = vm.allocate(ramSize);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: ram });
  const { bytes } = assemble(source, { origin: start, littleEndian: false });
  vm.bytes(ram + Number(start), bytes.length).set(bytes);
  const cpu = vm.createVcpu(0);
  cpu.setRegs({ ...cpu.getRegs(), pc: start });
  const counter = () => new DataView(vm.memory.buffer, ram).getBigUint64(counterAt);
  return { vm, cpu, ram, counter };
}

/** Counts in memory and in r5, 100,000,007 at a time in CTR, so that it is translated. */
const counting = `
  lis 4, 2
  li 5, 0
  lis 6, 0x7fff
again:
  mtctr 6
loop:
  addi 5, 5, 1
  std 5, 0(4)
  bdnz loop
  b again
`;

const slice = (cpu: PpcVcpu, milliseconds: number): Exit => cpu.run({ deadline: performance.now() + milliseconds });

/** Runs until the guest has counted, for a while. */
function goOn(cpu: PpcVcpu, counter: () => bigint): void {
  const before = counter();
  const end = performance.now() + 10_000;
  do assert.deepEqual(slice(cpu, 60), { reason: "intr" });
  while (counter() === before && performance.now() < end);
  assert.ok(counter() > before, "the guest does not run");
}

const ways: readonly (readonly [ImplementationName, ImplementationName])[] = [
  ["hv", "hv"],
  ["pr", "pr"],
  ["hv", "pr"],
  ["pr", "hv"],
];
const typeOf = { hv: 1, pr: 2 } as const;

for (const [from, to] of ways) {
  test(`M19: a VM moves from ${from} to another kvm's ${to} and back, its RAM where it was`, async () => {
    const [one, two] = [await loadKvm(), await loadKvm()];
    const code = ProcessPage.here().codeBytes;
    const { vm, cpu, ram, counter } = guest(one.kvm, typeOf[from], counting);
    for (let i = 0; i < 3; i++) {
      const [here, there, type] = i % 2 === 0 ? [one, two, typeOf[to]] : [two, one, typeOf[from]];
      goOn(cpu, counter);
      const before = counter();
      const { gpr, pc } = cpu.getRegs();
      await vm.moveTo(there.kvm, { type });
      assert.deepEqual([here.references(), there.references()], [0, 1]);
      assert.equal(vm.implementation, type === 1 ? "hv" : "pr");
      assert.deepEqual([cpu.getRegs().gpr, cpu.getRegs().pc], [gpr, pc]);
      assert.equal(counter(), before);
      here.loader.rmmod("kvm");
      await here.loader.modprobe("kvm");
      // What was offered before is of the module that went.
      here.kvm = here.loader.offer<KvmOffer>("kvm").open();
    }
    goOn(cpu, counter);
    // The register and the memory tell the same.
    assert.ok((cpu.getRegs().gpr[5] as bigint) - counter() <= 1n);
    assert.equal(vm.bytes(ram, 4).length, 4);
    cpu.close();
    vm.close();
    assert.deepEqual([one.references(), two.references()], [0, 0]);
    assert.equal(ProcessPage.here().codeBytes, code, "generated code that nobody has is counted");
  });
}

test("everything that a VM has moves, and its handles with it", async () => {
  const [one, two] = [await loadKvm(), await loadKvm()];
  const { vm, cpu, ram, counter } = guest(one.kvm, 2, counting, true);
  const second = vm.createVcpu(3);
  vm.setUserMemoryRegion({
    slot: 0,
    guestPhysAddr: 0n,
    memorySize: BigInt(ramSize),
    userspaceAddr: ram,
    flags: KVM_MEM_LOG_DIRTY_PAGES,
  });
  const xics = vm.createDevice(KVM_DEV_TYPE_XICS);
  assert.ok(xics);
  for (const [server, vcpu] of [cpu, second].entries()) {
    vcpu.enableCap({ cap: KVM_CAP_IRQ_XICS, args: [xics.fd, server] });
  }
  // Level, server 1, priority 5; and a message, server 0, priority 6, pending.
  const level = (1n << 40n) | (5n << 32n) | 1n;
  const edge = (1n << 42n) | (6n << 32n);
  xics.setAttr(1, 0x1001n, level);
  xics.setAttr(1, 0x1002n, edge);
  const tce = vm.createSpaprTce({ liobn: 0x71000000n, pageShift: 12, offset: 0n, size: 16n });
  new DataView(vm.memory.buffer, tce.address).setBigUint64(3 * 8, 0x5003n, true);
  vm.rtasDefineToken("ibm,int-on", 77);
  vm.setGsiRouting([{ gsi: 5, type: "irqchip", irqchip: 0, pin: 0x1001 }]);
  const [line, resample, doorbell] = [vm.createEventFd(), vm.createEventFd(), vm.createEventFd()];
  vm.irqfd({ fd: line, gsi: 5, flags: KVM_IRQFD_FLAG_RESAMPLE, resamplefd: resample });
  vm.ioeventfd({ fd: doorbell, addr: 0x40000000n, len: 4 });
  const heard: bigint[] = [];
  const stop = doorbell.onSignal((count) => heard.push(count));
  cpu.setRegs({ ...cpu.getRegs(), gpr: Array.from({ length: 32 }, (_, i) => BigInt(i) * 0x0101010101010101n) });
  goOn(cpu, counter);

  const core = coreOf(vm);
  const before = saveVm(core);
  let saved: unknown;
  await vm.moveTo(spying(two.kvm, (state) => (saved = state)));
  const after = saveVm(coreOf(vm));
  // Only where things lie differs.
  const { free: _, heapNext: __, ...values } = after;
  const { free: ___, heapNext: ____, ...wanted } = before;
  assert.deepEqual(values, wanted);
  assert.deepEqual(saved, before);

  assert.equal(tce.get(3), 0x5003n);
  assert.throws(() => vm.createSpaprTce({ liobn: 0x71000000n, pageShift: 12, offset: 0n, size: 16n }), errno("EBUSY"));
  tce.close();
  assert.throws(() => vm.openSpaprTce(0x71000000n), errno("ENOENT"));
  assert.throws(() => vm.rtasDefineToken("ibm,int-off", 77), errno("EEXIST"));
  assert.equal(xics.getAttr(1, 0x1001n) & 0xffff_ffff_ffffn, level);
  line.signal();
  assert.notEqual(xics.getAttr(1, 0x1001n) & (1n << 42n), 0n, "the line is not up");
  doorbell.signal(3n);
  for (let tries = 0; tries < 1000 && heard.length === 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(heard, [3n]);
  stop();
  // Written since the slot logs.
  assert.equal(((vm.getDirtyLog(0)[0] ?? 0) >> 2) & 1, 1);

  // What it left behind is taken again, so that moving to and fro takes no more.
  const sizes: number[] = [];
  for (let i = 0; i < 4; i++) {
    await vm.moveTo(i % 2 ? two.kvm : one.kvm);
    goOn(cpu, counter);
    sizes.push(vm.memory.buffer.byteLength);
  }
  assert.equal(sizes[3], sizes[1]);
  for (const part of [cpu, second, xics, vm]) part.close();
  assert.deepEqual([one.references(), two.references()], [0, 0]);
  assert.throws(() => vm.createEventFd(), errno("EBADF"));
});

for (const [from, to] of ways) {
  test(`a VM's XIVE moves from ${from} to ${to} with what waits in it`, async () => {
    const [one, two] = [await loadKvm(), await loadKvm()];
    const { vm, cpu, ram } = guest(one.kvm, typeOf[from], counting);
    const xive = vm.createDevice(KVM_DEV_TYPE_XIVE);
    assert.ok(xive);
    cpu.enableCap({ cap: KVM_CAP_PPC_IRQ_XIVE, args: [xive.fd, 0] });
    const queue = { flags: KVM_XIVE_EQ_ALWAYS_NOTIFY, qshift: 16, qaddr: 0x30000n, qtoggle: 1, qindex: 0 };
    xive.setAttr(KVM_DEV_XIVE_GRP_PAGES, KVM_XIVE_TIMA_PAGE_OFFSET, 0x40000000n);
    xive.setAttr(KVM_DEV_XIVE_GRP_EQ_CONFIG, 6n, kvmPpcXiveEq(queue));
    xive.setAttr(KVM_DEV_XIVE_GRP_SOURCE, 0x1200n, KVM_XIVE_LEVEL_SENSITIVE);
    xive.setAttr(KVM_DEV_XIVE_GRP_SOURCE_CONFIG, 0x1200n, (0x55n << 33n) | 6n);
    assert.equal(xive.getAttr(KVM_DEV_XIVE_GRP_ESB, kvmXiveEsb(0x1200, 0xc00)), 1n);
    vm.irqLine(0x1200, 1);
    const pending = 0x0000_02ff_ff00_ff06n;
    assert.equal(cpu.getOneReg(KVM_REG_PPC_VP_STATE), pending);
    const before = saveVm(coreOf(vm)).devices;
    await vm.moveTo(two.kvm, { type: typeOf[to] });
    assert.deepEqual(saveVm(coreOf(vm)).devices, before);
    assert.equal(cpu.getOneReg(KVM_REG_PPC_VP_STATE), pending);
    // It goes on there: the line is still up when the guest ends the interrupt.
    assert.equal(xive.getAttr(KVM_DEV_XIVE_GRP_ESB, kvmXiveEsb(0x1200, 0)), 1n);
    const entries = new DataView(vm.memory.buffer, ram + 0x30000);
    assert.deepEqual(
      [0, 4, 8].map((at) => entries.getUint32(at)),
      [0x80000055, 0x80000055, 0],
    );
    assert.equal(xive.getAttr(KVM_DEV_XIVE_GRP_PAGES, KVM_XIVE_TIMA_PAGE_OFFSET), 0x40000000n);
    for (const part of [cpu, xive, vm]) part.close();
  });
}

test("a VM that cannot move stays and goes on", async () => {
  const [one, two] = [await loadKvm(), await loadKvm()];
  const { vm, cpu, counter } = guest(one.kvm, 1, `lis 7, 0x4000\nlwz 8, 0(7)\n${counting}`);
  assert.equal(cpu.run().reason, "mmio");
  // Nobody will complete the exit in that time.
  await assert.rejects(vm.moveTo(two.kvm, { timeout: 20 }), (error: Error) =>
    /EBUSY.*last exit of vCPU 0 has not been completed/.test(error.message),
  );
  assert.deepEqual(slice(cpu, 20), { reason: "intr" });
  const failing: Record<string, [Kvm, ErrnoName]> = {
    "no such type": [refusing(two.kvm, { type: 7 }), "EINVAL"],
    "another format": [refusing(two.kvm, { format: 99 }), "EOPNOTSUPP"],
    "another architecture": [refusing(two.kvm, { arch: "x86" }), "EINVAL"],
    "no takeOver": [{ ...two.kvm, takeOver: undefined } as unknown as Kvm, "EOPNOTSUPP"],
  };
  for (const [what, [kvm, code]] of Object.entries(failing)) {
    await assert.rejects(vm.moveTo(kvm), errno(code), what);
    assert.deepEqual([one.references(), two.references()], [1, 0], what);
  }
  await assert.rejects(vm.moveTo(two.kvm, { prepare: () => Promise.reject(new Error("no threads")) }), /no threads/);
  // A state that breaks half way: the memory is put back.
  const broken = spying(two.kvm, (state) => {
    const { vcpus } = state as { vcpus: { id: number }[] };
    vcpus.push({ ...vcpus[0], id: 99999 });
  });
  await assert.rejects(vm.moveTo(broken), errno("EINVAL"));
  assert.deepEqual([one.references(), two.references()], [1, 0]);
  goOn(cpu, counter);
  await vm.moveTo(two.kvm);
  assert.equal(two.references(), 1);
  assert.throws(() => two.loader.rmmod("kvm"), errno("EBUSY"));
  cpu.close();
  vm.close();
  await assert.rejects(vm.moveTo(one.kvm), errno("EBADF"));
});

test("a state that another version saved: what it lacks is as in a new VM, what is unknown is ignored", async () => {
  const [one, two] = [await loadKvm(), await loadKvm()];
  const { vm, cpu } = guest(one.kvm, 2, counting);
  cpu.setOneReg(KVM_REG_PPC_PPR, 5n << 50n);
  const other = spying(two.kvm, (state) => {
    const { core, vcpus } = state as { core: object; vcpus: { arch: { state: Record<string, unknown> } }[] };
    Object.assign(core, { invented: [1, 2, 3] });
    for (const { arch } of vcpus) {
      arch.state["inventedRegister"] = [7n];
      delete arch.state["ppr"];
    }
  });
  slice(cpu, 10);
  const { gpr } = cpu.getRegs();
  await vm.moveTo(other);
  assert.deepEqual(cpu.getRegs().gpr, gpr);
  assert.equal(cpu.getOneReg(KVM_REG_PPC_PPR), 2n << 50n);
});

test("two moves at once: one of them", async () => {
  const [one, two] = [await loadKvm(), await loadKvm()];
  const { vm } = guest(one.kvm, 2, counting, true);
  const both = await Promise.allSettled([vm.moveTo(two.kvm), vm.moveTo(two.kvm)]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.equal(two.references(), 1);
});

for (const name of ["hv", "pr"] as const) {
  test(`${name}: a vCPU's thread leaves, its handle ends, and another thread goes on`, {
    timeout: 30_000,
  }, async () => {
    const [one, two] = [await loadKvm(), await loadKvm()];
    const { vm, cpu, counter } = guest(one.kvm, typeOf[name], counting, true);
    const old = await runThere(vm.share());
    await old.running;
    await advances(counter);
    let prepared: SharedVm | undefined;
    await vm.moveTo(two.kvm, {
      prepare: async (share) => {
        prepared = share;
      },
    });
    assert.match(await old.ended, /ESTALE/);
    const stopped = counter();
    assert.deepEqual(prepared, vm.share());
    const next = await runThere(vm.share());
    await next.running;
    await advances(counter);
    assert.ok(counter() > stopped);
    cpu.immediateExit = true;
    assert.match(await next.ended, /intr/);
    await Promise.all([old.end(), next.end()]);
    assert.equal(one.references(), 0);
  });
}

test("every word of the architecture is saved or derived", () => {
  assert.deepEqual([...savedWords, ...derivedWords].sort(), Object.keys(archLayout).sort());
});

/** The core behind a VM's handle in the kvm that made it last. */
function coreOf(vm: PpcVm): VmCore {
  // The handle stands in for the core: what reads memory only is the same through it.
  return vm as unknown as VmCore;
}

/** A kvm that lets `look` see (and spoil) the state that arrives. */
const spying = (kvm: PpcKvm, look: (saved: unknown) => void): Kvm =>
  ({
    takeOver: (leaving: Parameters<Kvm["takeOver"]>[0]): Arrival => {
      const arrival = kvm.takeOver(leaving);
      return {
        ...arrival,
        arrive: (saved) => {
          look(saved);
          return arrival.arrive(saved);
        },
      };
    },
  }) as unknown as Kvm;

const refusing = (kvm: PpcKvm, change: object): Kvm =>
  ({
    takeOver: (leaving: Parameters<Kvm["takeOver"]>[0]) => kvm.takeOver({ ...leaving, ...change }),
  }) as unknown as Kvm;

/** Runs vCPU 0 on a thread. */
async function runThere(vm: SharedVm) {
  const worker = new Worker(new URL("../node/guest.test-worker.js", import.meta.url));
  let ready = (): void => {};
  const running = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const ended = new Promise<string>((resolve) => {
    worker.on("message", (message: unknown) => {
      if (message === "ready") ready();
      else resolve(JSON.stringify(message));
    });
    worker.on("error", (error) => resolve(String(error)));
  });
  worker.postMessage({ vm, cpu: 0, persist: true } satisfies GuestWorkerStart);
  return { running, ended, end: () => worker.terminate() };
}

async function advances(counter: () => bigint): Promise<void> {
  const before = counter();
  while (counter() === before) await new Promise((resolve) => setTimeout(resolve, 1));
}
