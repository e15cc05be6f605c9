/** Hostile arguments (hostile-calls.ts) for every call of a POWER VM. Afterwards the VM still runs a guest. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { powerpcCalls } from "../../src/arch/powerpc/calls/calls.js";
import { powerpcSignatures } from "../../src/arch/powerpc/calls/signatures.js";
import { KVM_GET_HTAB_WRITE } from "../../src/arch/powerpc/uapi.js";
import { Fixture, implementations, soon } from "./fixture.js";
import { hostileArguments, refusesByName } from "./hostile-calls.js";
import { Random } from "./random.js";

type Call = keyof typeof powerpcCalls;
const hostile: { readonly [C in Call]?: (r: Random, it: Fixture) => readonly unknown[] } = {
  ...hostileArguments,
  KVM_SET_REGS: (r, { cpu }) => {
    const regs = cpu.getRegs();
    return [r.spoil({ ...regs, gpr: r.pick([regs.gpr, r.array(() => r.bigint())]) })];
  },
  KVM_SET_SREGS: (r) => [{ pvr: r.bigint() }],
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
        refusesByName(row, powerpcSignatures, objects[row.on], () => arguments_(random, it));
        // A guest of its own, since this one's registers may hold anything.
        const after = new Fixture(name);
        after.exiting();
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
