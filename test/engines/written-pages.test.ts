/**
 * The dirty log misses nothing: whatever a guest's stores, handlers of hypercalls and devices change is in it, each on a page of
 * its own and in hot code, and a copy of memory that was made while vCPUs wrote is what memory is in the end.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { openKvm } from "../../src/kernel.js";
import { KVM_CAP_PPC_ENABLE_HCALL, KVM_MEM_LOG_DIRTY_PAGES } from "../../src/kvm/constants.js";
import type { Exit, SharedVm } from "../../src/kvm/uapi.js";
import { RamCopy } from "../../src/vmm/core/ram-copy.js";
import { logPage, WrittenPages } from "../../src/vmm/core/written-pages.js";

const start = 0x10000n;
/** Pages below are the program's and what it reads; from here on there is one for each store. */
const firstPage = 0x20;
const power10 = 0x0080_0200n;
/** SF, VEC, VSX, FP. */
const msr = (1n << 63n) | 0x0200_0000n | 0x0080_0000n | 0x2000n;

/** Stores to the page at r4; r14 is another number each time, r15 is 16 in its highest byte. */
const stores: readonly string[] = [
  ..."stb 14,0(4)|sth 14,2(4)|stw 14,4(4)|std 14,8(4)".split("|"),
  "stdu 14,8(4)\naddi 4,4,-8",
  "stwux 14,4,0",
  ..."sthbrx 14,0,4|stwbrx 14,0,4|stdbrx 14,0,4|stmw 14,16(4)|stswi 14,4,12".split("|"),
  "stq 14,0(4)",
  "dcbz 0,4",
  "lbarx 5,0,4\naddi 5,5,1\nstbcx. 5,0,4",
  "lharx 5,0,4\naddi 5,5,1\nsthcx. 5,0,4",
  "lwarx 5,0,4\naddi 5,5,1\nstwcx. 5,0,4",
  "ldarx 5,0,4\naddi 5,5,1\nstdcx. 5,0,4",
  "lqarx 6,0,4\naddi 7,7,1\nstqcx. 6,0,4",
  ..."stwat 14,4,0|stdat 14,4,0".split("|"),
  "mr 6,14\nldat 5,4,0",
  ..."stfd 1,0(4)|fcfid 2,1\nstfs 2,0(4)|stfiwx 1,0,4".split("|"),
  ..."stvx 2,0,4|li 5,4\nstvewx 2,5,4|stxvd2x 34,0,4|stxvw4x 34,0,4|stxv 34,0(4)|stxvx 34,0,4|stxvl 34,4,15".split("|"),
  // Begins on the page before.
  "std 14,-4(4)",
];
const pages = firstPage + stores.length + 8;
const ramSize = pages * logPage;
const storesEnd = firstPage + stores.length;

/** Stores of every kind, then r0 more turns. */
const round = `
  addi 14, 14, 1
  pstd 14, ${(firstPage + stores.length + 1) * logPage}(0), 0
  mtvsrd 1, 14
  mtvsrdd 34, 14, 14
  lis 4, ${firstPage - 1}
  ${stores.map((store) => `addis 4, 4, 1\n${store}`).join("\n")}
`;

const kvm = await openKvm({ memory: "both" });

function machine(type: number, source: string, { cpus = 1, shared = false } = {}) {
  const vm = kvm.createVm(type, { shared });
  const ram = vm.allocate(ramSize);
  vm.setUserMemoryRegion({
    slot: 0,
    flags: KVM_MEM_LOG_DIRTY_PAGES,
    guestPhysAddr: 0n,
    memorySize: BigInt(ramSize),
    userspaceAddr: ram,
  });
  const { bytes } = assemble(source, { origin: start, littleEndian: false });
  vm.bytes(ram + Number(start), bytes.length).set(bytes);
  const all = Array.from({ length: cpus }, (_, id) => {
    const vcpu = vm.createVcpu(id);
    vcpu.setSregs({ ...vcpu.getSregs(), pvr: power10 });
    const regs = vcpu.getRegs();
    const gpr = regs.gpr
      .with(15, 16n << 56n)
      .with(31, BigInt(id))
      .with(0, 0n);
    vcpu.setRegs({ ...regs, pc: start, msr, gpr });
    return vcpu;
  });
  return { vm, cpus: all, view: () => vm.bytes(ram, ramSize) };
}

const inLog = (log: Uint8Array): number[] =>
  Array.from({ length: pages }, (_, i) => i).filter((i) => ((log[i >> 3] ?? 0) >> (i & 7)) & 1);

function changed(before: Uint8Array, now: Uint8Array): number[] {
  const page = (bytes: Uint8Array, i: number) => bytes.subarray(i * logPage, (i + 1) * logPage);
  return Array.from({ length: pages }, (_, i) => i).filter((i) => Buffer.compare(page(before, i), page(now, i)) !== 0);
}

