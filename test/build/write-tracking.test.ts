/**
 * KVM_EXTERNAL_WRITE_TRACKING: a build with it, in which a module like Linux's kvmgt is told what guests write to pages that it
 * names, by either vendor's kvm, interpreted and translated.
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { type Guest, guestOf, ramSize, types } from "../../src/arch/x86/kvm.test-support.js";
import type { X86KvmOffer } from "../../src/arch/x86/module/define.js";
import {
  kvmPageTrackRegisterNotifier,
  kvmWriteTrackAddGfn,
  kvmWriteTrackRemoveGfn,
  type TrackedWrite,
  type WriteTracker,
} from "../../src/arch/x86/module/tracking-symbols.js";
import * as none from "../../src/arch/x86/module/untracked.js";
import * as real from "../../src/arch/x86/module/write-tracking.js";
import type { X86Vm } from "../../src/arch/x86/uapi.js";
import { errno } from "../../src/base/errno.test-support.js";
import type * as Unikvm from "../../src/index.js";
import { moduleList } from "../../src/kernel/module-list.js";
import type { ModuleContext } from "../../src/modules/define-module.js";
import { builtOf } from "./building.test-support.js";

const config = "# CONFIG_KVM_BOOK3S_64 is not set\nCONFIG_KVM_EXTERNAL_WRITE_TRACKING=y\n";
const built = builtOf("tracking", config, "node");
const vendors = ["kvm_intel", "kvm_amd"] as const;

const imports = {
  register: kvmPageTrackRegisterNotifier,
  add: kvmWriteTrackAddGfn,
  remove: kvmWriteTrackRemoveGfn,
} as const;
type Context = ModuleContext<typeof imports>;
interface Gt extends Pick<Context["imports"], "add" | "remove"> {
  readonly register: (tracker: Partial<WriteTracker>) => () => void;
  readonly context: Context;
}
/** Registers `tracker` while it is loaded. */
const kvmgt = (unikvm: typeof Unikvm, tracker: Omit<WriteTracker, "owner">, name = "kvmgt") =>
  unikvm.defineModule({
    name,
    description: "",
    license: "GPL",
    imports,
    init: async (context: Context): Promise<Gt> => {
      const { register, ...calls } = context.imports;
      await context.step(
        "tracker",
        () => register({ owner: context, ...tracker }),
        (undo) => undo(),
      );
      return { ...calls, register: register as Gt["register"], context };
    },
  });

const importBuilt = async (): Promise<typeof Unikvm> =>
  import(pathToFileURL(join((await built).folder, "index.js")).href) as Promise<typeof Unikvm>;

/** A kvm and the module, loaded. */
async function loaded(vendor: (typeof vendors)[number], tracker: Partial<WriteTracker>, memory = "unshared" as const) {
  const unikvm = await importBuilt();
  const loader = unikvm.createLoader({ memory });
  await loader.modprobe(vendor);
  loader.add(kvmgt(unikvm, { url: "unused:", trackWrite: () => {}, ...tracker }));
  await loader.modprobe("kvmgt");
  const kvm = loader.offer<X86KvmOffer>(vendor).open();
  return { loader, kvm, gt: loader.offer<Gt>("kvmgt") };
}

const close = ({ vm, cpu }: Guest): void => {
  cpu.close();
  vm.close();
};
/** The first page that is tracked here, its number, and where the next one ends. */
const at = 0x20_0000;
const gfn = BigInt(at >> 12);
/** A vCPU that has run. */
const begun = (guest: Guest): Guest => {
  guest.load([]);
  assert.equal(guest.run().reason, "hlt");
  return guest;
};

test("without the option nothing is exported, and nobody asks; what stands in its place has the same names", async () => {
  for (const { definition } of moduleList()) {
    if (definition.alternative) assert.deepEqual(definition.exports ?? {}, {});
  }
  assert.deepEqual(Object.keys(none).sort(), Object.keys(real).sort());
  const { inputs } = await built;
  for (const vendor of vendors) assert.ok(inputs.has(`${vendor}:src/arch/x86/module/write-tracking.js`), vendor);
});

