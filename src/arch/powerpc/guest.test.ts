/** Tiny guests on the real engines: what no fake can show. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { errno } from "../../base/errno.test-support.js";
import { openKvm } from "../../kernel.js";
import {
  KVM_CAP_IRQ_XICS,
  KVM_DEV_TYPE_XICS,
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_GUESTDBG_USE_HW_BP,
  KVM_GUESTDBG_USE_SW_BP,
  KVM_MEM_LOG_DIRTY_PAGES,
  KVM_MEM_READONLY,
} from "../../kvm/constants.js";
import type { Exit } from "../../kvm/uapi.js";
import { assemble } from "./isa/assembler.js";
import type { ImplementationName } from "./module.js";
import type { GuestWorkerStart } from "./node/guest.test-worker.js";
import {
  KVM_REG_PPC_CIABR,
  KVM_REG_PPC_DAWR,
  KVM_REG_PPC_DAWRX,
  KVM_REG_PPC_DEBUG_INST,
  KVMPPC_DEBUG_BREAKPOINT,
  KVMPPC_DEBUG_WATCH_READ,
  KVMPPC_DEBUG_WATCH_WRITE,
  type PpcVcpu,
  type PpcVm,
} from "./uapi.js";

const start = 0x10000n;
const ramSize = 4 << 20;
/** Outside memory. */
const device = 0x40000000;
const soon = () => performance.now() + 2000;

const kvm = await openKvm({ memory: "both" });

interface Guest {
  readonly vm: PpcVm;
  readonly cpus: readonly PpcVcpu[];
  readonly view: () => DataView;
}

/** Big-endian code at `start`; every vCPU begins there with its number in r31. Vectors hold what `vectors` says. */
function guest(
  name: ImplementationName,
  source: string,
  {
    cpus = 1,
    shared = false,
    vectors = {},
  }: { cpus?: number; shared?: boolean; vectors?: Record<number, string> } = {},
): Guest {
  const vm = kvm.createVm(name === "hv" ? 1 : 2, { shared });
  const ram = vm.allocate(ramSize);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: ram });
  const put = (address: bigint, text: string) => {
    const { bytes } = assemble(text, { origin: address, littleEndian: false });
    vm.bytes(ram + Number(address), bytes.length).set(bytes);
  };
  put(start, source);
  for (const [vector, text] of Object.entries(vectors)) put(BigInt(vector), text);
  const all = Array.from({ length: cpus }, (_, id) => {
    const vcpu = vm.createVcpu(id);
    const regs = vcpu.getRegs();
    vcpu.setRegs({ ...regs, pc: start, gpr: regs.gpr.with(31, BigInt(id)) });
    return vcpu;
  });
  return { vm, cpus: all, view: () => new DataView(vm.memory.buffer, ram) };
}

function only({ cpus }: Guest): PpcVcpu {
  const [cpu] = cpus;
  assert.ok(cpu);
  return cpu;
}

function mmioOf(exit: Exit): Extract<Exit, { reason: "mmio" }> {
  assert.equal(
    exit.reason,
    "mmio",
    JSON.stringify(exit, (_, v) => (typeof v === "bigint" ? `${v}` : v)),
  );
  return exit as Extract<Exit, { reason: "mmio" }>;
}

function hcallOf(exit: Exit): Extract<Exit, { reason: "papr_hcall" }> {
  assert.equal(
    exit.reason,
    "papr_hcall",
    JSON.stringify(exit, (_, v) => (typeof v === "bigint" ? `${v}` : v)),
  );
  return exit as Extract<Exit, { reason: "papr_hcall" }>;
}

/** What a vCPU's first exit is, run on a thread of its own. */
const runOnThread = (it: Guest, cpu: number): Promise<Exit> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./node/guest.test-worker.js", import.meta.url));
    const message: GuestWorkerStart = { vm: it.vm.share(), cpu };
    worker.on("error", reject);
    worker.on("message", (answer: "ready" | { exit: Exit }) => {
      if (answer === "ready") return;
      resolve(answer.exit);
      void worker.terminate();
    });
    worker.postMessage(message);
  });

