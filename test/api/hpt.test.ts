/** The hashed page table: the guest's hypercalls, the stream, and other sizes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { archLayout } from "../../src/arch/powerpc/engines/layout.js";
import { KVM_GET_HTAB_BOLTED_ONLY, KVM_GET_HTAB_WRITE, type PpcVm } from "../../src/arch/powerpc/uapi.js";
import { errno } from "../../src/base/errno.test-support.js";
import { openKvm } from "../../src/kernel.js";
import { KVM_CAP_PPC_ENABLE_HCALL } from "../../src/kvm/constants.js";
import { Fixture, implementations, kvm, soon } from "./fixture.js";
import { block } from "./hpt-cases.js";

const order = 18;
const entries = 2 ** (order - 4);
const H = { remove: 0x04, enter: 0x08, read: 0x0c, clearMod: 0x10, clearRef: 0x14, protect: 0x18, bulkRemove: 0x124 };
const status = { success: 0n, function: -2n, parameter: -4n, ptegFull: -6n, notFound: -7n };
const exact = 1n << 39n;
const ifAvpn = 1n << 31n;
const ifNone = 1n << 30n;
/** Memory, coherent. */
const M = 0x10n;

type Hcall = (number: number, ...args: (number | bigint)[]) => { status: bigint; r: readonly bigint[] };

/** A guest that makes the hypercalls that it is told to. `r` are r4 to r11 after it. */
function calling(it: Fixture): Hcall {
  for (const number of [H.clearMod, H.clearRef]) it.vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [number, 1] });
  const save = Array.from({ length: 9 }, (_, i) => `mr ${20 + i}, ${3 + i}\n`).join("");
  it.code(`again:\nli 3, 0x58\nsc 1\nsc 1\n${save}b again\n`);
  let exit = it.cpu.run({ deadline: soon() });
  return (number, ...args) => {
    assert.equal(exit.reason, "papr_hcall");
    if (exit.reason !== "papr_hcall") throw new Error("unreachable");
    exit.ret = BigInt(number);
    for (let i = 0; i < 9; i++) exit.args[i] = BigInt.asUintN(64, BigInt(args[i] ?? 0));
    exit = it.cpu.run({ deadline: soon() });
    const { gpr } = it.cpu.getRegs();
    return { status: BigInt.asIntN(64, gpr[20] ?? 0n), r: gpr.slice(21, 29) };
  };
}

function ready(name: (typeof implementations)[number]): { it: Fixture; hcall: Hcall; vm: PpcVm } {
  const it = new Fixture(name);
  assert.equal(it.vm.allocateHtab(order), order);
  return { it, hcall: calling(it), vm: it.vm };
}

/** All blocks of a stream: header and entries. */
function drain(vm: PpcVm, flags = 0) {
  const file = vm.getHtabFd({ flags });
  const next = () => {
    const blocks: { index: number; valid: (readonly [bigint, bigint])[]; invalid: number }[] = [];
    const buffer = new Uint8Array(4096);
    for (let length = file.read(buffer); length > 0; length = file.read(buffer)) {
      const view = new DataView(buffer.buffer, 0, length);
      for (let at = 0; at < length; ) {
        const count = view.getUint16(at + 4, true);
        const words = (i: number) => [view.getBigUint64(at + 8 + 16 * i), view.getBigUint64(at + 16 + 16 * i)] as const;
        const valid = Array.from({ length: count }, (_, i) => words(i));
        blocks.push({ index: view.getUint32(at, true), valid, invalid: view.getUint16(at + 6, true) });
        at += 8 + 16 * count;
      }
      if (blocks.reduce((sum, b) => sum + b.valid.length + b.invalid, 0) >= entries) break;
    }
    return blocks;
  };
  return { next, close: () => file.close() };
}

/** Runs code of its own, each at another place: code that was decoded is not looked at again. */
function runner(it: Fixture): (source: string) => ReturnType<Fixture["cpu"]["run"]> {
  let next = 0x3000n;
  return (source) => {
    it.code(source, next);
    it.cpu.setRegs({ ...it.cpu.getRegs(), pc: next });
    next += 0x400n;
    return it.cpu.run({ deadline: soon() });
  };
}