test("M10 to M12, M15: both vendors export the same, for kvmgt alone; one is loaded at a time, and holds who uses it", async () => {
  const unikvm = await importBuilt();
  for (const [first, second] of [vendors, [vendors[1], vendors[0]]] as const) {
    const loader = unikvm.createLoader({ memory: "unshared" });
    const tracker = { url: "unused:", trackWrite: () => {} };
    loader.add(kvmgt(unikvm, tracker));
    loader.add(kvmgt(unikvm, tracker, "thief"));
    await loader.modprobe(first);
    await assert.rejects(loader.modprobe(second, { node: "another" }), errno("ENOEXEC"));
    await assert.rejects(loader.modprobe("thief"), errno("EINVAL"));
    await loader.modprobe("kvmgt");
    assert.throws(() => loader.rmmod(first), errno("EBUSY"));
    loader.rmmod("kvmgt");
    loader.rmmod(first);
    await loader.modprobe(second);
    await loader.modprobe("kvmgt");
    for (const name of ["kvmgt", second, "vac"]) loader.rmmod(name);
    assert.deepEqual([loader.lsmod(), [...loader.nodes()]], [[], []]);
  }
  // The build's own check, of the declarations that the build has.
  const { folder } = await built;
  const text = (name: string): string => readFileSync(join(folder, "modules", name), "utf8");
  assert.match(text("Module.symvers"), /\tkvm_write_track_add_gfn\tkvm-intel\tEXPORT_SYMBOL_GPL\tmodule:kvmgt$/m);
  assert.match(text("modules.symbols"), /^alias symbol:kvm_write_track_add_gfn kvm_intel$/m);
});

/** What is written, of each way that instructions have, in order; [offset, bytes] of what is told. */
const ways: readonly (readonly [string, readonly string[], readonly (readonly [number, number])[]])[] = [
  [
    "mov",
    ["mov [rdi], eax", "mov [rdi+4], al", "mov [rdi+6], ax", "mov [rdi+8], rax"],
    [
      [0, 4],
      [4, 1],
      [6, 2],
      [8, 8],
    ],
  ],
  ["unaligned", ["mov [rdi+13], rax"], [[13, 8]]],
  ["over its end", ["mov [rdi+4093], rax"], [[4093, 3]]],
  ["over its beginning", ["mov [rdi-3], rax"], [[0, 5]]],
  [
    "locked",
    ["lock inc dword ptr [rdi]", "xchg [rdi+8], rax", "lock cmpxchg [rdi+8], rbx"],
    [
      [0, 4],
      [8, 8],
      [8, 8],
    ],
  ],
  [
    "read, then written",
    ["add qword ptr [rdi+16], 5", "not byte ptr [rdi]"],
    [
      [16, 8],
      [0, 1],
    ],
  ],
  [
    "strings",
    ["mov ecx, 3", "cld", "rep stos byte ptr es:[rdi], al"],
    [
      [0, 1],
      [1, 1],
      [2, 1],
    ],
  ],
  [
    "vectors",
    ["movups [rdi+16], xmm0", "movq [rdi], xmm1"],
    [
      [16, 16],
      [0, 8],
    ],
  ],
  [
    "x87",
    ["fld1", "fstp tbyte ptr [rdi]"],
    [
      [0, 8],
      [8, 2],
    ],
  ],
  ["images", ["fxsave [rdi]"], [[0, 416]]],
  [
    "stack",
    ["lea rsp, [rdi+64]", "push rax", "push rax"],
    [
      [56, 8],
      [48, 8],
    ],
  ],
  // SS, RSP, RFLAGS, CS, RIP; the handler halts.
  [
    "interrupt",
    ["lea rsp, [rdi+64]", "ud2"],
    [
      [56, 8],
      [48, 8],
      [40, 8],
      [32, 8],
      [24, 8],
    ],
  ],
];

for (const vendor of vendors) {
  test(`${vendor}: each way to write is told once it is done, in order, on both engines`, async () => {
    const heard: TrackedWrite[] = [];
    const { kvm, gt, loader } = await loaded(vendor, { trackWrite: (write) => heard.push(write) });
    for (const type of types) {
      const guest = begun(guestOf(kvm, type));
      const sregs = guest.cpu.getSregs();
      // SSE.
      guest.cpu.setSregs({ ...sregs, cr4: sregs.cr4 | 0x600n });
      gt.add(guest.vm, gfn);
      for (const [name, lines, expected] of ways) {
        const prologue = [`mov rdi, 0x${at.toString(16)}`, "mov rax, 0x1122334455667788", "mov rbx, 7"];
        heard.length = 0;
        const before = guest.ram().slice(at, at + 4096);
        guest.load([...prologue, ...lines]);
        assert.equal(guest.run().reason, "hlt", name);
        const told = heard.map(({ address, bytes }) => [Number(address) - at, bytes.length]);
        assert.deepEqual(told, expected, `${name}, type ${type.toString(16)}`);
        // What was told makes the page what it is now.
        for (const { address, bytes, vcpu } of heard) {
          before.set(bytes, Number(address) - at);
          assert.equal(vcpu, 0);
        }
        assert.deepEqual(before, guest.ram().slice(at, at + 4096), name);
      }
      // Nobody is told of reads, of other pages, of what the user side or a device writes.
      heard.length = 0;
      guest.load(["mov rdi, 0x200000", "mov rax, [rdi]", "mov [rdi+0x1000], rax", "mov [rdi-8], rax"]);
      guest.run();
      guest.ram()[at] = 1;
      guest.vm.guestWritten(BigInt(at), 16);
      assert.equal(heard.length, 0);
      // The page may hold code that is run and written all the same.
      const store = ["mov byte ptr [0x200001], 9", "mov rax, 0x200000", "call rax"];
      guest.ram().set([0xb0, 5, 0xc3], at);
      guest.vm.guestWritten(BigInt(at), 3);
      guest.load(["mov rax, 0x200000", "call rax", "mov rbx, rax", ...store]);
      guest.run();
      assert.deepEqual([guest.cpu.getRegs().rbx & 0xffn, guest.cpu.getRegs().rax & 0xffn, heard.length], [5n, 9n, 1]);
      gt.remove(guest.vm, gfn);
      guest.load(["mov dword ptr [0x200000], 1"]);
      guest.run();
      assert.equal(heard.length, 1);
      close(guest);
    }
    for (const name of ["kvmgt", vendor, "vac"]) loader.rmmod(name);
  });
}

