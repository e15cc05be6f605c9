/**
 * Every call with arguments that nobody in their senses would give: of the right type, but of any value. It may work, or
 * fail with an errno that its row names; nothing else. Afterwards the VM still runs a guest.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { powerpcCalls } from "../../src/arch/powerpc/calls/calls.js";
import { powerpcSignatures } from "../../src/arch/powerpc/calls/signatures.js";
import { KVM_GET_HTAB_WRITE } from "../../src/arch/powerpc/uapi.js";
import { type ErrnoName, KvmError } from "../../src/base/errors.js";
import type { Signature } from "../../src/base/takes.js";
import { KVM_MEM_LOG_DIRTY_PAGES } from "../../src/kvm/constants.js";
import { Fixture, implementations, soon } from "./fixture.js";

const rounds = 60;

/** Repeatable: a generator of 32-bit numbers (xorshift). */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 1;
  }
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }
  pick<T>(values: readonly T[]): T {
    return values[this.next() % values.length] as T;
  }
  number(): number {
    const odd = [0, 1, 2, 4, 8, 12, 16, 18, 46, 64, 0x1000, 65536, -1, 0.5, Number.NaN, 2 ** 31, 2 ** 32, 2 ** 53];
    return this.pick([...odd, Number.POSITIVE_INFINITY, -(2 ** 40), this.next(), this.next() & 0xff]);
  }
  bigint(): bigint {
    const odd = [0n, 1n, 3n, 8n, 0x1000n, 65536n, 0x100000n, -1n, 1n << 32n, 1n << 63n, (1n << 64n) - 1n, 1n << 64n];
    return this.pick([...odd, -(1n << 70n), 1n << 127n, BigInt(this.next()), BigInt(this.next()) << 32n]);
  }
  flags(): number {
    return this.pick([0, 0, 0, 1, 2, 3, 4, 8, -1, this.next()]);
  }
  /** Some fields, on average one, with any value of their type. */
  spoil<T extends object>(valid: T): T {
    const fields = Object.entries(valid).map(([name, value]) => {
      if (this.next() % Object.keys(valid).length !== 0) return [name, value];
      if (typeof value === "number") return [name, name === "flags" ? this.flags() : this.number()];
      return [name, typeof value === "bigint" ? this.bigint() : value];
    });
    return Object.fromEntries(fields) as T;
  }
  array<T>(make: () => T): T[] {
    return Array.from({ length: this.next() % 5 }, make);
  }
}

