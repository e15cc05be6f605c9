/** Hostile arguments (../hostile-calls.ts) for every call of an x86 VM. Afterwards the VM still runs a guest. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type X86Call, x86Calls } from "../../../src/arch/x86/calls/calls.js";
import { x86Signatures } from "../../../src/arch/x86/calls/signatures.js";
import { guestDebugControl } from "../../../src/arch/x86/processor/debug.js";
import type { X86Vcpu, X86Vm } from "../../../src/arch/x86/uapi.js";
import { hostileArguments, refusesByName } from "../hostile-calls.js";
import { soon } from "../neutral-cases.js";
import { Random } from "../random.js";
import { implementations, X86Fixture } from "./fixture.js";

function spoiledChip(r: Random, vm: X86Vm): unknown {
  try {
    const { chip_id, pic, ioapic } = vm.getIrqchip(r.next() % 3);
    if (pic) return { chip_id, pic: r.spoil(pic) };
    return {
      chip_id,
      ioapic: r.spoil({ ...ioapic, redirtbl: ioapic?.redirtbl.map((one) => r.pick([one, r.bigint()])) }),
    };
  } catch {
    return { chip_id: r.number() };
  }
}

function spoiledPit(r: Random, vm: X86Vm): unknown {
  try {
    const { channels, flags } = vm.getPit2();
    return { channels: channels.map((one) => r.spoil(one)), flags: r.pick([flags, r.flags()]) };
  } catch {
    return { channels: [], flags: r.flags() };
  }
}

function spoiledEvents(r: Random, cpu: X86Vcpu): unknown {
  const events = cpu.getVcpuEvents();
  return {
    ...events,
    exception: r.spoil({ ...events.exception, injected: r.next() & 1, nr: r.next() % 34 }),
    interrupt: r.spoil({ ...events.interrupt, nr: r.next() & 0xff }),
    nmi: r.spoil(events.nmi),
    flags: r.flags(),
  };
}

const hostile: { readonly [C in X86Call]?: (r: Random, it: X86Fixture) => readonly unknown[] } = {
  ...hostileArguments,
  KVM_SET_REGS: (r, { cpu }) => [r.spoil(cpu.getRegs())],
  KVM_SET_SREGS: (r, { cpu }) => [r.spoil({ ...cpu.getSregs(), cs: r.spoil(cpu.getSregs().cs) })],
  KVM_SET_SREGS2: (r, { cpu }) => [
    r.spoil({
      ...cpu.getSregs2(),
      cr4: r.pick([0n, 0x20n]),
      flags: r.pick([0n, 1n, 2n]),
      pdptrs: r.array(() => r.bigint()),
    }),
  ],
  KVM_SET_CPUID2: (r, { kvm }) => [kvm.getSupportedCpuid().map((entry) => r.spoil(entry))],
  KVM_GET_MSRS: (r, { kvm }) => [r.array(() => ({ index: r.pick([...kvm.getMsrIndexList(), r.next()]), data: 0n }))],
  KVM_GET_SUPPORTED_CPUID: (r) => [r.number()],
  KVM_GET_MSR_INDEX_LIST: (r) => [r.number()],
  "KVM_GET_MSRS (system)": (r, { kvm }) => [
    r.array(() => ({ index: r.pick([...kvm.getMsrFeatureIndexList(), r.next()]), data: 0n })),
  ],
  KVM_GET_IRQCHIP: (r) => [r.number()],
  KVM_SET_IRQCHIP: (r, { vm }) => [spoiledChip(r, vm)],
  KVM_SET_PIT2: (r, { vm }) => [spoiledPit(r, vm)],
  KVM_REINJECT_CONTROL: (r) => [{ pit_reinject: r.number() }],
  KVM_SET_CLOCK: (r) => [r.spoil({ clock: r.bigint(), flags: r.flags(), realtime: r.bigint() })],
  KVM_SET_TSS_ADDR: (r) => [r.bigint()],
  KVM_SET_IDENTITY_MAP_ADDR: (r) => [r.bigint()],
  KVM_SET_BOOT_CPU_ID: (r) => [r.number()],
  KVM_X86_SET_MSR_FILTER: (r) => [
    {
      flags: r.flags(),
      ranges: r.array(() => ({
        ...r.spoil({ flags: 3, base: 0x174, nmsrs: 16 }),
        bitmap: new Uint8Array(r.next() % 2000),
      })),
    },
  ],
  "KVM_SET_TSC_KHZ (vm)": (r) => [r.number()],
  "KVM_SET_TSC_KHZ (vcpu)": (r) => [r.number()],
  KVM_SET_LAPIC: (r) => [Uint8Array.from({ length: 1024 }, () => r.pick([0, 0, r.next()]))],
  KVM_TPR_ACCESS_REPORTING: (r) => [{ enabled: r.next() & 1, flags: r.flags() }],
  KVM_SET_VAPIC_ADDR: (r) => [r.bigint()],
  "cr8 (write)": (r) => [r.number()],
  KVM_SET_VCPU_EVENTS: (r, { cpu }) => [spoiledEvents(r, cpu)],
  KVM_TRANSLATE: (r) => [r.bigint()],
  request_interrupt_window: (r) => [r.pick([true, false])],
  KVM_SET_MSRS: (r, { kvm }) => [
    r.array(() => ({
      index: r.pick([...kvm.getMsrIndexList(), 0x800 + (r.next() & 0xff), r.next()]),
      data: r.bigint(),
    })),
  ],
  KVM_SET_FPU: (r, { cpu }) => [r.spoil(cpu.getFpu())],
  KVM_SET_XSAVE: (r, { cpu }) => {
    const area = cpu.getXsave();
    for (let i = 0; i < 3; i++) area[r.pick([512, 513, 520, 527, 540, 24, 26, r.next() % area.length])] = r.next();
    return [area];
  },
  KVM_SET_XCRS: (r) => [{ flags: r.flags() & 1, xcrs: r.array(() => ({ xcr: r.next() & 1, value: r.bigint() })) }],
  KVM_SET_GUEST_DEBUG: (r) => [
    {
      control: r.pick([r.next() & guestDebugControl, guestDebugControl, r.flags()]),
      debugreg: Array.from({ length: 8 }, (_, i) =>
        i < 7 ? r.bigint() : r.pick([BigInt(r.next() >>> 0), r.bigint()]),
      ),
    },
  ],
  KVM_SET_DEBUGREGS: (r, { cpu }) => [r.spoil(cpu.getDebugregs())],
};

for (const name of implementations) {
  for (const [index, [call, row]] of Object.entries(x86Calls).entries()) {
    const arguments_ = hostile[call as X86Call];
    if (!arguments_) continue;
    for (const controllers of [true, false]) {
      test(`x86 ${name}: ${call} takes any values, ${controllers ? "with" : "without"} interrupt controllers`, () => {
        const it = new X86Fixture(name);
        const random = new Random(0x9e3779b9 + index);
        if (controllers) {
          it.controller;
          it.vm.createPit2();
        }
        const { cpu } = it;
        refusesByName(row, x86Signatures, it.objects[row.on], () => arguments_(random, it));
        // A guest of its own, since this one's registers may hold anything.
        const after = new X86Fixture(name);
        after.exiting();
        assert.equal(after.cpu.run({ deadline: soon() }).reason, "io");
        // Whatever is set, entering the guest ends with an exit.
        it.vm.setTrace({ categories: [], sink: () => {} });
        assert.equal(typeof cpu.run({ deadline: performance.now() + 5 }).reason, "string");
        after.close();
        it.close();
      });
    }
  }
}