for (const name of ["hv", "pr"] as const) {
  test(`${name}: accesses outside memory exit, and are completed on the next entry`, () => {
    const it = guest(
      name,
      `
      lis 4, 0x4000
      lis 5, 0x1234
      ori 5, 5, 0x5678
      stw 5, 0(4)
      lwz 6, 4(4)
      lhbrx 7, 0, 4
      std 5, 8(4)
      li 3, 0x58
      sc 1
      `,
    );
    const cpu = only(it);
    const store = mmioOf(cpu.run({ deadline: soon() }));
    assert.deepEqual([store.physAddr, store.length, store.isWrite, store.data], [BigInt(device), 4, true, 0x78563412n]);
    const load = mmioOf(cpu.run({ deadline: soon() }));
    assert.deepEqual([load.physAddr, load.length, load.isWrite], [BigInt(device) + 4n, 4, false]);
    load.data = 0xddccbbaan;
    const reversed = mmioOf(cpu.run({ deadline: soon() }));
    reversed.data = 0x2211n;
    const double = mmioOf(cpu.run({ deadline: soon() }));
    assert.deepEqual([double.length, double.data], [8, 0x7856341200000000n]);
    hcallOf(cpu.run({ deadline: soon() }));
    const { gpr } = cpu.getRegs();
    assert.deepEqual([gpr[6], gpr[7]], [0xaabbccddn, 0x2211n]);
  });

  test(`${name}: an instruction of several accesses makes them in order`, () => {
    const it = guest(name, "lis 4, 0x4000\nlmw 29, 0(4)\nstmw 30, 0(4)\nli 3, 0x58\nsc 1\n");
    const cpu = only(it);
    const seen: [bigint, bigint][] = [];
    for (let i = 0; i < 5; i++) {
      const exit = mmioOf(cpu.run({ deadline: soon() }));
      if (!exit.isWrite) exit.data = BigInt(i + 1) << 24n;
      seen.push([exit.physAddr - BigInt(device), exit.data >> 24n]);
    }
    assert.deepEqual(seen, [
      [0n, 1n],
      [4n, 2n],
      [8n, 3n],
      [0n, 2n],
      [4n, 3n],
    ]);
    assert.deepEqual(hcallOf(cpu.run({ deadline: soon() })).nr, 0x58);
  });

  test(`${name}: a string of more accesses outside memory than are kept is Alignment, not the guest's end`, () => {
    for (const string of ["stswx 6, 0, 5", "lswx 6, 0, 5"]) {
      const it = guest(name, `li 4, 124\nmtxer 4\nlis 5, 0x4000\n${string}\nli 3, 0x58\nsc 1\n`, {
        vectors: { 1536: "mfspr 20, 19\nmfspr 21, 26\nli 3, 0x5c\nsc 1\n" },
      });
      const cpu = only(it);
      let exit = cpu.run({ deadline: soon() });
      let accesses = 0;
      for (; exit.reason === "mmio"; accesses++) {
        exit.data = 0x55n;
        exit = cpu.run({ deadline: soon() });
      }
      assert.deepEqual([hcallOf(exit).nr, accesses], [0x5c, 64], string);
      const { gpr } = cpu.getRegs();
      assert.deepEqual(gpr.slice(20, 22), [BigInt(device), start + 12n], string);
    }
  });

  test(`${name}: a hypercall for the user side carries r4 to r12 both ways`, () => {
    const it = guest(name, "li 3, 0x58\nli 4, 11\nli 12, 99\nsc 1\nmr 20, 3\nmr 21, 4\nmr 22, 12\nli 3, 0x5c\nsc 1\n");
    const cpu = only(it);
    const exit = hcallOf(cpu.run({ deadline: soon() }));
    assert.deepEqual([exit.nr, exit.args[0], exit.args[8], exit.ret], [0x58, 11n, 99n, -2n]);
    exit.ret = 5n;
    exit.args[0] = 6n;
    exit.args[8] = 7n;
    assert.equal(hcallOf(cpu.run({ deadline: soon() })).nr, 0x5c);
    assert.deepEqual(cpu.getRegs().gpr.slice(20, 23), [5n, 6n, 7n]);
  });

  test(`${name}: an ioeventfd takes a write without an exit`, () => {
    const it = guest(name, "lis 4, 0x4000\nli 5, 1\nsth 5, 0x10(4)\nsth 5, 0x12(4)\n");
    const fd = it.vm.createEventFd();
    it.vm.ioeventfd({ fd, addr: BigInt(device) + 16n, len: 2 });
    const cpu = only(it);
    assert.equal(mmioOf(cpu.run({ deadline: soon() })).physAddr, BigInt(device) + 18n);
    assert.equal(fd.read(), 1n);
    assert.equal(cpu.stats()["mmioKernel"], 1);
  });

  test(`${name}: an irqfd wakes a halted guest, which takes the interrupt`, () => {
    const source = `
      li 3, 0x68        # H_CPPR
      li 4, 0xff
      sc 1
      li 3, 0xe0        # H_CEDE
      sc 1
      b .
    `;
    const external = `
      li 3, 0x74        # H_XIRR
      sc 1
      mr 20, 4
      li 3, 0x64        # H_EOI
      sc 1
      li 3, 0x58
      sc 1
    `;
    const it = guest(name, source, { vectors: { 1280: external } });
    const xics = it.vm.createDevice(KVM_DEV_TYPE_XICS);
    assert.ok(xics);
    const cpu = only(it);
    cpu.enableCap({ cap: KVM_CAP_IRQ_XICS, args: [xics.fd, 0] });
    xics.setAttr(1, 0x1000n, 5n << 32n);
    const fd = it.vm.createEventFd();
    it.vm.irqfd({ fd, gsi: 0x1000 });
    assert.equal(cpu.run({ deadline: soon() }).reason, "hlt");
    assert.equal(cpu.run({ deadline: soon() }).reason, "hlt");
    fd.signal();
    hcallOf(cpu.run({ deadline: soon() }));
    assert.equal(cpu.getRegs().gpr[20], 0xff001000n);
  });

  test(`${name}: the decrementer wakes a halted guest at its time`, () => {
    const source = "lis 4, 0x800\nmtdec 4\nli 3, 0xe0\nsc 1\nb .\n";
    const it = guest(name, source, { vectors: { 2304: "li 3, 0x58\nsc 1\n" } });
    const cpu = only(it);
    const exit = cpu.run({ deadline: soon() });
    assert.equal(exit.reason, "hlt");
    // 0x8000000 ticks at 512 MHz.
    const wait = exit.reason === "hlt" ? exit.until - performance.now() : 0;
    assert.ok(wait > 0 && wait < 262.2, `${wait} ms`);
    while (performance.now() < (exit.reason === "hlt" ? exit.until : 0));
    hcallOf(cpu.run({ deadline: soon() }));
  });

  test(`${name}: the dirty log has the pages that were written since`, () => {
    const it = guest(name, "again:\nlis 4, 0x20\nstd 3, 0(4)\nlis 4, 0x25\nstb 3, 8(4)\nli 3, 0x58\nsc 1\nb again\n");
    const region = { slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize) };
    const userspaceAddr = it.view().byteOffset;
    it.vm.setUserMemoryRegion({ ...region, userspaceAddr, flags: KVM_MEM_LOG_DIRTY_PAGES });
    const cpu = only(it);
    const pages = () => {
      const log = it.vm.getDirtyLog(0);
      return Array.from({ length: 64 }, (_, i) => i).filter((i) => ((log[i >> 3] ?? 0) >> (i & 7)) & 1);
    };
    hcallOf(cpu.run({ deadline: soon() }));
    assert.deepEqual(pages(), [0x20, 0x25]);
    assert.deepEqual(pages(), []);
    hcallOf(cpu.run({ deadline: soon() }));
    assert.deepEqual(pages(), [0x20, 0x25]);
  });

  test(`${name}: a device that overwrites code is noticed by every vCPU, and by the dirty log`, async () => {
    // Each vCPU counts how often a routine on another page answered 1, until it answers something else.
    const source = `
      slwi 6, 31, 3
      addis 4, 6, 0x20
      lis 7, 2
      again:
      mtctr 7
      bctrl
      cmpdi 3, 1
      bne done
      addi 5, 5, 1
      std 5, 0(4)
      b again
      done:
      li 3, 0x58
      sc 1
    `;
    const it = guest(name, source, { cpus: 2, shared: true });
    const routine = 0x20000n;
    const userspaceAddr = it.view().byteOffset;
    const write = (text: string) => {
      const { bytes } = assemble(text, { origin: routine, littleEndian: false });
      it.vm.bytes(userspaceAddr + Number(routine), bytes.length).set(bytes);
      return bytes.length;
    };
    write("li 3, 1\nblr\n");
    const region = { slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr };
    it.vm.setUserMemoryRegion({ ...region, flags: KVM_MEM_LOG_DIRTY_PAGES });
    const exits = Promise.all(it.cpus.map((cpu) => runOnThread(it, cpu.id)));
    const counts = () => it.cpus.map(({ id }) => it.view().getBigUint64(0x200000 + 8 * id));
    const end = performance.now() + 20_000;
    while (counts().some((count) => count < 1_000_000n) && performance.now() < end) await sleep(5);
    it.vm.getDirtyLog(0);
    it.vm.guestWritten(routine, write("li 3, 2\nblr\n"));
    const late = setTimeout(() => {
      for (const cpu of it.cpus) cpu.requestExit();
    }, 20_000);
    for (const exit of await exits) assert.equal(hcallOf(exit).nr, 0x58);
    clearTimeout(late);
    assert.deepEqual(
      it.cpus.map((cpu) => cpu.getRegs().gpr[3]),
      [0x58n, 0x58n],
    );
    const log = it.vm.getDirtyLog(0);
    assert.ok((log[0] ?? 0) & (1 << 2), "the routine's page");
    assert.equal((log[0] ?? 0) & (1 << 3), 0, "no other page");
  });

  test(`${name}: a device's write must be to memory`, () => {
    const { vm } = guest(name, "b .\n");
    assert.throws(() => vm.guestWritten(BigInt(ramSize) - 4n, 8), errno("EFAULT"));
    assert.throws(() => vm.guestWritten(-4n, 8), errno("EFAULT"));
    assert.throws(() => vm.guestWritten(1n << 62n, 8), errno("EFAULT"));
    assert.throws(() => vm.guestWritten(0n, -1), errno("EINVAL"));
    assert.throws(() => vm.guestWritten(0n, 0.5), errno("EINVAL"));
    vm.guestWritten(0n, 0);
    vm.guestWritten(0n, ramSize);
  });

  test(`${name}: a write to a read-only slot is an access outside memory`, () => {
    const it = guest(name, "lis 4, 0x100\nlwz 5, 0(4)\nstw 5, 4(4)\nli 3, 0x58\nsc 1\n");
    const rom = it.vm.allocate(65536);
    it.vm.bytes(rom, 4).set([1, 2, 3, 4]);
    it.vm.setUserMemoryRegion({
      slot: 1,
      flags: KVM_MEM_READONLY,
      guestPhysAddr: 0x1000000n,
      memorySize: 65536n,
      userspaceAddr: rom,
    });
    const cpu = only(it);
    const exit = mmioOf(cpu.run({ deadline: soon() }));
    assert.deepEqual([exit.physAddr, exit.isWrite, exit.data], [0x1000004n, true, 0x04030201n]);
    hcallOf(cpu.run({ deadline: soon() }));
    assert.deepEqual([...it.vm.bytes(rom + 4, 4)], [0, 0, 0, 0]);
  });

  test(`${name}: memory taken away is no longer seen`, () => {
    const it = guest(name, "lis 4, 0x100\nagain:\nlwz 5, 0(4)\nli 3, 0x58\nsc 1\nb again\n");
    const more = it.vm.allocate(65536);
    const region = { slot: 1, guestPhysAddr: 0x1000000n, memorySize: 65536n, userspaceAddr: more };
    it.vm.setUserMemoryRegion(region);
    const cpu = only(it);
    hcallOf(cpu.run({ deadline: soon() }));
    it.vm.setUserMemoryRegion({ ...region, memorySize: 0n });
    assert.equal(mmioOf(cpu.run({ deadline: soon() })).physAddr, 0x1000000n);
  });

  test(`${name}: a guest that loops gives its thread back by the deadline or on request`, () => {
    const it = guest(name, "li 4, 0\nagain:\naddi 4, 4, 1\nb again\n");
    const cpu = only(it);
    const count = () => cpu.getRegs().gpr[4] ?? 0n;
    // The first turns may go into compiling.
    for (let turn = 0; turn < 200 && count() < 1000n; turn++) {
      const begin = performance.now();
      assert.deepEqual(cpu.run({ deadline: begin + 10 }), { reason: "intr" });
      assert.ok(performance.now() - begin < 2000);
    }
    assert.ok(count() >= 1000n);
    cpu.requestExit();
    assert.deepEqual(cpu.run(), { reason: "intr" });
    cpu.immediateExit = true;
    assert.deepEqual(cpu.run(), { reason: "intr" });
  });

  test(`${name}: guest debug steps and stops, with addresses of 64 and of 32 bits`, () => {
    for (const mode of [1n << 63n, 0n]) {
      const it = guest(name, "li 4, 1\nli 4, 2\nli 4, 3\nli 4, 4\nli 3, 0x58\nsc 1\n");
      const cpu = only(it);
      const regs = cpu.getRegs();
      cpu.setRegs({ ...regs, msr: (regs.msr & ~(1n << 63n)) | mode });
      cpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP });
      assert.deepEqual(cpu.run(), { reason: "debug", address: start + 4n, status: 0 });
      assert.equal(cpu.getRegs().gpr[4], 1n);
      cpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, breakpoints: [start + 12n] });
      for (let again = 0; again < 2; again++) {
        assert.deepEqual(cpu.run(), { reason: "debug", address: start + 12n, status: KVMPPC_DEBUG_BREAKPOINT });
        assert.equal(cpu.getRegs().gpr[4], 3n);
      }
      cpu.setGuestDebug({ control: 0 });
      hcallOf(cpu.run({ deadline: soon() }));
      assert.equal(cpu.getRegs().gpr[4], 4n);
    }
  });

  test(`${name}: a Trace interrupt tells the instruction and what it accessed`, () => {
    // Each instruction is traced; the handler gives SRR0, SRR1, SIAR and SDAR in a hypercall's arguments.
    const it = guest(name, "mtmsrd 7\nld 6, 8(5)\nstbu 6, 3(5)\nnop\nlmw 29, 4(5)\nstwcx. 6, 0, 8\ndcbz 0, 5\n", {
      vectors: { 3328: "mfspr 4, 26\nmfspr 5, 27\nmfspr 6, 796\nmfspr 7, 797\nli 3, 0x58\nsc 1\n" },
    });
    const cpu = only(it);
    const regs = cpu.getRegs();
    const traced = {
      ...regs,
      gpr: regs.gpr
        .with(5, 0x2000n)
        .with(7, regs.msr | 0x400n)
        .with(8, 0x3000n),
    };
    cpu.setRegs(traced);
    const seen: bigint[][] = [];
    for (let i = 1; i <= 6; i++) {
      const { args } = hcallOf(cpu.run({ deadline: soon() }));
      seen.push([args[0], (args[1] ?? 0n) & 0x783f0000n, args[2], args[3]].map((value) => value ?? -1n));
      cpu.immediateExit = true;
      cpu.run();
      cpu.immediateExit = false;
      cpu.setRegs({ ...traced, msr: regs.msr | 0x400n, pc: start + BigInt(4 * (i + 1)) });
    }
    const [load, store] = [0x50000000n, 0x48000000n];
    assert.deepEqual(seen, [
      [start + 8n, load, start + 4n, 0x2008n],
      [start + 12n, store, start + 8n, 0x2003n],
      [start + 16n, 0x40000000n, start + 12n, 0x2003n],
      [start + 20n, load, start + 16n, 0x2004n],
      [start + 24n, store, start + 20n, 0x3000n],
      [start + 28n, store, start + 24n, 0x2000n],
    ]);
  });

  test(`${name}: a hardware breakpoint in hot code stops each turn, and costs nothing once it is gone`, () => {
    const it = guest(name, "again:\naddi 4, 4, 1\nxor 5, 5, 4\nb again\n");
    const cpu = only(it);
    const hot = () => {
      for (let turn = 0; turn < 40; turn++) cpu.run({ deadline: performance.now() + 10 });
    };
    hot();
    const control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
    const point = { addr: start + 4n, type: KVMPPC_DEBUG_BREAKPOINT };
    for (let turn = 0; turn < 3; turn++) {
      const before = cpu.getRegs().gpr[4] ?? 0n;
      cpu.setGuestDebug({ control, breakpoints: [point] });
      assert.deepEqual(cpu.run({ deadline: soon() }), { reason: "debug", address: point.addr, status: point.type });
      const after = cpu.getRegs().gpr[4] ?? 0n;
      assert.ok(after >= before && after <= before + 1n, `${before} ${after}`);
      cpu.setGuestDebug({ control: control | KVM_GUESTDBG_SINGLESTEP, breakpoints: [point] });
      assert.deepEqual(cpu.run(), { reason: "debug", address: start + 8n, status: 0 });
    }
    // One of another page at the same offset does not stop it.
    cpu.setGuestDebug({ control, breakpoints: [{ ...point, addr: point.addr + 0x1000n }] });
    assert.deepEqual(cpu.run({ deadline: performance.now() + 30 }), { reason: "intr" });
    cpu.setGuestDebug({ control: 0 });
    const before = cpu.getRegs().gpr[4] ?? 0n;
    hot();
    assert.ok((cpu.getRegs().gpr[4] ?? 0n) - before > 1000n);
    assert.throws(() => cpu.setGuestDebug({ control, breakpoints: [{ addr: 0n, type: 1 }] }), errno("EINVAL"));
  });

  test(`${name}: watchpoints stop before the access that touches their byte`, () => {
    const source = "again:\nlwz 6, 0(4)\nstb 6, 9(4)\nlq 8, 0x10(4)\nstdcx. 6, 0, 4\naddi 5, 5, 1\nb again\n";
    const it = guest(name, source);
    const cpu = only(it);
    const regs = cpu.getRegs();
    cpu.setRegs({ ...regs, gpr: regs.gpr.with(4, 0x200000n) });
    for (let turn = 0; turn < 40; turn++) cpu.run({ deadline: performance.now() + 5 });
    const control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
    const stops = (offset: bigint, type: number, seen = type) => {
      const addr = 0x200000n + offset;
      cpu.setGuestDebug({ control, breakpoints: [{ addr, type }] });
      assert.deepEqual(cpu.run({ deadline: soon() }), { reason: "debug", address: addr, status: seen });
      return Number(cpu.getRegs().pc - start);
    };
    const [read, write] = [KVMPPC_DEBUG_WATCH_READ, KVMPPC_DEBUG_WATCH_WRITE];
    assert.equal(stops(3n, read), 0);
    assert.equal(stops(9n, write), 4);
    assert.equal(stops(0x1fn, read | write, read), 8);
    assert.equal(stops(7n, write), 12);
    for (const [offset, type] of [
      [10n, read | write],
      [9n, read],
      [0x1fn, write],
    ] as const) {
      cpu.setGuestDebug({ control, breakpoints: [{ addr: 0x200000n + offset, type }] });
      assert.deepEqual(cpu.run({ deadline: performance.now() + 20 }), { reason: "intr" });
    }
  });

  test(`${name}: CIABR traces the instruction it names, in the state it names`, () => {
    const it = guest(name, "li 5, 0\nagain:\naddi 5, 5, 1\ncmpwi 5, 100\nbne again\nli 3, 0x58\nsc 1\n", {
      vectors: { 3328: "addi 20, 20, 1\nmfspr 21, 796\nmfspr 22, 27\nmfspr 23, 26\nrfid\n" },
    });
    const cpu = only(it);
    const run = (ciabr: bigint) => {
      const regs = cpu.getRegs();
      cpu.setRegs({ ...regs, pc: start, gpr: regs.gpr.with(20, 0n) });
      cpu.setOneReg(KVM_REG_PPC_CIABR, ciabr);
      hcallOf(cpu.run({ deadline: soon() }));
      cpu.immediateExit = true;
      cpu.run();
      cpu.immediateExit = false;
      return cpu.getRegs().gpr;
    };
    const named = start + 4n;
    const gpr = run(named | 2n);
    assert.deepEqual([gpr[20], gpr[21], gpr[23]], [100n, named, named + 4n]);
    assert.equal((gpr[22] ?? 0n) & 0x783f0000n, 0x40100000n);
    assert.equal(run(named | 1n)[20], 0n, "problem state");
    assert.equal(run(named)[20], 0n, "off");
    assert.equal(run((named + 0x1000n) | 2n)[20], 0n, "another page");
  });

  test(`${name}: DAWR0 makes a data storage interrupt of what it watches`, () => {
    const source = "again:\nld 6, 0(4)\nadd 7, 7, 6\nstw 7, 0x20(4)\naddi 5, 5, 1\nb again\n";
    const it = guest(name, source, {
      vectors: { 768: "mfspr 20, 19\nmfspr 21, 18\nmfspr 22, 26\nli 3, 0x58\nsc 1\n" },
    });
    const cpu = only(it);
    const begin = (dawr: bigint, dawrx: bigint) => {
      const regs = cpu.getRegs();
      cpu.setRegs({ ...regs, pc: start, gpr: regs.gpr.with(4, 0x200000n) });
      cpu.setOneReg(KVM_REG_PPC_DAWR, dawr);
      cpu.setOneReg(KVM_REG_PPC_DAWRX, dawrx);
    };
    const quiet = (dawr: bigint, dawrx: bigint) => {
      begin(dawr, dawrx);
      assert.deepEqual(cpu.run({ deadline: performance.now() + 20 }), { reason: "intr" });
    };
    const hit = (dawr: bigint, dawrx: bigint) => {
      begin(dawr, dawrx);
      hcallOf(cpu.run({ deadline: soon() }));
      cpu.immediateExit = true;
      cpu.run();
      cpu.immediateExit = false;
      return cpu.getRegs().gpr.slice(20, 23);
    };
    const [privileged, problem, any, translated, read, write] = [2n, 1n, 8n, 16n, 32n, 64n];
    for (let turn = 0; turn < 40; turn++) quiet(0n, 0n);
    assert.deepEqual(hit(0x200000n, privileged | any | read), [0x200000n, 0x400000n, start]);
    assert.deepEqual(hit(0x200020n, privileged | write), [0x200020n, 0x2400000n, start + 8n]);
    // Four doublewords: the last one is where the store is.
    assert.deepEqual(hit(0x200008n, privileged | write | (3n << 10n)), [0x200020n, 0x2400000n, start + 8n]);
    quiet(0x200008n, privileged | write | (2n << 10n));
    quiet(0x200000n, privileged | write);
    quiet(0x200020n, privileged | read);
    quiet(0x200000n, problem | any | read | write);
    quiet(0x200000n, privileged | translated | read | write);
    quiet(0x200000n, 0n);
  });

  test(`${name}: a software breakpoint leaves before its instruction, on demand`, () => {
    const it = guest(name, "li 4, 1\n.long 0x00dddd00\nli 4, 2\nli 3, 0x58\nsc 1\n", { vectors: { 1792: "b .\n" } });
    const cpu = only(it);
    assert.equal(cpu.getOneReg(KVM_REG_PPC_DEBUG_INST), 0x00dddd00n);
    assert.throws(() => cpu.setOneReg(KVM_REG_PPC_DEBUG_INST, 0n), errno("EINVAL"));
    cpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP });
    for (let again = 0; again < 2; again++) {
      assert.deepEqual(cpu.run({ deadline: soon() }), { reason: "debug", address: start + 4n, status: 0 });
      assert.equal(cpu.getRegs().gpr[4], 1n);
    }
    cpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_SINGLESTEP });
    assert.deepEqual(cpu.run({ deadline: soon() }), { reason: "debug", address: start + 4n, status: 0 });
    cpu.setRegs({ ...cpu.getRegs(), pc: start + 8n });
    assert.deepEqual(cpu.run({ deadline: soon() }), { reason: "debug", address: start + 12n, status: 0 });
    assert.equal(cpu.getRegs().gpr[4], 2n);
  });

  test(`${name}: without KVM_GUESTDBG_USE_SW_BP the same word is illegal`, () => {
    const cpu = only(guest(name, ".long 0x00dddd00\n", { vectors: { 1792: "li 3, 0x58\nsc 1\n" } }));
    cpu.setGuestDebug({ control: KVM_GUESTDBG_ENABLE });
    hcallOf(cpu.run({ deadline: soon() }));
    assert.equal(cpu.getRegs().srr0, start);
    assert.throws(() => cpu.setGuestDebug({ control: 1 << 30 }), errno("EINVAL"));
  });

  test(`${name}: every instruction is traced with what it changed, and none once that is over`, () => {
    const it = guest(name, "li 4, 1\ncmpwi 4, 1\nbeq 1f\nnop\n1: addi 4, 4, 5\nli 3, 0x58\nsc 1\nb .\n");
    const cpu = only(it);
    const seen: unknown[] = [];
    it.vm.setTrace({ categories: ["insn"], sink: ({ values }) => seen.push(values) });
    hcallOf(cpu.run({ deadline: soon() }));
    assert.deepEqual(seen, [
      { pc: start, word: 0x38800001, r4: 1n },
      { pc: start + 4n, word: 0x2c040001, cr: 0x20000000n },
      { pc: start + 8n, word: 0x41820008 },
      { pc: start + 16n, word: 0x38840005, r4: 6n },
      { pc: start + 20n, word: 0x38600058, r3: 0x58n },
      { pc: start + 24n, word: 0x44000022 },
    ]);
    it.vm.setTrace({ categories: [], sink: () => assert.fail("it is over") });
    assert.deepEqual(cpu.run({ deadline: performance.now() + 20 }), { reason: "intr" });
  });

  test(`${name}: refills, faults, invalidations and the process table are traced`, () => {
    const it = guest(
      name,
      "ld 6, 0(5)\nli 4, 0x400\ntlbie 4, 5, 2, 1, 1\ntlbiel 4, 5, 2, 1, 1\nmtmsrd 7\nld 6, 8(5)\n",
      {
        vectors: { 768: "li 3, 0x58\nsc 1\n" },
      },
    );
    const cpu = only(it);
    const seen: [string, Record<string, unknown>][] = [];
    it.vm.setTrace({ categories: ["mmu"], sink: ({ name: what, values }) => seen.push([what, values]) });
    it.vm.configureV3Mmu({ radix: true, gtse: true, processTable: 0x100000n });
    const regs = cpu.getRegs();
    cpu.setRegs({ ...regs, gpr: regs.gpr.with(5, 0x2000n).with(7, regs.msr | 0x10n) });
    hcallOf(cpu.run({ deadline: soon() }));
    const rest = { rb: "0x400", rs: "0x2000", ric: 2, prs: 1, r: 1 };
    const page = { page: "1G", rights: "rwx" };
    const refill = (ea: string, access: string) => ["refill", { ea, physical: ea, access, ...page }];
    assert.deepEqual(
      // Instructions are fetched anew after each invalidation.
      seen.filter(([what, { ea }]) => what !== "flush" && !(what === "refill" && ea !== "0x10000" && ea !== "0x2000")),
      [
        ["process table", { base: 0x100000n, bytes: 4096 }],
        refill("0x10000", "fetch"),
        refill("0x2000", "load"),
        ["tlbie", rest],
        ["tlbiel", rest],
        ["fault", { ea: "0x2008", access: "load", cause: "bad tables", dsisr: 0x80000 }],
      ],
    );
    it.vm.setTrace({ categories: [], sink: () => {} });
  });

  test(`${name}: interrupts are traced, each with where it came from`, () => {
    const it = guest(name, "lis 4, 0x7000\nstw 4, 0x10(4)\nli 3, 0x58\nsc 1\n.long 0\n", {
      vectors: { 1792: "mfspr 20, 26\nb .\n" },
    });
    const cpu = only(it);
    const seen: unknown[] = [];
    it.vm.setTrace({ categories: ["interrupt"], sink: ({ name: what, values }) => seen.push([what, values["srr0"]]) });
    mmioOf(cpu.run({ deadline: soon() }));
    hcallOf(cpu.run({ deadline: soon() }));
    assert.deepEqual(cpu.run({ deadline: performance.now() + 20 }), { reason: "intr" });
    assert.deepEqual(seen, [["Program", "0x10010"]]);
    it.vm.setTrace({ categories: [], sink: () => {} });
  });

  test(`${name}: registers written between runs count`, () => {
    const it = guest(name, "again:\naddi 4, 4, 1\nli 3, 0x58\nsc 1\nb again\n");
    const cpu = only(it);
    hcallOf(cpu.run({ deadline: soon() }));
    // Complete the hypercall before its registers are replaced.
    cpu.immediateExit = true;
    cpu.run();
    cpu.immediateExit = false;
    const { bytes } = assemble("li 3, 0x1234\nsc 1\n", { origin: 0x20000n, littleEndian: true });
    it.vm.bytes(it.view().byteOffset + 0x20000, bytes.length).set(bytes);
    const regs = cpu.getRegs();
    cpu.setRegs({ ...regs, pc: 0x20000n, msr: regs.msr | 1n });
    assert.equal(hcallOf(cpu.run({ deadline: soon() })).nr, 0x1234);
  });

  test(`${name}: vCPUs on threads of their own interrupt and wait for each other`, async () => {
    // Each adds to one counter a thousand times; the second then sleeps until the first sends it an interrupt.
    const source = `
      lis 4, 0x20
      li 5, 1000
      mtctr 5
      add: lwarx 6, 0, 4
      addi 6, 6, 1
      stwcx. 6, 0, 4
      bne- add
      bdnz add
      cmpwi 31, 0
      bne second
      wait: lwz 6, 4(4)
      cmpwi 6, 1
      bne wait
      li 3, 0x6c        # H_IPI to server 1
      li 4, 1
      li 5, 4
      sc 1
      li 3, 0x58
      sc 1
      second:
      li 3, 0x68        # H_CPPR
      lis 7, 0x20
      li 4, 0xff
      sc 1
      li 6, 1
      stw 6, 4(7)
      li 3, 0xe0        # H_CEDE
      sc 1
      b .
    `;
    const it = guest(name, source, {
      cpus: 2,
      shared: true,
      vectors: { 1280: "li 3, 0x74\nsc 1\nmr 20, 4\nli 3, 0x5c\nsc 1\n" },
    });
    const xics = it.vm.createDevice(KVM_DEV_TYPE_XICS);
    assert.ok(xics);
    for (const cpu of it.cpus) cpu.enableCap({ cap: KVM_CAP_IRQ_XICS, args: [xics.fd, cpu.id] });
    const exits = await Promise.all([runOnThread(it, 0), runOnThread(it, 1)]);
    assert.deepEqual(
      exits.map((exit) => hcallOf(exit).nr),
      [0x58, 0x5c],
    );
    assert.equal(it.view().getUint32(0x200000), 2000);
    assert.equal(it.cpus[1]?.getRegs().gpr[20], 0xff000002n);
    assert.equal(it.cpus[1]?.stats()["wakes"], 1);
  });

  test(`${name}: a thread that waits in a halted vCPU leaves when asked`, async () => {
    const it = guest(name, "li 3, 0xe0\nsc 1\nb .\n", { shared: true });
    const worker = new Worker(new URL("./node/guest.test-worker.js", import.meta.url));
    const exit = await new Promise<Exit>((resolve, reject) => {
      worker.on("error", reject);
      worker.on("message", (answer: "ready" | { exit: Exit }) => {
        if (answer === "ready") setTimeout(() => only(it).requestExit(), 50);
        else resolve(answer.exit);
      });
      const message: GuestWorkerStart = { vm: it.vm.share(), cpu: 0 };
      worker.postMessage(message);
    });
    await worker.terminate();
    assert.deepEqual(exit, { reason: "intr" });
  });
}