test("a guest that does nothing but write is told of each time, translated and not, and nothing grows", async () => {
  let count = 0;
  let last = 0n;
  const { kvm, gt } = await loaded("kvm_intel", {
    trackWrite: ({ bytes }) => {
      count++;
      last = BigInt(new DataView(bytes.buffer).getUint32(0, true));
    },
  });
  const writes = 400_000;
  for (const type of types) {
    const guest = begun(guestOf(kvm, type));
    gt.add(guest.vm, gfn);
    // Hot first, then with the page tracked behind its back.
    gt.remove(guest.vm, gfn);
    const loop = (times: number) => {
      // To the store, behind the first instruction's five bytes.
      guest.load([`mov ecx, ${times}`, "mov [0x200000], ecx", "dec ecx", "jne 0x100005"]);
      return guest.run();
    };
    assert.equal(loop(3_000_000).reason, "hlt");
    assert.equal(count, 0);
    gt.add(guest.vm, gfn);
    const memory = guest.vm.memory.buffer.byteLength;
    assert.equal(loop(writes).reason, "hlt");
    assert.deepEqual([count, last], [writes, 1n]);
    assert.equal(guest.vm.memory.buffer.byteLength, memory);
    count = 0;
    close(guest);
  }
});

test("misuse is refused, and changes nothing", async () => {
  const gone: [bigint, number][] = [];
  let heard = 0;
  let inside: (() => void) | undefined;
  const { kvm, gt, loader } = await loaded("kvm_amd", {
    trackWrite: () => {
      heard++;
      inside?.();
    },
    trackRemoveRegion: (_, first, pages) => gone.push([first, pages]),
  });
  const { context } = gt;
  for (const wrong of [
    {},
    { owner: context },
    { owner: context, url: "x" },
    { owner: {}, url: "x", trackWrite: () => {} },
  ]) {
    assert.throws(() => gt.register(wrong as Partial<WriteTracker>), errno("EINVAL"));
  }
  const guest = guestOf(kvm, types[0]);
  const { vm } = guest;
  assert.throws(() => gt.add(vm, gfn), errno("EAGAIN"));
  begun(guest);
  const pages = BigInt(ramSize >> 12);
  for (const wrong of [pages, pages + 1n, 1n << 52n, (1n << 64n) - 1n])
    assert.throws(() => gt.add(vm, wrong), errno("EINVAL"));
  for (const wrong of [-1n, 1n << 64n, 5, "5", undefined]) {
    assert.throws(() => gt.add(vm, wrong as bigint), errno("EINVAL"));
    assert.throws(() => gt.remove(vm, wrong as bigint), errno("EINVAL"));
  }
  for (const wrong of [undefined, {}, kvm])
    assert.throws(() => gt.add(wrong as unknown as X86Vm, gfn), errno("EINVAL"));
  assert.throws(() => gt.remove(vm, gfn), errno("ENOENT"));
  // What was added twice is to be removed twice.
  gt.add(vm, gfn);
  gt.add(vm, gfn);
  gt.remove(vm, gfn);
  const write = () => {
    guest.load([`mov dword ptr [0x${at.toString(16)}], 1`]);
    guest.run();
    const now = heard;
    heard = 0;
    return now;
  };
  assert.equal(write(), 1);
  inside = () => assert.throws(() => gt.add(vm, gfn + 1n), errno("EBUSY"));
  assert.equal(write(), 1);
  // It may let go in the midst of the write.
  inside = () => gt.remove(vm, gfn);
  assert.deepEqual([write(), write()], [1, 0]);
  inside = undefined;
  assert.throws(() => gt.remove(vm, gfn), errno("ENOENT"));
  // A tracker that throws ends the run, and only that.
  inside = () => {
    throw new Error("broken");
  };
  gt.add(vm, gfn);
  assert.throws(write, /broken/);
  inside = undefined;
  heard = 0;
  assert.equal(write(), 1);

  // The dirty log is noted as without.
  const { userspaceAddr } = { userspaceAddr: vm.allocate(0x10000) };
  const extra = { slot: 1, guestPhysAddr: 0x40_0000n, memorySize: 0x10000n, userspaceAddr };
  vm.setUserMemoryRegion(extra);
  assert.throws(() => gt.add(vm, 0x400n), errno("EOPNOTSUPP"));
  const slot0 = { slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: guest.ram().byteOffset };
  vm.setUserMemoryRegion({ ...slot0, flags: 1 });
  vm.getDirtyLog(0);
  assert.equal(write(), 1);
  const page = at / vm.pageSize;
  assert.equal(((vm.getDirtyLog(0)[page >> 3] ?? 0) >> (page & 7)) & 1, 1);
  assert.equal(write(), 1);
  assert.deepEqual(gone, []);

  // Another kvm would not know of it.
  const other = await loaded("kvm_amd", {});
  await assert.rejects(vm.moveTo(other.kvm), errno("EBUSY"));
  assert.equal(write(), 1);

  // The slot goes, and with it what was tracked; a new one there is not.
  for (const one of [gfn + 1n, gfn + 3n]) gt.add(vm, one);
  vm.setUserMemoryRegion({ ...slot0, memorySize: 0n });
  assert.deepEqual(gone, [
    [gfn, 2],
    [gfn + 3n, 1],
  ]);
  assert.throws(() => gt.remove(vm, gfn), errno("ENOENT"));
  vm.setUserMemoryRegion(slot0);
  assert.equal(write(), 0);

  // A VM that ends while it is tracked lets go of the modules, and one that was made before the module came is not for it.
  gt.add(vm, gfn);
  assert.throws(() => loader.rmmod("kvmgt"), errno("EBUSY"));
  close(guest);
  assert.throws(() => gt.add(vm, gfn), errno("EBADF"));
  loader.rmmod("kvmgt");
  const before = begun(guestOf(kvm, types[0]));
  await loader.modprobe("kvmgt");
  assert.throws(() => loader.offer<Gt>("kvmgt").add(before.vm, gfn), errno("EINVAL"));
  close(before);
  for (const name of ["kvmgt", "kvm_amd", "vac"]) loader.rmmod(name);
  assert.deepEqual([loader.lsmod(), [...loader.nodes()]], [[], []]);
});

