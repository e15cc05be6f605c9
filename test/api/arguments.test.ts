/**
 * Every call of the interface, from JavaScript, where no compiler helps: what is missing, of a wrong type or an option that
 * there is not is refused with EINVAL (EBADF for what is no eventfd) and a sentence, on each implementation.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { powerpcSignatures } from "../../src/arch/powerpc/calls/signatures.js";
import { KVM_GET_HTAB_WRITE } from "../../src/arch/powerpc/uapi.js";
import { errno } from "../../src/base/errno.test-support.js";
import { KVM_CAP_NR_MEMSLOTS } from "../../src/kvm/constants.js";
import { fakeDevice, fakeMemory, loadVfio } from "../../src/vfio/fake-device.test-support.js";
import {
  containerSignatures,
  groupSignatures,
  vfioDeviceSignatures,
  vfioSignatures,
} from "../../src/vfio/signatures.js";
import { VFIO_SPAPR_TCE_v2_IOMMU } from "../../src/vfio/uapi.js";
import { checked } from "./checked.js";
import { Fixture, implementations } from "./fixture.js";
import { type Called, refusesMisuse } from "./misuse.js";

/** What a call is given before the argument in question: most take anything that their signature allows. */
const before: Readonly<Record<string, readonly unknown[]>> = {
  "vm.irqLine": [0],
  "vm.guestWritten": [0n],
  "vm.hostWritten": [0],
  "vm.bytes": [0],
  "vm.rtasDefineToken": ["ibm,set-xive"],
  "vcpu.setOneReg": [0n],
  "device.setAttr": [1, 0n],
  "device.getAttr": [1],
  "stats.pread": [new Uint8Array(1)],
  "vfio.registerDevice": [fakeDevice("b"), 2],
  "assigned.read": [0n],
  "assigned.write": [0n],
};

function objectsOf(it: Fixture) {
  const { vm, cpu } = it;
  return {
    kvm: it.kvm,
    vm,
    vcpu: cpu,
    device: it.xics,
    eventfd: vm.createEventFd(),
    stats: vm.getStatsFd(),
    htab: vm.getHtabFd({ flags: KVM_GET_HTAB_WRITE }),
    tce: vm.createSpaprTce({ liobn: 1n, pageShift: 16, offset: 0n, size: 16n }),
  } satisfies Record<keyof typeof powerpcSignatures, object>;
}

for (const name of implementations) {
  for (const { on, method, signature } of checked(powerpcSignatures)) {
    test(`${name}: ${on}.${method} refuses what it does not take`, async () => {
      const it = new Fixture(name);
      const object = objectsOf(it)[on as keyof typeof powerpcSignatures] as unknown as Record<string, Called>;
      const earlier = method === "moveTo" ? [it.kvm] : (before[`${on}.${method}`] ?? []);
      await refusesMisuse((...given) => object[method]?.(...given), signature, earlier);
      it.close();
    });
  }

  test(`${name}: numbers that an extension bounds`, () => {
    const it = new Fixture(name);
    const slots = it.vm.checkExtension(KVM_CAP_NR_MEMSLOTS);
    const region = { ...it.region, guestPhysAddr: 1n << 32n };
    for (const slot of [slots, slots + 1, 0xffff, 0x10000, -1]) {
      assert.throws(() => it.vm.setUserMemoryRegion({ ...region, slot }), errno("EINVAL"), String(slot));
    }
    it.vm.setUserMemoryRegion({ ...region, slot: slots - 1 });
    const route = (gsi: number) => ({ gsi, type: "irqchip", irqchip: 0, pin: 1 }) as const;
    assert.throws(() => it.vm.setGsiRouting([route(4096)]), errno("EINVAL"));
    it.vm.setGsiRouting([route(4095)]);
    it.close();
  });
}

const vfioObjects = {
  vfio: vfioSignatures,
  container: containerSignatures,
  group: groupSignatures,
  assigned: vfioDeviceSignatures,
};
for (const { on, method, signature } of checked(vfioObjects)) {
  test(`VFIO: ${on}.${method} refuses what it does not take`, async () => {
    const { vfio, loader } = await loadVfio();
    const unregister = vfio.registerDevice(fakeDevice("a"), 1, null);
    const container = vfio.openContainer(fakeMemory());
    const group = vfio.openGroup(1);
    group.setContainer(container.fd);
    container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
    const assigned = group.getDeviceFd("a");
    const objects = { vfio, container, group, assigned } satisfies Record<keyof typeof vfioObjects, object>;
    const object = objects[on as keyof typeof vfioObjects] as unknown as Record<string, Called>;
    await refusesMisuse((...given) => object[method]?.(...given), signature, before[`${on}.${method}`] ?? []);
    for (const open of [assigned, group, container]) open.close();
    unregister();
    // Nothing is left that one of the refused calls took.
    loader.rmmod("vfio");
  });
}

test("a device of the host is whole, and no larger than VFIO can hold", async () => {
  const { vfio } = await loadVfio();
  const good = fakeDevice("a");
  const bad: readonly (readonly [object, RegExp])[] = [
    [{ name: 7 }, /name is 7, not a string/],
    [{ open: undefined }, /open is missing/],
    [{ read: "read" }, /read is "read", not a function/],
    [{ reset: true }, /reset is true/],
    [{ regions: undefined }, /regions is missing/],
    [{ regions: [{ size: 2 ** 41, flags: 3 }] }, /size is 2199023255552, not a whole number/],
    [{ irqs: [{ count: 2 ** 32, flags: 1 }] }, /count is 4294967296, not a whole number/],
    [{ irqs: [{ count: -1, flags: 1 }] }, /count is -1/],
  ];
  for (const [fields, sentence] of bad) {
    const attempt = () => vfio.registerDevice({ ...good, ...fields }, 1, null);
    assert.throws(attempt, (error) => errno("EINVAL")(error) && sentence.test((error as Error).message));
  }
  assert.deepEqual(vfio.groups(), []);
});

test("an entry of a TCE table is one of its own", () => {
  const it = new Fixture("pr");
  const table = it.vm.createSpaprTce({ liobn: 1n, pageShift: 16, offset: 0n, size: 16n });
  assert.equal(table.get(15), 0n);
  for (const index of [16, -1, 2 ** 40]) assert.throws(() => table.get(index), errno("EINVAL"));
  it.close();
});
