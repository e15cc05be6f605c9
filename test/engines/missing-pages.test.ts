/**
 * Pages that are missing come when something first looks at them, whoever does: loads, stores, fetches, walks of page tables,
 * hypercalls, the user side; once each, though several threads come at a time. What cannot be fetched ends run(), and nothing else.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { errno } from "../../src/base/errno.test-support.js";
import { openKvm } from "../../src/kernel.js";
import { KVM_CAP_PPC_ENABLE_HCALL, KVM_MEM_LOG_DIRTY_PAGES } from "../../src/kvm/constants.js";
import type { FillPage } from "../../src/kvm/uapi.js";
import { fillFrom, latentPages, latentRam } from "../../src/vmm/core/latent-ram.js";
import { sparseImage } from "../../src/vmm/core/sparse-image.js";
import { logPage } from "../../src/vmm/core/written-pages.js";

const start = 0x1_0000n;
/** Where the loop's data begins, pages of them, the page with the rest of the code; copied from and to by a hypercall. */
const [data, count, code, from, to] = [0x10, 24, 0x40, 0x41, 0x42];
const ramSize = 0x50 * logPage;
const msr = 1n << 63n;

const program = `
  li 12, ${count}
  mtctr 12
  lis 4, ${data}
again:
  ld 5, 8(4)
  add 6, 6, 5
  std 6, 16(4)
  addis 4, 4, 1
  bdnz again
  lis 12, ${code}
  mtctr 12
  bctr
`;
const rest = `
  li 3, 0x2c
  li 4, 0x4000
  lis 5, ${to}
  lis 6, ${from}
  sc 1
  mr 20, 3
  li 3, 0x58
  sc 1
`;

/** What RAM is to be: the program, and numbers; some pages have none. */
function contents(): Uint8Array {
  const ram = new Uint8Array(ramSize);
  const put = (source: string, at: number): void =>
    ram.set(assemble(source, { origin: BigInt(at), littleEndian: false }).bytes, at);
  put(program, Number(start));
  put(rest, code * logPage);
  for (let page = data; page < data + count; page++) {
    // Every fifth is one that has nothing but what the guest stores.
    if (page % 5) ram.fill((page * 37) & 255, page * logPage + 8, page * logPage + 9000);
  }
  ram.fill(0x5a, from * logPage, from * logPage + 4096);
  return ram;
}

const kvm = await openKvm({ memory: "both" });

function machine(type: number, { shared = false, cpus = 1 } = {}) {
  const vm = kvm.createVm(type, { shared });
  const address = vm.allocate(ramSize);
  const memorySize = BigInt(ramSize);
  vm.setUserMemoryRegion({
    ...{ slot: 0, flags: KVM_MEM_LOG_DIRTY_PAGES, guestPhysAddr: 0n, memorySize, userspaceAddr: address },
  });
  vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [0x2c, 1] });
  const all = Array.from({ length: cpus }, (_, id) => {
    const vcpu = vm.createVcpu(id);
    vcpu.setRegs({ ...vcpu.getRegs(), pc: start, msr });
    return vcpu;
  });
  return { vm, address, cpus: all, cpu: all[0] as (typeof all)[number] };
}

/** Counts what comes. */
function counting(fill: FillPage, address: number) {
  const pages: number[] = [];
  const counted: FillPage = (at, bytes) => {
    pages.push((at - address) / logPage);
    fill(at, bytes);
  };
  return { pages, counted };
}

const implementations = [
  ["hv", 1],
  ["pr", 2],
] as const;

function latentOf(ram: Uint8Array) {
  const whole = new Uint8Array(new SharedArrayBuffer(ram.length));
  whole.set(ram);
  const { size, runs } = sparseImage(ram);
  const shared = runs.map(({ offset, bytes }) => ({ offset, bytes: whole.subarray(offset, offset + bytes.length) }));
  const latent = latentRam({ size, runs: shared }, true);
  assert.ok(latent);
  return latent;
}