test("a vCPU on a thread of its own tells there, by the file that it imports", async () => {
  const { folder } = await built;
  const file = join(folder, "tracker.mjs");
  // Sums up what is written, in the guest's first page.
  writeFileSync(
    file,
    `export const tracker = { trackWrite({ vm, bytes }) {
       const words = new Int32Array(vm.memory.buffer);
       const ram = new BigInt64Array(vm.memory.buffer).findLastIndex((word) => word === ${0x5ca1ab1e_0ddba11n}n);
       words[2 * ram + 2] += bytes[0];
     } };`,
  );
  try {
    const unikvm = await importBuilt();
    const loader = unikvm.createLoader({ memory: "shared" });
    await loader.modprobe("kvm_intel");
    loader.add(
      kvmgt(unikvm, { url: pathToFileURL(file).href, trackWrite: () => assert.fail("told on another thread") }),
    );
    await loader.modprobe("kvmgt");
    const gt = loader.offer<Gt>("kvmgt");
    for (const type of types) {
      const guest = begun(guestOf(loader.offer<X86KvmOffer>("kvm_intel").open(), type));
      gt.add(guest.vm, gfn);
      const view = new DataView(guest.ram().buffer, guest.ram().byteOffset);
      view.setBigInt64(0, 0x5ca1ab1e_0ddba11n, true);
      guest.load([...[3, 4, 5].map((value) => `mov byte ptr [0x200000], ${value}`), "out 0x10, al"]);
      const thread = new Worker(
        `const { workerData, parentPort } = require("node:worker_threads");
         import(workerData.index).then(async ({ prepareAttachVm }) => {
           const vm = (await prepareAttachVm(workerData.share))();
           const cpu = vm.vcpu(0);
           parentPort.postMessage(cpu.run({ deadline: performance.now() + 20000 }).reason);
           cpu.close();
           vm.close();
         });`,
        { eval: true, workerData: { index: pathToFileURL(join(folder, "index.js")).href, share: guest.vm.share() } },
      );
      const reason = await new Promise((resolve, reject) => thread.once("message", resolve).once("error", reject));
      await thread.terminate();
      assert.deepEqual([reason, view.getInt32(8, true)], ["io", 12]);
      close(guest);
    }
    for (const name of ["kvmgt", "kvm_intel", "vac"]) loader.rmmod(name);
  } finally {
    rmSync(file, { force: true });
  }
});
