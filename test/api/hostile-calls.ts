/**
 * Every call with arguments that nobody in their senses would give: of the right type, but of any value. It may work, or
 * fail with an errno that its row names; nothing else.
 */
import assert from "node:assert/strict";
import { type ErrnoName, KvmError } from "../../src/base/errors.js";
import type { Signature } from "../../src/base/takes.js";
import type { Errors, NeutralCall } from "../../src/kvm/calls.js";
import { KVM_MEM_LOG_DIRTY_PAGES } from "../../src/kvm/constants.js";
import type { AnyFixture } from "./neutral-fixture.js";
import type { Random } from "./random.js";

const rounds = 60;

/** Arguments for each call of all architectures' that takes any. Those of run() are left out: it runs whatever is there. */
export const hostileArguments = {
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
  KVM_GET_ONE_REG: (r, { cpu }) => [r.pick([...cpu.getRegList(), r.bigint(), r.bigint()])],
  KVM_SET_ONE_REG: (r, { cpu }) => [r.pick([...cpu.getRegList(), r.bigint(), r.bigint()]), r.bigint()],
  KVM_INTERRUPT: (r) => [r.number()],
  KVM_SET_GUEST_DEBUG: (r) => [{ control: r.flags(), breakpoints: r.array(() => r.bigint()) }],
  KVM_GET_MP_STATE: () => [],
  KVM_SET_MP_STATE: (r) => [r.number()],
} as const satisfies { readonly [C in NeutralCall]?: (r: Random, it: AnyFixture) => readonly unknown[] };

/** Gives the call such arguments, again and again. */
export function refusesByName(
  row: { readonly on: string; readonly method: string; readonly errors: Errors },
  signatures: Readonly<Record<string, Readonly<Record<string, Signature>>>>,
  object: object,
  draw: () => readonly unknown[],
): void {
  const methods = object as Record<string, (...args: readonly unknown[]) => unknown>;
  for (let round = 0; round < rounds; round++) {
    const args = draw();
    const text = () =>
      JSON.stringify(args, (_, value) => (typeof value === "bigint" ? `${value}n` : (value as unknown)));
    try {
      methods[row.method]?.(...args);
    } catch (error) {
      if (!(error instanceof KvmError)) throw new Error(`round ${round}: ${text()}: ${error}`);
      const named: Partial<Record<ErrnoName, string>> = row.errors;
      const takes = Object.keys(signatures[row.on]?.[row.method] ?? {}).length > 0;
      assert.ok(
        named[error.code] || (takes && error.code === "EINVAL"),
        `round ${round}: ${error.message}, which its row does not name: ${text()}`,
      );
    }
  }
}
