/** Repeated INS and OUTS: exits for as many elements as lie in a page, and registers that are right behind each of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KVM_IOEVENTFD_FLAG_DATAMATCH, KVM_IOEVENTFD_FLAG_PIO, KVM_MEM_LOG_DIRTY_PAGES } from "../../kvm/constants.js";
import type { Exit } from "../../kvm/uapi.js";
import { assemble } from "./isa/assembler.js";
import { type Guest, guest, ramSize, types, vectorAt } from "./kvm.test-support.js";
import { KVM_X86_UNIKVM_HV } from "./uapi.js";

const port = 0x510;
type IoExit = Exit & { reason: "io" };

/** The strings' short names, as manuals have them, for the assembler's long ones. */
function spelled(line: string, bits: 16 | 64): string {
  const [, rep = "", name, size] = /^(rep )?(ins|outs|stos)([bwd])$/.exec(line) ?? [];
  if (!name || !size) return line;
  const width = { b: "byte", w: "word", d: "dword" }[size] ?? "";
  const [to, from] = bits === 64 ? ["es:[rdi]", "[rsi]"] : ["es:[di]", "[si]"];
  if (name === "outs") return `${rep}outs dx, ${width} ptr ${from}`;
  return `${rep}${name} ${width} ptr ${to}, ${name === "ins" ? "dx" : "al"}`;
}

/** Loads and sets what the strings go by. */
function load(one: Guest, lines: readonly string[], { at, count }: { at: number; count: bigint | number }): void {
  one.load(lines.map((line) => spelled(line, 64)));
  const regs = one.cpu.getRegs();
  one.cpu.setRegs({ ...regs, rdx: BigInt(port), rcx: BigInt(count), rsi: BigInt(at), rdi: BigInt(at), rbx: 0n });
}

function isIo(exit: Exit): IoExit {
  assert.equal(
    exit.reason,
    "io",
    JSON.stringify(exit, (_, value) => String(value)),
  );
  return exit as IoExit;
}

const bytesOf = (one: Guest, { dataOffset, count, size, data }: IoExit): Uint8Array => {
  if (count > 1) return one.vm.bytes(dataOffset ?? -1, count * size);
  return Uint8Array.from({ length: size }, (_, i) => Number((data >> BigInt(8 * i)) & 0xffn));
};