/** Completes the last exit. */
function settle({ cpu }: Fixture): void {
  cpu.immediateExit = true;
  cpu.run();
  cpu.immediateExit = false;
}

const vsid = 0x77n;
/** Where the hash puts the first page of the segment. */
const segmentIndex = 0x77 * 8;
/** The segment at 0x10000000, in r8, by SLB entry 1. */
const segment = "lis 4, 7\nori 4, 4, 0x7000\nlis 5, 0x1800\nori 5, 5, 1\nslbmte 4, 5\n";
const on = "mfmsr 6\nori 7, 6, 0x10\nmtmsrd 7\nlis 8, 0x1000\n";
const off = "mtmsrd 6\nli 3, 0x58\nsc 1\n";

for (const name of implementations) {
  test(`${name}: without a hashed page table its hypercalls are none`, () => {
    const it = new Fixture(name);
    const hcall = calling(it);
    for (const number of Object.values(H)) assert.equal(hcall(number).status, status.function);
    it.close();
  });

  test(`${name}: H_ENTER takes the first free entry of its group, or exactly one`, () => {
    const { it, hcall } = ready(name);
    for (let i = 0; i < 8; i++)
      assert.deepEqual(hcall(H.enter, 0, 0x55, 0x80n << 7n, 0x1000n | M).r[0], 0x50n + BigInt(i));
    assert.equal(hcall(H.enter, 0, 0x50, 0x80n << 7n, M).status, status.ptegFull);
    assert.equal(hcall(H.enter, exact, 0x53, 0x80n << 7n, M).status, status.ptegFull);
    assert.deepEqual(hcall(H.enter, exact, 0x65, 0x80n << 7n, M).r[0], 0x65n);
    // Hypervisor bits and reserved ones are not the guest's.
    hcall(H.enter, exact, 0x66, (0x80n << 7n) | 0x60n, (1n << 62n) | M);
    assert.deepEqual(hcall(H.read, 0, 0x66).r.slice(0, 2), [(0x80n << 7n) | 1n, M]);
    it.close();
  });

  test(`${name}: H_ENTER refuses places, page sizes and storage that there are not`, () => {
    const { it, hcall } = ready(name);
    const enter = (index: number | bigint, v: bigint, r: bigint) => hcall(H.enter, 0, index, v, r).status;
    assert.equal(enter(entries, 0n, M), status.parameter);
    assert.equal(enter(-1n, 0n, M), status.parameter);
    assert.equal(enter(0, 4n, (2n << 12n) | M), status.parameter);
    for (const size of [0n, 1n, 7n, 8n, 0x38n]) assert.equal(enter(0, 4n, (size << 12n) | M), status.success);
    // RAM is cached; what is not RAM is not.
    assert.equal(enter(8, 0n, 0x20n), status.parameter);
    assert.equal(enter(8, 0n, 0x4000_0000n | M), status.parameter);
    assert.equal(enter(8, 0n, 0x4000_0000n | 0x28n), status.success);
    it.close();
  });

  test(`${name}: H_ENTER clears the page if it is asked to`, () => {
    const { it, hcall } = ready(name);
    it.ram.setUint32(0x80ffc, 7);
    it.ram.setUint32(0x81000, 7);
    hcall(H.enter, 1n << 15n, 0, 0n, 0x80000n | M);
    assert.deepEqual([it.ram.getUint32(0x80ffc), it.ram.getUint32(0x81000)], [0, 7]);
    it.close();
  });

  test(`${name}: H_REMOVE, H_PROTECT and the bits of the MMU, each with its conditions`, () => {
    const { it, hcall } = ready(name);
    const v = (0x123n << 7n) | 0x10n;
    hcall(H.enter, exact, 7, v, 0x2000n | 0x180n | M);
    assert.equal(hcall(H.protect, ifAvpn | 2n, 7, 0x124n << 7n).status, status.notFound);
    assert.equal(hcall(H.protect, (1n << 8n) | 0x205n, 7, 0).status, status.success);
    assert.deepEqual(hcall(H.read, 0, 7).r.slice(0, 2), [v | 1n, (1n << 63n) | 0x2000n | 0x205n | 0x180n | M]);
    assert.equal(hcall(H.clearRef, 0, 7).r[0], (1n << 63n) | 0x2000n | 0x205n | 0x180n | M);
    assert.equal(hcall(H.clearMod, 0, 7).r[0], (1n << 63n) | 0x2000n | 0x205n | 0x80n | M);
    assert.equal(hcall(H.remove, ifAvpn, 7, 0x124n << 7n).status, status.notFound);
    assert.equal(hcall(H.remove, ifNone, 7, 0x10).status, status.notFound);
    assert.deepEqual(hcall(H.remove, ifAvpn, 7, 0x123n << 7n).r.slice(0, 2), [
      v | 1n,
      (1n << 63n) | 0x2000n | 0x205n | M,
    ]);
    for (const number of [H.remove, H.protect, H.clearMod, H.clearRef]) {
      assert.equal(hcall(number, 0, 7).status, status.notFound);
      assert.equal(hcall(number, 0, entries).status, status.parameter);
    }
    assert.equal(hcall(H.read, 0, entries).status, status.parameter);
    it.close();
  });

  test(`${name}: H_READ gives four entries`, () => {
    const { it, hcall } = ready(name);
    for (const index of [8, 10]) hcall(H.enter, exact, index, BigInt(index) << 7n, M);
    const { r } = hcall(H.read, 1n << 37n, 11);
    assert.deepEqual(r, [(8n << 7n) | 1n, M, 0n, 0n, (10n << 7n) | 1n, M, 0n, 0n]);
    it.close();
  });

  test(`${name}: H_BULK_REMOVE answers each request`, () => {
    const { it, hcall } = ready(name);
    const request = (how: bigint, index: bigint) => (1n << 62n) | (how << 56n) | index;
    for (const index of [1, 2, 3]) hcall(H.enter, exact, index, 5n << 7n, 0x180n | M);
    const done = hcall(
      H.bulkRemove,
      request(0n, 1n),
      0,
      request(2n, 2n),
      6n << 7n,
      request(1n, 3n),
      2,
      request(0n, 9n),
    );
    assert.equal(done.status, status.success);
    const answers = [0, 2, 4, 6].map((i) => done.r[i]);
    // Success with R and C; not found; success; not found.
    assert.deepEqual(answers, [(0x8cn << 56n) | 1n, (0x92n << 56n) | 2n, (0x8dn << 56n) | 3n, (0x90n << 56n) | 9n]);
    const bad = hcall(H.bulkRemove, request(2n, 2n), 5n << 7n, request(3n, 2n), 0, request(0n, 1n));
    assert.equal(bad.status, status.parameter);
    assert.deepEqual([bad.r[0], bad.r[2], bad.r[4]], [(0x8en << 56n) | 2n, (0xa3n << 56n) | 2n, request(0n, 1n)]);
    assert.equal(hcall(H.bulkRemove, 3n << 62n).status, status.success);
    assert.equal(hcall(H.bulkRemove, request(0n, BigInt(entries))).status, status.parameter);
    assert.equal(hcall(H.bulkRemove, 0).status, status.parameter);
    it.close();
  });

  test(`${name}: the stream has all of the table, then what changed, and another VM takes it`, () => {
    const { it, hcall, vm } = ready(name);
    hcall(H.enter, exact, 5, (0x33n << 7n) | 0x10n, M);
    hcall(H.enter, exact, 6, 0x34n << 7n, M);
    hcall(H.enter, exact, 700, 0x35n << 7n, M);
    const stream = drain(vm);
    const first = stream.next();
    assert.deepEqual(
      first.map(({ index, valid, invalid }) => [index, valid.length, invalid]),
      [
        [0, 0, 5],
        [5, 2, 693],
        [700, 1, entries - 701],
      ],
    );
    assert.deepEqual(first[1]?.valid[0], [(0x33n << 7n) | 0x11n, M]);
    assert.deepEqual(stream.next(), []);
    hcall(H.protect, 3, 700, 0);
    hcall(H.remove, 0, 6);
    assert.deepEqual(stream.next(), [
      { index: 6, valid: [], invalid: 1 },
      { index: 700, valid: [[(0x35n << 7n) | 1n, M | 3n]], invalid: 0 },
    ]);
    stream.close();
    const bolted = drain(vm, KVM_GET_HTAB_BOLTED_ONLY);
    assert.deepEqual(
      bolted.next().map(({ index, valid }) => [index, valid.length]),
      [
        [0, 0],
        [5, 1],
      ],
    );
    bolted.close();

    const other = ready(name);
    const source = vm.getHtabFd();
    const target = other.vm.getHtabFd({ flags: KVM_GET_HTAB_WRITE });
    const buffer = new Uint8Array(1024);
    const length = source.read(buffer);
    // What is not a whole block is left.
    assert.equal(target.write(buffer.subarray(0, length - 4)), 32);
    assert.equal(target.write(buffer.subarray(32, length)), length - 32);
    assert.deepEqual(other.hcall(H.read, 0, 700).r.slice(0, 2), [(0x35n << 7n) | 1n, M | 3n]);
    // What was there goes.
    assert.equal(target.write(block(5, 1n, M)), 24);
    assert.deepEqual(other.hcall(H.read, 0, 5).r.slice(0, 2), [1n, M]);
    assert.throws(() => target.write(block(5, 2n, M)), errno("EINVAL"));
    for (const file of [source, target]) file.close();
    assert.throws(() => source.read(buffer), errno("EBADF"));
    it.close();
    other.it.close();
  });

  test(`${name}: a guest translates by it, and the stream tells what the MMU noted`, () => {
    const { it, hcall, vm } = ready(name);
    hcall(H.enter, exact, segmentIndex, vsid << 12n, 0x5000n | M | 2n);
    const stream = drain(vm);
    stream.next();
    const run = runner(it);
    const entry = (notes: bigint) => [(vsid << 12n) | 1n, 0x5000n | M | 2n | notes];
    it.ram.setBigUint64(0x5018, 0x1122334455667788n);
    assert.equal(run(`${segment}${on}ld 20, 0x18(8)\n${off}`).reason, "papr_hcall");
    assert.equal(it.cpu.getRegs().gpr[20], 0x1122334455667788n);
    assert.deepEqual(stream.next(), [{ index: segmentIndex, valid: [entry(0x100n)], invalid: 0 }]);
    run(`${on}li 21, 77\nstd 21, 0x20(8)\n${off}`);
    assert.equal(it.ram.getBigUint64(0x5020), 77n);
    assert.deepEqual(stream.next()[0]?.valid, [entry(0x180n)]);
    // Read-only from now on, though the TLB had the right to store.
    it.code("mtmsrd 6\nmfspr 22, 18\nli 3, 0x5c\nsc 1\n", 0x300n);
    const protect = `mtmsrd 6\nli 3, ${H.protect}\nli 4, 3\nli 5, ${segmentIndex}\nsc 1\nmtmsrd 7\n`;
    const denied = run(`${on}std 21, 0x28(8)\n${protect}std 21, 0x30(8)\nb .\n`);
    assert.equal(denied.reason === "papr_hcall" ? denied.nr : 0, 0x5c);
    assert.deepEqual([it.ram.getBigUint64(0x5028), it.ram.getBigUint64(0x5030)], [77n, 0n]);
    // DSISR: protection, store.
    assert.equal(it.cpu.getRegs().gpr[22], 0x0a000000n);
    stream.close();
    it.close();
  });

  test(`${name}: segments and the table go with a VM that moves`, async () => {
    const { it, hcall, vm } = ready(name);
    hcall(H.enter, exact, segmentIndex, vsid << 12n, 0x5000n | M | 2n);
    const run = runner(it);
    run(`${segment}${on}${off}`);
    settle(it);
    await vm.moveTo(await openKvm({ memory: "unshared" }), { type: name === "hv" ? 2 : 1 });
    it.ram.setBigUint64(0x5018, 99n);
    assert.equal(run(`${on}ld 20, 0x18(8)\n${off}`).reason, "papr_hcall");
    assert.equal(it.cpu.getRegs().gpr[20], 99n);
    it.close();
  });

  test(`${name}: a table of another size keeps the bolted entries where the hash finds them`, () => {
    const { it, hcall, vm } = ready(name);
    // 256 MiB segments of VSID 0x1234567, page 0x89 of the segment; the hash of it in a table of 2048 groups.
    const vsid = 0x1234567n;
    const hash = vsid ^ 0x89n;
    const v = (vsid << 12n) | 0x10n;
    const group = (table: number) => Number(hash & BigInt(2 ** (table - 7) - 1));
    const other = (table: number) => Number(~hash & BigInt(2 ** (table - 7) - 1));
    hcall(H.enter, exact, group(order) * 8 + 3, v, 0x5000n | M);
    hcall(H.enter, exact, other(order) * 8 + 4, v | 2n, 0x6000n | M);
    hcall(H.enter, exact, 1, 0x99n << 12n, M);
    for (const shift of [20, 18, 19]) {
      assert.equal(vm.resizeHptPrepare({ shift }), 0);
      assert.equal(vm.resizeHptPrepare({ shift }), 0);
      vm.resizeHptCommit({ shift });
      assert.deepEqual(hcall(H.read, 0, group(shift) * 8 + 3).r.slice(0, 2), [v | 1n, 0x5000n | M]);
      assert.deepEqual(hcall(H.read, 0, other(shift) * 8 + 4).r.slice(0, 2), [v | 3n, 0x6000n | M]);
      assert.equal(hcall(H.remove, 0, 1).status, status.notFound);
      assert.equal(hcall(H.read, 0, 2 ** (shift - 4)).status, status.parameter);
    }
    vm.resizeHptPrepare({ shift: 22 });
    vm.resizeHptPrepare({ shift: 0 });
    assert.throws(() => vm.resizeHptCommit({ shift: 22 }), errno("ENXIO"));
    it.close();
  });

  test(`${name}: radix translation takes the table away when no hypercall is amid an entry of it`, () => {
    const vm = kvm.createVm(name === "hv" ? 1 : 2, { shared: true });
    vm.allocateHtab(order);
    const words = new Int32Array(vm.memory.buffer);
    const [lock, table] = [archLayout.hptLock / 4, archLayout.hpt / 4];
    const seen = new Int32Array(new SharedArrayBuffer(4));
    // The hypercall, on another vCPU's thread: it has the lock until somebody waits for it.
    Atomics.store(words, lock, 1);
    const hypercall = `
      const { words, seen, lock, table } = require("node:worker_threads").workerData;
      const end = performance.now() + 20_000;
      while (Atomics.load(words, lock) !== 2 && performance.now() < end) Atomics.wait(seen, 0, 0, 5);
      Atomics.store(seen, 0, Atomics.load(words, table));
      Atomics.store(words, lock, 0);
      Atomics.notify(words, lock);
    `;
    const worker = new Worker(hypercall, { eval: true, workerData: { words, seen, lock, table } });
    vm.configureV3Mmu({ radix: true, gtse: true, processTable: 0n });
    const during = Atomics.load(seen, 0);
    void worker.terminate();
    assert.notEqual(during, 0, "it was taken away meanwhile");
    assert.equal(Atomics.load(words, table), 0);
    vm.close();
  });

  test(`${name}: the same size again empties the table, radix ends it, a move takes it along`, async () => {
    const { it, hcall, vm } = ready(name);
    hcall(H.enter, exact, 9, 0n, M);
    settle(it);
    vm.resizeHptPrepare({ shift: 19 });
    await vm.moveTo(await openKvm({ memory: "unshared" }), { type: name === "hv" ? 2 : 1 });
    const stream = drain(vm);
    assert.deepEqual(stream.next()[1]?.valid, [[1n, M]]);
    vm.resizeHptCommit({ shift: 19 });
    vm.allocateHtab(order);
    vm.allocateHtab(order);
    assert.equal(stream.next().length, 0);
    stream.close();
    vm.configureV3Mmu({ radix: true, gtse: true, processTable: 0n });
    assert.throws(() => vm.resizeHptPrepare({ shift: 18 }), errno("EINVAL"));
    it.close();
  });
}
