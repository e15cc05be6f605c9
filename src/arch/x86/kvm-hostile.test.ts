/**
 * Guests that are nothing but chance: registers of every mode, tables and code of random bytes, both vendors, both engines. What
 * they do ends in an exit that there is, never in an error of the host. UNIKVM_DRAWS draws more of them, UNIKVM_SEED others.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KvmError } from "../../base/errors.js";
import { random } from "../../vfio/random.test-support.js";
import { instructionSet } from "./isa/instruction-set.js";
import { type Guest, guest, interrupts, ramSize, segments, types } from "./kvm.test-support.js";
import { KVM_MP_STATE_RUNNABLE, KVM_X86_UNIKVM_HV, type X86Segment, type X86Sregs } from "./uapi.js";

const draws = Number(process.env["UNIKVM_DRAWS"] ?? 40);
const seed = Number(process.env["UNIKVM_SEED"] ?? 20_261_129);
/** A guest that does not leave by itself has so long, ms. */
const patience = 12;
const code = 0x1000;
type Below = (limit: number) => number;

/** First bytes of instructions that there are, so that not all of a page is #UD. */
function opcodes(): readonly number[] {
  return instructionSet().forms.map(({ opcode }) => opcode & 0xff);
}

function fill(bytes: Uint8Array, below: Below, known: readonly number[]): void {
  for (let i = 0; i < bytes.length; i++) {
    const kind = below(8);
    if (kind < 3) bytes[i] = known[below(known.length)] as number;
    else if (kind === 3) bytes[i] = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x48, 0x0f, 0x2e][below(8)] as number;
    else bytes[i] = below(256);
  }
}

const word = (below: Below): bigint =>
  (BigInt(below(2 ** 31)) << 33n) ^ (BigInt(below(2 ** 31)) << 16n) ^ BigInt(below(65536));
/** An address that is likely to be somewhere. */
const address = (below: Below): bigint =>
  [BigInt(below(ramSize)), word(below), 0xfee0_0000n, BigInt(code)][below(4)] as bigint;

function segment(below: Below, isCode: boolean, long: boolean): X86Segment {
  const plain = below(4) > 0;
  return {
    base: plain ? 0n : address(below),
    limit: plain ? 0xffff_ffff : below(2 ** 32),
    selector: below(65536),
    type: isCode ? 9 + 2 * below(4) - (below(2) ? 0 : 1) : below(16),
    ...{ present: below(8) ? 1 : 0, dpl: below(2) ? 0 : 3, db: long ? 0 : below(2), s: below(16) ? 1 : 0 },
    ...{ l: long ? 1 : 0, g: 1, avl: 0, unusable: below(16) ? 0 : 1 },
  };
}

function draw(one: Guest, below: Below, known: readonly number[]): void {
  const ram = one.ram();
  const kind = below(5);
  // Its tables are kept, changed in some bits, or made of anything; its code is anything.
  if (kind === 0) for (let i = 0; i < 40; i++) ram[0x1000 + below(0x9000)] = below(256);
  if (kind === 1) for (const at of [interrupts, segments]) for (let i = 0; i < 0x1000; i++) ram[at + i] = below(256);
  fill(ram.subarray(0x10_0000, 0x10_2000), below, known);
  one.vm.guestWritten(0n, ramSize);
  const old = one.cpu.getSregs();
  const long = below(2) === 0;
  const protectedMode = long || below(4) > 0;
  const paging = long || (protectedMode && below(2) === 0);
  const bits = (mask: number) => BigInt(below(2 ** 32) & mask) & 0xffff_ffffn;
  const changed: Partial<X86Sregs> = {
    cr0: (protectedMode ? 1n : 0n) | (paging ? 0x8000_0000n : 0n) | 0x10n | bits(0x1_002e),
    cr4: bits(0x37_07ff) | (long ? 0x20n : 0n),
    efer: (long ? 0x500n : 0n) | bits(0x801),
    cr3: below(4) ? old.cr3 : BigInt(below(ramSize)) & ~0xfffn,
    cr8: BigInt(below(16)),
    cs: { ...segment(below, true, long), base: protectedMode ? 0n : 0x10_0000n },
    ...{ ss: segment(below, false, false), ds: segment(below, false, false), es: segment(below, false, false) },
    ...{ fs: segment(below, false, false), gs: segment(below, false, false) },
    gdt: below(4) ? { base: BigInt(segments), limit: 0x1f } : { base: address(below), limit: below(65536) },
    idt: below(4) ? { base: BigInt(interrupts), limit: 0xfff } : { base: address(below), limit: below(65536) },
  };
  try {
    one.cpu.setSregs({ ...old, ...changed });
  } catch (error) {
    // What KVM refuses is not run: it says so.
    assert.ok(error instanceof KvmError && error.code === "EINVAL", String(error));
  }
  const values = Array.from({ length: 17 }, () => (below(2) ? address(below) : BigInt(below(256))));
  const names = [
    "rax",
    "rbx",
    "rcx",
    "rdx",
    "rsi",
    "rdi",
    "rbp",
    "rsp",
    "r8",
    "r9",
    "r10",
    "r11",
    "r12",
    "r13",
    "r14",
    "r15",
  ];
  one.cpu.setRegs({
    ...one.cpu.getRegs(),
    ...(Object.fromEntries(names.map((name, i) => [name, values[i]])) as object),
    rip: protectedMode ? 0x10_0000n + BigInt(below(0x1000)) : BigInt(below(0x1000)),
    rflags: BigInt(below(2 ** 22) & 0x3f_7fd5) | 2n,
  });
  one.cpu.setMpState(KVM_MP_STATE_RUNNABLE);
}

for (const type of types) {
  for (const vendor of ["intel", "amd"] as const) {
    const title = `${type === KVM_X86_UNIKVM_HV ? "hv" : "pr"}, ${vendor}`;
    test(`${title}: whatever registers, tables and code there are, a guest ends in an exit`, async (t) => {
      const below = random(seed + type);
      const known = opcodes();
      const seen = new Map<string, number>();
      let one = await guest(type, vendor);
      const clean = one.ram().slice();
      const sregs = one.cpu.getSregs();
      for (let round = 0; round < draws; round++) {
        // One that a guest has shut down, or whose vCPU has been left in the middle of an access, is not used again.
        if (round % 50 === 49) one = await guest(type, vendor);
        one.ram().set(clean);
        one.cpu.setSregs(sregs);
        draw(one, below, known);
        const end = performance.now() + patience;
        let reason = "";
        for (let i = 0; i < 40 && performance.now() < end; i++) {
          const exit = one.cpu.run({ deadline: end, wait: false });
          reason = exit.reason;
          seen.set(reason, (seen.get(reason) ?? 0) + 1);
          if (exit.reason === "io" || exit.reason === "mmio") exit.data = word(below);
          else if (exit.reason !== "intr") break;
        }
        if (!["hlt", "intr"].includes(reason)) one = await guest(type, vendor);
      }
      t.diagnostic(`${title}: ${[...seen].map(([reason, count]) => `${reason} ${count}`).join(", ")}`);
      assert.ok(seen.size > 1, "all guests ended alike");
    });
  }
}