/** Runs to the end; what each exit had, or was given from `answers`, in hexadecimal. */
function strings(one: Guest, answers: Uint8Array = new Uint8Array(), most = 100): string[] {
  const seen: string[] = [];
  let given = 0;
  for (let i = 0; i < most; i++) {
    const exit = one.run();
    if (exit.reason !== "io") {
      assert.equal(exit.reason, "hlt");
      return seen;
    }
    assert.deepEqual([exit.port, exit.dataOffset !== undefined], [port, exit.count > 1]);
    const length = exit.count * exit.size;
    if (exit.direction === 1) seen.push(`${exit.count}:${Buffer.from(bytesOf(one, exit)).toString("hex")}`);
    else {
      const answer = answers.subarray(given, given + length);
      given += length;
      if (exit.count > 1) bytesOf(one, exit).set(answer);
      else exit.data = answer.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
      seen.push(`${exit.count}`);
    }
  }
  return seen;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const hex = (value: string): string => Buffer.from(value).toString("hex");

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  test(`${title}: what is written is an exit a page, up or down, and one for what lies across`, async () => {
    const one = await guest(type);
    const at = 0x20_0ff6;
    one.ram().set(text("0123456789abcdefghij"), at);
    load(one, ["rep outsb"], { at, count: 20 });
    assert.deepEqual(strings(one), [`10:${hex("0123456789")}`, `10:${hex("abcdefghij")}`]);
    const { rcx, rsi } = one.cpu.getRegs();
    assert.deepEqual([rcx, rsi], [0n, BigInt(at + 20)]);
    load(one, ["rep outsd"], { at, count: 5 });
    assert.deepEqual(strings(one), [`2:${hex("01234567")}`, `1:${hex("89ab")}`, `2:${hex("cdefghij")}`]);
    load(one, ["std", "rep outsw", "cld"], { at: at + 12, count: 7 });
    assert.deepEqual(strings(one), [`2:${hex("cdab")}`, `5:${hex("8967452301")}`]);
    assert.equal(one.cpu.getRegs().rsi, BigInt(at - 2));
    load(one, ["outsb", "rep outsb"], { at, count: 0 });
    assert.deepEqual(strings(one), [`1:${hex("0")}`]);
  });

  test(`${title}: what is read comes where it is to be, whole pages at a time`, async () => {
    const one = await guest(type);
    const answers = Uint8Array.from({ length: 9000 }, (_, i) => (i * 7) ^ (i >> 8));
    const at = 0x20_0000;
    load(one, ["rep insd"], { at: at + 8, count: 2000 });
    assert.deepEqual(strings(one, answers), ["1022", "978"]);
    assert.deepEqual(one.ram().slice(at + 8, at + 8008), answers.slice(0, 8000));
    assert.deepEqual([...one.ram().subarray(at + 8008, at + 8012)], [0, 0, 0, 0]);
    load(one, ["std", "rep insw", "cld"], { at: at + 0x1004, count: 5 });
    assert.deepEqual(strings(one, text("ABCDEFGHIJ")), ["3", "2"]);
    assert.deepEqual(Buffer.from(one.ram().slice(at + 0xffc, at + 0x1006)).toString(), "IJGHEFCDAB");
    assert.equal(one.cpu.getRegs().rdi, BigInt(at + 0xffa));
    // As many as there are; the first exit is no longer for it.
    load(one, ["rep insb"], { at, count: (1n << 64n) - 1n });
    assert.equal(isIo(one.run()).count, 4096);
    assert.equal(isIo(one.run()).count, 4096);
    assert.equal(one.cpu.getRegs().rcx, (1n << 64n) - 4097n);
  });

  test(`${title}: the kernel side's ports take them all, or the first ones; the others follow`, async () => {
    const one = await guest(type);
    const { vm } = one;
    one.ram().set([1, 2, 3, 0xf5], 0x20_0000);
    load(one, ["mov dx, 0x21", "rep outsb", "mov ecx, 3", "rep insb"], { at: 0x20_0000, count: 4 });
    assert.equal(one.run().reason, "hlt");
    assert.equal(vm.getIrqchip(0).pic?.imr, 0xf5);
    assert.deepEqual([...one.ram().subarray(0x20_0000, 0x20_0004)], [0xf5, 0xf5, 0xf5, 0xf5]);
    const fd = vm.createEventFd();
    const flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH;
    vm.ioeventfd({ fd, addr: BigInt(port), len: 1, flags, datamatch: 7n });
    one.ram().set([7, 7, 8, 7], 0x20_0000);
    load(one, ["rep outsb"], { at: 0x20_0000, count: 4 });
    assert.deepEqual(strings(one), ["2:0807"]);
    assert.equal(fd.read(), 2n);
  });

  test(`${title}: a fault between elements finds registers right, and what has been read stays to be read`, async () => {
    const one = await guest(type);
    const { cpu } = one;
    // 4 KiB pages at 2 MiB, the second of which is absent at first.
    const view = new DataView(one.ram().buffer, one.ram().byteOffset);
    const entry = (address: number): number => 0xc000 + 8 * ((address >> 12) & 511);
    view.setBigUint64(0x3008, 0xc003n, true);
    for (let i = 0; i < 512; i++) view.setBigUint64(0xc000 + 8 * i, BigInt(0x20_0000 + 0x1000 * i) | 3n, true);
    const map = (address: number, present: boolean): void => {
      view.setBigUint64(entry(address), BigInt(address) | (present ? 3n : 2n), true);
      // Whatever changes CR3 there and back has what was found before be found anew.
      const sregs = cpu.getSregs();
      cpu.setSregs({ ...sregs, cr3: 0x8000n });
      cpu.setSregs(sregs);
    };
    const first = 0x20_0ffc;
    map(0x20_1000, false);
    load(one, ["rep insb"], { at: first, count: 8 });
    assert.deepEqual(strings(one, text("abcdefgh")), ["4"]);
    assert.equal(vectorAt(one), 14);
    const { rcx, rdi } = cpu.getRegs();
    assert.deepEqual([rcx, rdi, cpu.getSregs().cr2], [4n, 0x20_1000n, 0x20_1000n]);
    map(0x20_1000, true);
    load(one, ["rep insb"], { at: 0x20_1000, count: Number(rcx) });
    assert.deepEqual(strings(one, text("efgh")), ["4"]);
    assert.equal(Buffer.from(one.ram().slice(first, first + 8)).toString(), "abcdefgh");

    // The page goes while the user side has the exit: the guest takes it when there is a page again, in what pieces it likes.
    for (const [lines, count] of [
      [["rep insb"], 6],
      [["in al, dx", "stosb", "insb", "mov ecx, 4", "rep insb"], 6],
    ] as const) {
      load(one, ["rep insb"], { at: 0x20_1000, count });
      const exit = isIo(one.run());
      assert.equal(exit.count, 6);
      bytesOf(one, exit).set(text("UVWXYZ"));
      map(0x20_1000, false);
      assert.equal(one.run().reason, "hlt");
      assert.deepEqual([vectorAt(one), cpu.getRegs().rcx], [14, 6n]);
      map(0x20_1000, true);
      load(one, lines, { at: 0x20_1000, count });
      assert.deepEqual(strings(one), [], "nothing is read twice");
      assert.equal(Buffer.from(one.ram().slice(0x20_1000, 0x20_1006)).toString(), "UVWXYZ");
    }
    // One alone, too; another port is none of its.
    load(one, ["insb"], { at: 0x20_1000, count: 1 });
    const alone = isIo(one.run());
    alone.data = 0x51n;
    map(0x20_1000, false);
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 14);
    load(one, ["in al, dx", "mov bl, al"], { at: 0, count: 0 });
    assert.equal(one.run().reason, "hlt");
    assert.equal(cpu.getRegs().rbx, 0x51n);
    load(one, ["in al, dx"], { at: 0, count: 0 });
    assert.equal(isIo(one.run()).count, 1);
  });

  test(`${title}: with a trap behind each instruction, each element is one`, async () => {
    const one = await guest(type);
    one.ram().set(text("xyz"), 0x20_0000);
    load(one, ["pushfq", "or qword ptr [rsp], 0x100", "popfq", "rep outsb"], { at: 0x20_0000, count: 3 });
    assert.deepEqual(strings(one, undefined, 1), [`1:${hex("x")}`]);
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([vectorAt(one), one.cpu.getRegs().rcx], [1, 2n]);
  });

  test(`${title}: outside 64-bit mode, offsets wrap and segments end`, async () => {
    const one = await guest(type, "intel", false);
    const { cpu } = one;
    const real = (lines: readonly string[], regs: object, segment: object = {}): void => {
      let at = 0x7000;
      for (const line of [...lines, "hlt"]) {
        const bytes = assemble(spelled(line, 16), 16, BigInt(at));
        one.ram().set(bytes, at);
        at += bytes.length;
      }
      one.vm.guestWritten(0x7000n, at - 0x7000);
      const sregs = cpu.getSregs();
      const flat = { ...sregs.ds, base: 0x1_0000n, limit: 0xffff, selector: 0x1000, l: 0, db: 0, g: 0, type: 3 };
      cpu.setSregs({
        ...sregs,
        ...{ cr0: 0x10n, cr4: 0n, efer: 0n, idt: { base: 0n, limit: 0x3ff } },
        cs: { ...sregs.cs, base: 0n, selector: 0, limit: 0xffff, l: 0, db: 0, g: 0, type: 11 },
        ss: { ...flat, base: 0n, selector: 0 },
        ...{ ds: { ...flat, ...segment }, es: { ...flat, ...segment } },
      });
      cpu.setRegs({ ...cpu.getRegs(), rip: 0x7000n, rsp: 0x6000n, rflags: 2n, rdx: BigInt(port), ...regs });
    };
    // #GP's vector leads to HLT.
    new DataView(one.ram().buffer, one.ram().byteOffset).setUint32(13 * 4, 0x6f00, true);
    one.ram()[0x6f00] = 0xf4;
    one.ram().set(text("ABCDEF"), 0x1_fffa);
    one.ram().set(text("GHIJ"), 0x1_0000);
    real(["rep outsw"], { rsi: 0xfffan, rcx: 5n });
    assert.deepEqual(strings(one), [`3:${hex("ABCDEF")}`, `2:${hex("GHIJ")}`]);
    assert.equal(cpu.getRegs().rsi, 4n);
    real(["rep insw"], { rdi: 0xfffcn, rcx: 3n });
    assert.deepEqual(strings(one, text("uvwxyz")), ["2", "1"]);
    assert.equal(Buffer.from(one.ram().slice(0x1_fffc, 0x2_0000)).toString(), "uvwx");
    assert.equal(Buffer.from(one.ram().slice(0x1_0000, 0x1_0002)).toString(), "yz");
    // The segment ends within the page.
    real(["rep outsb"], { rsi: 0x100n, rcx: 9n }, { limit: 0x104 });
    assert.equal(strings(one).length, 1);
    const { rip, rcx, rsi } = cpu.getRegs();
    assert.deepEqual([rip, rcx, rsi], [0x6f01n, 4n, 0x105n]);
    // Downwards there is no end but 0.
    real(["std", "rep outsb"], { rsi: 2n, rcx: 3n });
    assert.equal(strings(one).length, 1);
    assert.equal(cpu.getRegs().rsi & 0xffffn, 0xffffn);
  });

  test(`${title}: a page that is read into is dirty, whatever was cleared while the user side had the exit`, async () => {
    const one = await guest(type);
    const { vm } = one;
    const userspaceAddr = one.ram().byteOffset;
    const region = { slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr };
    vm.setUserMemoryRegion({ ...region, flags: KVM_MEM_LOG_DIRTY_PAGES });
    const page = Math.floor(0x20_3000 / vm.pageSize);
    for (const count of [1, 100]) {
      load(one, ["rep insb"], { at: 0x20_3000, count });
      const exit = isIo(one.run());
      assert.equal(exit.count, count);
      vm.getDirtyLog(0);
      if (count === 1) exit.data = 0x2an;
      else bytesOf(one, exit).fill(0x2a);
      assert.equal(one.run().reason, "hlt");
      assert.equal(((vm.getDirtyLog(0)[page >> 3] ?? 0) >> (page & 7)) & 1, 1);
      assert.ok(
        one
          .ram()
          .subarray(0x20_3000, 0x20_3000 + count)
          .every((byte) => byte === 0x2a),
      );
    }
  });
}
