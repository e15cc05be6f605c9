/** Dirty logs and dirty rings of x86 VMs: by whatever instruction or by whom a page is written, it is noted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Guest, guestOf, kvmOf, msr, types } from "../../../src/arch/x86/kvm.test-support.js";
import { KVM_X86_UNIKVM_HV, type X86Vm } from "../../../src/arch/x86/uapi.js";
import {
  KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
  KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP,
  KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
  KVM_DIRTY_LOG_INITIALLY_SET,
  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
  KVM_MEM_LOG_DIRTY_PAGES,
} from "../../../src/kvm/constants.js";
import { entrySize, take as takeEntries } from "../dirty-entries.js";

/** In slot 3, away from the code. */
const logged = 0x1000_0000;
const pages = 192;
const ringEntries = 128;

interface Logged {
  readonly one: Guest;
  /** Adds the slot with other flags. */
  set(flags: number): void;
}

async function ready(type: number, prepare?: (vm: X86Vm) => void): Promise<Logged> {
  const one = guestOf(await kvmOf("intel"), type, true, prepare);
  const { vm } = one;
  const memorySize = BigInt(pages * vm.pageSize);
  const userspaceAddr = vm.allocate(Number(memorySize));
  const set = (flags: number) =>
    vm.setUserMemoryRegion({ slot: 3, guestPhysAddr: BigInt(logged), memorySize, userspaceAddr, flags });
  set(KVM_MEM_LOG_DIRTY_PAGES);
  return { one, set };
}

const close = ({ cpu, vm }: Guest): void => {
  cpu.close();
  vm.close();
};

const enableRing = (vm: X86Vm): void =>
  vm.enableCap({ cap: KVM_CAP_DIRTY_LOG_RING_ACQ_REL, args: [ringEntries * entrySize] });

/** Numbers of the bits that are set. */
const bits = (log: Uint8Array): number[] =>
  [...log].flatMap((byte, i) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte >> bit) & 1).map((bit) => 8 * i + bit));

/** Takes what is in the ring from entry `from` on: pages of slot 3. */
const take = ({ vm, cpu }: Guest, from: number): number[] =>
  takeEntries(vm, cpu, from).map(([slot, page]) => {
    assert.equal(slot, 3);
    return page;
  });

function go(one: Guest, lines: readonly string[], regs: object = {}): void {
  one.load(lines);
  one.cpu.setRegs({ ...one.cpu.getRegs(), ...regs });
  assert.equal(one.run().reason, "hlt");
}

