/** Control registers that the user side changes: what translations and code were found by before is found anew. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../base/errno.test-support.js";
import { word } from "./counting.test-support.js";
import { assemble } from "./isa/assembler.js";
import { type Guest, guest, types, vectorAt } from "./kvm.test-support.js";
import { KVM_SREGS2_FLAGS_PDPTRS_VALID, KVM_X86_UNIKVM_HV, type X86Sregs } from "./uapi.js";

/** The second 2 MiB, whose entry in the page tables (kvm.test-support.ts) each case changes. */
const page = 0x20_0000;
const entryAt = 0x3008;
const Bit = { present: 1n, write: 2n, user: 4n, large: 0x80n, key1: 1n << 59n, noExecute: 1n << 63n } as const;
const Cr0 = { writeProtect: 0x1_0000n } as const;
const Cr4 = { smep: 1n << 20n, smap: 1n << 21n, keys: 1n << 22n } as const;
const noExecuteEnable = 0x800n;

interface Case {
  readonly what: string;
  readonly entry: bigint;
  readonly lines: readonly string[];
  /** Makes registers of others, by which the lines fault that did not before. */
  readonly change: (sregs: X86Sregs) => Partial<X86Sregs>;
  /** The error code of the page fault; undefined: there is none, and RBX is what lies in the first 2 MiB. */
  readonly error: bigint | undefined;
}

const read = [`mov esi, 0x${(page + 0x1000).toString(16)}`, "mov rbx, qword ptr [rsi]"];
const cases: readonly Case[] = [
  {
    what: "CR0.WP: the supervisor writes what is read-only",
    entry: Bit.present | Bit.large,
    lines: [`mov esi, 0x${(page + 0x1000).toString(16)}`, "mov qword ptr [rsi], rbx"],
    change: ({ cr0 }) => ({ cr0: cr0 | Cr0.writeProtect }),
    error: 3n,
  },
  {
    what: "CR4.SMAP: the supervisor reads what is the user's",
    entry: Bit.present | Bit.write | Bit.user | Bit.large,
    lines: read,
    change: ({ cr4 }) => ({ cr4: cr4 | Cr4.smap }),
    error: 1n,
  },
  {
    what: "CR4.SMEP: the supervisor runs what is the user's",
    entry: Bit.present | Bit.write | Bit.user | Bit.large,
    lines: [`mov eax, 0x${page.toString(16)}`, "call rax"],
    change: ({ cr4 }) => ({ cr4: cr4 | Cr4.smep }),
    error: 0x11n,
  },
  {
    what: "CR4.PKE: a key of the user's pages",
    entry: Bit.present | Bit.write | Bit.user | Bit.large | Bit.key1,
    lines: read,
    change: ({ cr4 }) => ({ cr4: cr4 | Cr4.keys }),
    error: 0x21n,
  },
  {
    what: "EFER.NXE: bit 63 is reserved without it",
    entry: Bit.present | Bit.write | Bit.large | Bit.noExecute,
    lines: read,
    change: ({ efer }) => ({ efer: efer & ~noExecuteEnable }),
    error: 9n,
  },
  {
    what: "CR3: other tables",
    entry: Bit.present | Bit.write | Bit.large,
    lines: read,
    change: () => ({ cr3: 0x8000n }),
    error: undefined,
  },
];

/** Of all user pages' keys, 1 lets nothing be accessed. */
function lockKey(one: Guest): void {
  const area = one.cpu.getXsave();
  const view = new DataView(area.buffer);
  view.setBigUint64(512, view.getBigUint64(512, true) | 0x200n, true);
  view.setUint32(2688, 4, true);
  one.cpu.setXsave(area);
}

function prepare(one: Guest, entry: bigint): void {
  const ram = one.ram();
  const view = new DataView(ram.buffer, ram.byteOffset);
  view.setBigUint64(entryAt, BigInt(page) | entry, true);
  // The upper levels let users through; a second set of tables has the first 2 MiB twice.
  for (const at of [0x1000, 0x2000]) view.setBigUint64(at, view.getBigUint64(at, true) | Bit.user, true);
  view.setBigUint64(0x8000, 0xc007n, true);
  view.setBigUint64(0xc000, 0xd007n, true);
  for (const at of [0xd000, 0xd008]) view.setBigUint64(at, 0x83n, true);
  view.setBigUint64(page + 0x1000, 0x1111n, true);
  view.setBigUint64(0x1000, view.getBigUint64(0x1000, true), true);
  ram.set(assemble("ret", 64, BigInt(page)), page);
  one.vm.guestWritten(0n, ram.length);
}

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";
  for (const { what, entry, lines, change, error } of cases) {
    test(`${title}: KVM_SET_SREGS has translations of before go: ${what}`, async () => {
      const one = await guest(type);
      const { cpu } = one;
      prepare(one, entry);
      lockKey(one);
      cpu.setSregs({ ...cpu.getSregs(), cr0: 0x8000_0011n, efer: 0xd00n });
      const go = (): number => {
        one.load(lines);
        cpu.setRegs({ ...cpu.getRegs(), rsp: 0x7000n });
        assert.equal(one.run().reason, "hlt");
        return vectorAt(one);
      };
      assert.equal(go(), -1);
      const before = cpu.getSregs();
      cpu.setSregs({ ...before, ...change(before) });
      assert.equal(go(), error === undefined ? -1 : 14);
      if (error === undefined) assert.equal(cpu.getRegs().rbx, word(one, 0x1000));
      else assert.equal(word(one, Number(cpu.getRegs().rsp)), error);
      const { interrupt_bitmap: _, ...registers } = before;
      cpu.setSregs2({ ...registers, flags: 0n, pdptrs: [0n, 0n, 0n, 0n] });
      assert.equal(go(), -1);
      cpu.setSregs2({ ...cpu.getSregs2(), ...change(before) });
      assert.equal(go(), error === undefined ? -1 : 14, "by KVM_SET_SREGS2");
    });
  }
}

test("KVM_GET_SREGS2 has the pointers of PAE paging, and KVM_SET_SREGS2 leaves what waits", async () => {
  const one = await guest(types[1], "intel", false);
  const { cpu } = one;
  const { interrupt_bitmap: _, ...registers } = cpu.getSregs();
  assert.deepEqual(cpu.getSregs2(), { ...registers, flags: 0n, pdptrs: [0n, 0n, 0n, 0n] });
  cpu.interrupt(0x41);
  const view = new DataView(one.ram().buffer, one.ram().byteOffset);
  for (let i = 0; i < 4; i++) view.setBigUint64(0x8020 + 8 * i, BigInt(0x9001 + 0x1000 * i), true);
  const pae = { ...cpu.getSregs2(), cr0: 0x8000_0011n, cr3: 0x8020n, cr4: 0x20n, efer: 0n };
  cpu.setSregs2({ ...pae, flags: BigInt(KVM_SREGS2_FLAGS_PDPTRS_VALID) });
  const { flags, pdptrs, cr3 } = cpu.getSregs2();
  assert.deepEqual([flags, pdptrs, cr3], [1n, [0x9001n, 0xa001n, 0xb001n, 0xc001n], 0x8020n]);
  assert.deepEqual(cpu.getSregs().interrupt_bitmap, [0n, 2n, 0n, 0n]);
  for (const wrong of [{ flags: 2n }, { pdptrs: [0n] }, { cr8: 16n }, { flags: 1n, cr4: 0n }]) {
    assert.throws(() => cpu.setSregs2({ ...pae, ...wrong }), errno("EINVAL"));
  }
});