for (const [name, type] of [
  ["hv", 1],
  ["pr", 2],
] as const) {
  test(`${name}: every kind of store is in the dirty log, as often as it is emptied`, () => {
    const it = machine(type, `again:\nli 12, 100\nmtctr 12\nturn:\n${round}\nbdnz turn\nli 3, 0x58\nsc 1\nb again\n`);
    const [cpu] = it.cpus;
    assert.ok(cpu);
    for (let i = 0; i < 20; i++) {
      // What dcbz clears.
      it.view().fill(0xff, (firstPage + 12) * logPage, (firstPage + 12) * logPage + 256);
      const before = it.view().slice();
      const exit: Exit = cpu.run({ deadline: performance.now() + 60_000 });
      assert.equal(
        exit.reason,
        "papr_hcall",
        JSON.stringify(exit, (_, v) => (typeof v === "bigint" ? `${v}` : v)),
      );
      const differ = changed(before, it.view());
      const log = inLog(it.vm.getDirtyLog(0));
      assert.deepEqual(
        differ.filter((page) => !log.includes(page)),
        [],
        `missed, in turn ${i}`,
      );
      const stored = Array.from({ length: stores.length }, (_, n) => firstPage + n);
      assert.deepEqual(differ, [...stored, storesEnd + 1], "each store changes its page");
      assert.deepEqual(log, differ, "and no other");
    }
    it.vm.close();
  });
}

/** Page that a hypercall copies to: from one that changes. */
const copiedTo = storesEnd + 3;
/** Where the host says that it is over. */
const flag = 0x20000;

test("a hypercall's store is in the dirty log; so is a device's, on each page that it goes over", () => {
  const it = machine(1, `again:\n${round}\n${copyPage()}\nmr 20, 3\nli 3, 0x58\nsc 1\nb again\n`);
  it.vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [0x2c, 1] });
  const [cpu] = it.cpus;
  assert.ok(cpu);
  for (let i = 0; i < 3; i++) {
    const before = it.view().slice();
    assert.equal(cpu.run({ deadline: performance.now() + 60_000 }).reason, "papr_hcall");
    assert.equal(cpu.getRegs().gpr[20], 0n, "H_PAGE_INIT");
    const at = (storesEnd + 5) * logPage - 4;
    it.view().fill(i + 1, at, at + 8);
    it.vm.guestWritten(BigInt(at), 8);
    const differ = changed(before, it.view());
    assert.ok(differ.includes(copiedTo) && differ.includes(storesEnd + 4) && differ.includes(storesEnd + 5));
    assert.deepEqual(
      inLog(it.vm.getDirtyLog(0)),
      differ
        .filter((page) => page !== firstPage + 12)
        .concat(firstPage + 12)
        .sort((a, b) => a - b),
    );
  }
  it.vm.close();
});

function copyPage(): string {
  return `
    li 3, 0x2c
    li 4, 0x4000
    lis 5, ${copiedTo}
    lis 6, ${firstPage + 3}
    sc 1
  `;
}

for (const [name, type] of [
  ["hv", 1],
  ["pr", 2],
] as const) {
  test(`${name}: a copy made while two threads write is what memory is in the end`, async (t) => {
    const source = `
      again:
      ${round}
      ${copyPage()}
      lis 8, ${flag >> 16}
      lwz 9, 0(8)
      cmpwi 9, 0
      beq again
      li 3, 0x58
      sc 1
    `;
    const it = machine(type, source, { cpus: 2, shared: true });
    it.vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [0x2c, 1] });
    const exits = it.cpus.map(({ id }) => runOnThread(it.vm.share(), id));
    await Promise.all(exits.map(({ ready }) => ready));
    const written = new WrittenPages(ramSize, () => it.vm.getDirtyLog(0));
    // The program, which was written to the memory before there was a log.
    written.add(0, firstPage * logPage);
    let again = 0;
    for (let i = 0; i < 12; i++) {
      const target = new Uint8Array(ramSize);
      const ram = (offset: number, length: number) => it.view().subarray(offset, offset + length);
      const copy = new RamCopy({ ramSize, ram, written }, (page, bytes, more) => {
        target.set(bytes, page * logPage);
        again += Number(more);
      });
      await copy.begin(() => turn());
      await it.vm.pause({ timeout: 60_000 });
      copy.finish();
      assert.deepEqual(changed(target, it.view()), [], `copy ${i}`);
      it.vm.resume();
    }
    new DataView(it.view().buffer, it.view().byteOffset).setUint32(flag, 1);
    for (const { exit } of exits) assert.equal(await exit, "papr_hcall");
    t.diagnostic(`12 copies of ${pages} pages, of which ${again} came again`);
    assert.ok(again > 0);
    it.vm.close();
  });
}

/** `exit`: why the vCPU left first, on a thread of its own. */
function runOnThread(vm: SharedVm, cpu: number): { readonly ready: Promise<void>; readonly exit: Promise<string> } {
  const worker = new Worker(new URL("../../src/arch/powerpc/node/guest.test-worker.js", import.meta.url));
  let isReady = (): void => undefined;
  const ready = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  const exit = new Promise<string>((resolve, reject) => {
    worker.on("error", reject);
    worker.on("message", (answer: "ready" | { exit: { reason: string } }) => {
      if (answer === "ready") return isReady();
      resolve(answer.exit.reason);
      void worker.terminate();
    });
  });
  worker.postMessage({ vm, cpu, persist: true });
  return { ready, exit };
}