for (const [name, type] of implementations) {
  test(`${name}: what a guest loads, stores, fetches and has copied is what it would be with all pages there`, () => {
    const ram = contents();
    const whole = machine(type);
    whole.vm.bytes(whole.address, ramSize).set(ram);
    const part = machine(type);
    const latent = latentOf(ram);
    const bits = latentPages(latent).bits;
    const { pages, counted } = counting(fillFrom({ ...latent, address: part.address }), part.address);
    part.vm.withholdPages(part.address, ramSize, bits);
    part.vm.fillPages(counted);
    const [expected, found] = [whole, part].map(({ cpu }) => {
      assert.equal(cpu.run({ deadline: performance.now() + 60_000 }).reason, "papr_hcall");
      return cpu.getRegs().gpr;
    });
    assert.deepEqual(found, expected);
    assert.equal(found?.[20], 0n, "H_PAGE_INIT");
    assert.ok(found?.[6], "something was loaded");
    assert.equal(new Set(pages).size, pages.length, "none came twice");
    const came = [...pages].sort((a, b) => a - b);
    assert.ok(came.includes(1) && came.includes(code) && came.includes(from) && came.includes(data + 1), `${came}`);
    assert.deepEqual([...part.vm.getDirtyLog(0)], [...whole.vm.getDirtyLog(0)], "coming is no writing");
    assert.deepEqual(Buffer.compare(part.vm.bytes(part.address, ramSize), whole.vm.bytes(whole.address, ramSize)), 0);
    whole.vm.close();
    part.vm.close();
  });

  test(`${name}: a page that cannot be fetched ends run() with the error, and comes when it can be`, () => {
    const ram = contents();
    const { vm, address, cpu } = machine(type);
    const latent = latentOf(ram);
    vm.withholdPages(address, ramSize, latentPages(latent).bits);
    assert.throws(() => cpu.run(), errno("EIO"), "nothing fills");
    const fill = fillFrom({ ...latent, address });
    let broken = true;
    vm.fillPages((at, bytes) => {
      if (broken && (at - address) / logPage === data + 2) throw new Error("the disk is gone");
      fill(at, bytes);
    });
    assert.throws(() => cpu.run(), /the disk is gone/);
    assert.throws(() => vm.bytes(address + (data + 2) * logPage, 1), /the disk is gone/);
    broken = false;
    assert.equal(vm.bytes(address + (data + 2) * logPage + 8, 1)[0], ((data + 2) * 37) & 255);
    vm.close();
  });
}

/** Runs a vCPU that fills pages itself, and says which. */
const threadBody = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { attach, latentRam, vm, cpu, latent, go } = workerData;
  (async () => {
    const { attachVm } = await import(attach);
    const { fillFrom } = await import(latentRam);
    const attached = await attachVm(vm);
    const fill = fillFrom(latent);
    const pages = [];
    attached.fillPages((at, bytes) => { pages.push((at - latent.address) / 65536); fill(at, bytes); });
    Atomics.add(go, 0, 1); Atomics.notify(go, 0);
    while (Atomics.load(go, 0) < 2) Atomics.wait(go, 0, 1, 50);
    const runner = attached.vcpu(cpu);
    const { reason } = runner.run({ deadline: performance.now() + 60000 });
    const { gpr } = runner.getRegs();
    runner.close(); attached.close();
    parentPort.postMessage({ reason, sum: gpr[6], pages });
  })();
`;

test("each page comes once, though two threads come to all of them at the same time", async () => {
  const ram = contents();
  const { vm, address, cpus } = machine(1, { shared: true, cpus: 2 });
  const latent = { ...latentOf(ram), address };
  vm.withholdPages(address, ramSize, latentPages(latent).bits);
  vm.fillPages(fillFrom(latent));
  const url = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href;
  const files = { attach: url("kernel/attach.js"), latentRam: url("vmm/core/latent-ram.js") };
  const go = new Int32Array(new SharedArrayBuffer(4));
  type Said = { reason: string; sum: bigint; pages: number[] };
  const said = await Promise.all(
    cpus.map(
      ({ id }) =>
        new Promise<Said>((resolve, reject) => {
          const workerData = { ...files, vm: vm.share(), cpu: id, latent, go };
          const worker = new Worker(threadBody, { eval: true, workerData });
          worker.on("message", resolve);
          worker.on("error", reject);
        }),
    ),
  );
  for (const { reason } of said) assert.equal(reason, "papr_hcall");
  const pages = said.flatMap((one) => one.pages);
  assert.equal(new Set(pages).size, pages.length, "none came twice");
  assert.ok(pages.includes(code) && pages.includes(from));
  for (const cpu of cpus) cpu.close();
  vm.close();
});

test("pages are withheld once, of memory that there is, with a bit each", () => {
  const { vm, address } = machine(1);
  const bits = new Uint8Array(ramSize / logPage / 8);
  assert.throws(() => vm.withholdPages(address + 8, logPage, bits), errno("EINVAL"));
  assert.throws(() => vm.withholdPages(address, logPage - 8, bits), errno("EINVAL"));
  assert.throws(() => vm.withholdPages(address, ramSize, bits.subarray(1)), errno("EINVAL"));
  assert.throws(() => vm.withholdPages(address, 0xf000_0000, bits), errno("EFAULT"));
  vm.withholdPages(address, ramSize, bits);
  assert.throws(() => vm.withholdPages(address, ramSize, bits), errno("EEXIST"));
  vm.close();
  assert.throws(() => vm.withholdPages(address, ramSize, bits), errno("EBADF"));
});