/** Each writes to where RDI and RSI point. */
const writers: Readonly<Record<string, readonly string[]>> = {
  mov: ["mov qword ptr [rdi], rax"],
  push: ["lea rsp, [rdi+8]", "push rax", "mov esp, 0x8000"],
  add: ["add dword ptr [rdi], 1"],
  "lock xadd": ["lock xadd dword ptr [rdi], eax"],
  "lock cmpxchg16b": ["lock cmpxchg16b oword ptr [rdi]"],
  bts: ["bts dword ptr [rdi], 5"],
  stos: ["mov ecx, 1", "stos byte ptr es:[rdi], al"],
  "rep stos": ["mov ecx, 100", "rep stos dword ptr es:[rdi], eax"],
  "rep movs": ["mov ecx, 100", "mov esi, 0x100000", "rep movs byte ptr es:[rdi], byte ptr [rsi]"],
  movups: ["movups xmmword ptr [rdi], xmm1"],
  fstp: ["fldz", "fstp qword ptr [rdi]"],
  fxsave: ["fxsave [rdi]"],
  sidt: ["sidt [rdi]"],
};

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  test(`${title}: whatever writes a page, the log has it, and has it again after it was read`, async () => {
    const { one } = await ready(type);
    const { vm } = one;
    go(one, ["mov rax, cr4", "or eax, 0x600", "mov cr4, rax"]);
    for (const [i, [name, lines]] of Object.entries(writers).entries()) {
      const page = 5 + 3 * i;
      for (let again = 0; again < 2; again++) {
        go(one, lines, { rdi: BigInt(logged + page * vm.pageSize + 64) });
        assert.deepEqual(bits(vm.getDirtyLog(3)), [page], name);
        assert.deepEqual(bits(vm.getDirtyLog(3)), [], `${name}, cleared`);
      }
      // Reading is no writing.
      go(one, ["mov rax, qword ptr [rdi]"], { rdi: BigInt(logged + page * vm.pageSize) });
      assert.deepEqual(bits(vm.getDirtyLog(3)), []);
    }
    // Over the edge, both.
    go(one, ["mov qword ptr [rdi], rax"], { rdi: BigInt(logged + 9 * vm.pageSize - 4) });
    assert.deepEqual(bits(vm.getDirtyLog(3)), [8, 9]);
    close(one);
  });

  test(`${title}: hot code that writes is noticed each time the log has been read`, async () => {
    const { one } = await ready(type);
    const { vm, cpu } = one;
    one.load(["mov qword ptr [rdi], rbx", "inc rbx", "cmp rbx, rcx", "jne 0x100000"]);
    cpu.setRegs({ ...cpu.getRegs(), rdi: BigInt(logged + 7 * vm.pageSize), rbx: 0n, rcx: 1n << 62n });
    for (let i = 0; i < 4; i++) {
      const { rbx } = cpu.getRegs();
      do assert.equal(cpu.run({ deadline: performance.now() + 15 }).reason, "intr");
      while (cpu.getRegs().rbx === rbx);
      assert.deepEqual(bits(vm.getDirtyLog(3)), [7]);
      assert.deepEqual(bits(vm.getDirtyLog(3)), []);
    }
    close(one);
  });

  test(`${title}: what paging and the paravirtual interfaces write is noted`, async () => {
    const { one } = await ready(type);
    const { vm, cpu } = one;
    const log = () => bits(vm.getDirtyLog(3));
    // Page tables in the log's slot: an access marks its entries, a store the last of them once more.
    const put = (at: number, value: bigint) =>
      new DataView(one.ram().buffer, one.ram().byteOffset).setBigUint64(at, value, true);
    const table = logged + 20 * vm.pageSize;
    go(one, [
      `mov edi, 0x${table.toString(16)}`,
      ...["mov eax, 0x200007", "mov qword ptr [rdi], rax", "mov qword ptr [rdi+8], rax"],
    ]);
    put(0x3010, BigInt(table) | 7n);
    const sregs = cpu.getSregs();
    cpu.setSregs({ ...sregs, cr3: 0x8000n });
    cpu.setSregs(sregs);
    log();
    go(one, ["mov rax, qword ptr [0x400000]"]);
    assert.deepEqual(log(), [20], "accessed");
    go(one, ["mov rax, qword ptr [0x400000]"]);
    assert.deepEqual(log(), [], "it is marked already");
    go(one, ["mov qword ptr [0x400000], rax"]);
    assert.deepEqual(log(), [20], "dirty");
    // Steal time, and the end of interrupts.
    go(one, msr(0x4b56_4d03, BigInt(logged + 30 * vm.pageSize) | 1n));
    assert.deepEqual(log(), [30]);
    go(one, msr(0x4b56_4d01, BigInt(logged + 31 * vm.pageSize) | 1n));
    assert.ok(log().includes(31));
    cpu.setVapicAddr(BigInt(logged + 32 * vm.pageSize));
    go(one, [
      "mov eax, 0xfee000f0",
      "mov dword ptr [rax], 0x1ff",
      "mov eax, 0xfee00080",
      "mov dword ptr [rax], 0x20",
      "nop",
    ]);
    assert.ok(log().includes(32));
    vm.guestWritten(BigInt(logged + 40 * vm.pageSize), 2 * vm.pageSize);
    assert.deepEqual(
      log().filter((page) => page >= 40),
      [40, 41],
    );
    close(one);
  });

  test(`${title}: protected by hand, the log stays until it is cleared, 64 pages at a time`, async () => {
    const { one, set } = await ready(type);
    const { vm } = one;
    const write = (page: number) => go(one, ["mov dword ptr [rdi], eax"], { rdi: BigInt(logged + page * vm.pageSize) });
    const log = () => bits(vm.getDirtyLog(3));
    const clear = (firstPage: number, numPages: number, ...set: readonly number[]) => {
      const bitmap = new Uint8Array(numPages / 8);
      for (const bit of set) bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7));
      vm.clearDirtyLog({ slot: 3, firstPage: BigInt(firstPage), numPages, bitmap });
    };
    set(0);
    const manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
    vm.enableCap({ cap: KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, args: [manual] });
    set(KVM_MEM_LOG_DIRTY_PAGES);
    for (const page of [3, 70, 130]) write(page);
    assert.deepEqual(
      [log(), log()],
      [
        [3, 70, 130],
        [3, 70, 130],
      ],
    );
    clear(64, 64, 6);
    assert.deepEqual(log(), [3, 130]);
    write(70);
    clear(0, 192, 3, 131);
    assert.deepEqual(log(), [70, 130]);
    write(3);
    assert.deepEqual(log(), [3, 70, 130]);
    // All are dirty at first, and are logged from when they are cleared.
    set(0);
    vm.enableCap({ cap: KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, args: [manual | KVM_DIRTY_LOG_INITIALLY_SET] });
    set(KVM_MEM_LOG_DIRTY_PAGES);
    assert.equal(log().length, pages);
    clear(0, 192, ...Array(192).keys());
    assert.deepEqual(log(), []);
    write(9);
    assert.deepEqual(log(), [9]);
    close(one);
  });

  test(`${title}: a page is in the ring once, and again after the reset; beside it there is a log if it was asked for`, async () => {
    const { one } = await ready(type, (vm) => {
      enableRing(vm);
      vm.enableCap({ cap: KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP });
    });
    const { vm, cpu } = one;
    const write = (page: number) => go(one, ["mov dword ptr [rdi], eax"], { rdi: BigInt(logged + page * vm.pageSize) });
    for (const page of [7, 150, 7]) write(page);
    assert.deepEqual(take(one, 0), [7, 150]);
    write(7);
    assert.deepEqual(take(one, 2), []);
    assert.equal(vm.resetDirtyRings(), 2);
    write(7);
    assert.deepEqual(take(one, 2), [7]);
    // What is written without a vCPU has no ring.
    vm.guestWritten(BigInt(logged + 33 * vm.pageSize), 1);
    assert.ok(bits(vm.getDirtyLog(3)).includes(33));
    assert.equal(cpu.stats()["exits.dirty_ring_full"], 0);
    close(one);
  });

  for (const [what, lines, each] of [
    ["stores", ["mov qword ptr [rdi], rax", "add rdi, rdx", "inc rbx", "jmp 0x100000"], 1],
    ["a repeated string", ["rep stos qword ptr es:[rdi], rax"], 0],
    ["a locked addition", ["lock add qword ptr [rdi], 1", "add rdi, rdx", "inc rbx", "jmp 0x100000"], 1],
  ] as const) {
    test(`${title}: a full ring stops ${what} before the page that is too many, as often as it is run`, async () => {
      const { one } = await ready(type, enableRing);
      const { vm, cpu } = one;
      one.load(lines);
      const start = BigInt(logged);
      const regs = { rdi: start, rdx: BigInt(vm.pageSize), rbx: 0n, rcx: BigInt((pages * vm.pageSize) / 8), rax: 7n };
      cpu.setRegs({ ...cpu.getRegs(), ...regs });
      const full = () => assert.deepEqual(one.run(), { reason: "dirty_ring_full" });
      for (let again = 0; again < 2; again++) full();
      const room = ringEntries - 64;
      const at = (page: number) => {
        const now = cpu.getRegs();
        assert.equal(now.rdi, start + BigInt(page * vm.pageSize));
        if (each) assert.equal(now.rbx, BigInt(page));
        else assert.equal(now.rcx, regs.rcx - BigInt((page * vm.pageSize) / 8));
      };
      at(room);
      const first = take(one, 0);
      assert.deepEqual(first, [...Array(room).keys()]);
      full();
      assert.equal(vm.resetDirtyRings(), room);
      full();
      at(2 * room);
      assert.deepEqual(
        take(one, room),
        [...Array(room).keys()].map((i) => room + i),
      );
      close(one);
    });
  }
}