type Call = keyof typeof powerpcCalls;
/** Arguments for each call that takes any. Those of run() are left out: it runs whatever is there. */
const hostile: { readonly [C in Call]?: (r: Random, it: Fixture) => readonly unknown[] } = {
  KVM_CREATE_VM: (r) => [r.pick([3, -1, 0.5, Number.NaN, 2 ** 32])],
  KVM_CHECK_EXTENSION: (r) => [r.number()],
  mmap: (r) => [r.number()],
  KVM_CREATE_VCPU: (r) => [r.number()],
  KVM_SET_USER_MEMORY_REGION: (r, { region }) => [r.spoil({ ...region, flags: 1, slot: r.next() % 2 })],
  KVM_GET_DIRTY_LOG: (r) => [r.number()],
  KVM_CLEAR_DIRTY_LOG: (r, { vm, region }) => {
    vm.setUserMemoryRegion({ ...region, flags: KVM_MEM_LOG_DIRTY_PAGES });
    return [r.spoil({ slot: 0, firstPage: 0n, numPages: 16, bitmap: new Uint8Array(r.next() % 5) })];
  },
  KVM_RESET_DIRTY_RINGS: () => [],
  "KVM_ENABLE_CAP (vm)": (r) => [{ cap: r.next() % 256, flags: r.flags(), args: r.array(() => r.number()) }],
  "KVM_ENABLE_CAP (vcpu)": (r) => [{ cap: r.next() % 256, flags: r.flags(), args: r.array(() => r.bigint()) }],
  "eventfd (by number)": (r) => [r.number()],
  "write (eventfd)": (r) => [r.bigint()],
  KVM_IRQFD: (r, { vm }) => [
    r.spoil({ fd: vm.createEventFd(), gsi: 0x1000, flags: r.flags(), resamplefd: vm.createEventFd() }),
  ],
  KVM_IOEVENTFD: (r, { vm }) => [
    r.spoil({ fd: vm.createEventFd(), addr: 0x4000n, len: 4, flags: r.flags(), datamatch: 5n }),
  ],
  KVM_IRQ_LINE: (r) => [r.number(), r.number()],
  KVM_SET_GSI_ROUTING: (r) => [
    r.array(() =>
      r.next() & 1
        ? r.spoil({ gsi: r.next() & 0xff, type: "msi", address: 0n, data: 0x1000 })
        : r.spoil({ gsi: r.next() & 0xff, type: "irqchip", irqchip: 0, pin: 0x1000 }),
    ),
  ],
  KVM_SIGNAL_MSI: (r) => [{ address: r.bigint(), data: r.number() }],
  KVM_CREATE_DEVICE: (r) => [r.number(), r.flags()],
  KVM_SET_DEVICE_ATTR: (r) => [r.number(), r.bigint(), r.bigint()],
  KVM_GET_DEVICE_ATTR: (r) => [r.number(), r.bigint()],
  KVM_HAS_DEVICE_ATTR: (r) => [r.number(), r.bigint()],
  "pread (stats)": (r) => [new Uint8Array(r.next() % 5000), r.number()],
  KVM_SET_REGS: (r, { cpu }) => {
    const regs = cpu.getRegs();
    return [r.spoil({ ...regs, gpr: r.pick([regs.gpr, r.array(() => r.bigint())]) })];
  },
  KVM_SET_SREGS: (r) => [{ pvr: r.bigint() }],
  KVM_GET_ONE_REG: (r, { cpu }) => [r.pick([...cpu.getRegList(), r.bigint(), r.bigint()])],
  KVM_SET_ONE_REG: (r, { cpu }) => [r.pick([...cpu.getRegList(), r.bigint(), r.bigint()]), r.bigint()],
  KVM_INTERRUPT: (r) => [r.number()],
  KVM_SET_GUEST_DEBUG: (r) => [{ control: r.flags(), breakpoints: r.array(() => r.bigint()) }],
  KVM_GET_MP_STATE: () => [],
  KVM_SET_MP_STATE: (r) => [r.number()],
  KVM_CREATE_SPAPR_TCE_64: (r) => [
    r.spoil({ liobn: BigInt(r.next()), pageShift: 12, flags: 0, offset: 0n, size: 16n }),
  ],
  KVM_PPC_ALLOCATE_HTAB: (r) => [r.pick([r.number(), 18, 19])],
  KVM_PPC_GET_HTAB_FD: (r) => [{ flags: r.flags(), startIndex: r.bigint() }],
  "read (htab)": (r) => [new Uint8Array(r.next() % 5000)],
  "write (htab)": (r) => [Uint8Array.from({ length: r.next() % 300 }, () => r.pick([0, 0, 0, 1, 2, r.next()]))],
  KVM_PPC_RESIZE_HPT_PREPARE: (r) => [r.spoil({ flags: 0, shift: r.pick([18, 19, 20]) })],
  KVM_PPC_RESIZE_HPT_COMMIT: (r) => [r.spoil({ flags: 0, shift: 18 })],
  KVM_PPC_RTAS_DEFINE_TOKEN: (r) => [r.pick(["ibm,set-xive", "ibm,int-on", "", "power-off"]), r.number()],
  KVM_PPC_CONFIGURE_V3_MMU: (r) => [
    { radix: r.pick([true, false]), gtse: r.pick([true, false]), processTable: r.bigint() },
  ],
};

for (const name of implementations) {
  for (const [index, [call, row]] of Object.entries(powerpcCalls).entries()) {
    const arguments_ = hostile[call as Call];
    if (!arguments_) continue;
    const controllers = row.on === "device" || call.includes("IRQ") ? (["xics", "xive"] as const) : (["xics"] as const);
    for (const controller of controllers) {
      test(`${name}: ${call} takes any values${controllers.length > 1 ? `, ${controller}` : ""}`, () => {
        const it = new Fixture(name);
        const random = new Random(0x9e3779b9 + index);
        const { [controller]: device, cpu, vm } = it;
        if (call.includes("htab") || call.includes("HPT")) vm.allocateHtab(19);
        const htab = vm.getHtabFd({ flags: call.startsWith("write") ? KVM_GET_HTAB_WRITE : 0 });
        const objects = {
          kvm: it.kvm,
          vm,
          vcpu: cpu,
          device,
          eventfd: vm.createEventFd(),
          stats: vm.getStatsFd(),
          htab,
        };
        const object = objects[row.on] as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
        for (let round = 0; round < rounds; round++) {
          const args = arguments_(random, it);
          const text = () =>
            JSON.stringify(args, (_, value) => (typeof value === "bigint" ? `${value}n` : (value as unknown)));
          try {
            object[row.method]?.(...args);
          } catch (error) {
            if (!(error instanceof KvmError)) throw new Error(`round ${round}: ${text()}: ${error}`);
            const named: Partial<Record<ErrnoName, string>> = row.errors;
            const signatures: Readonly<Record<string, Signature>> = powerpcSignatures[row.on];
            const takes = Object.keys(signatures[row.method] ?? {}).length > 0;
            assert.ok(
              named[error.code] || (takes && error.code === "EINVAL"),
              `round ${round}: ${error.message}, which its row does not name: ${text()}`,
            );
          }
        }
        // A guest of its own, since this one's registers may hold anything.
        const after = new Fixture(name);
        after.code("li 3, 0x58\nsc 1\n");
        assert.equal(after.cpu.run({ deadline: soon() }).reason, "papr_hcall");
        // Whatever is set, entering the guest ends with an exit.
        it.vm.setTrace({ categories: [], sink: () => {} });
        assert.equal(typeof cpu.run({ deadline: performance.now() + 5 }).reason, "string");
        after.close();
        it.close();
      });
    }
  }
}
