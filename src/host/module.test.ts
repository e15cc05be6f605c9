import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../base/errno.test-support.js";
import { fileTable } from "../base/files.js";
import {
  KVM_VM_PPC_HV,
  KVM_VM_PPC_PR,
  kernel,
  lsmod,
  modprobe,
  openKvm,
  rmmod,
  VFIO_SPAPR_TCE_v2_IOMMU,
  type Vfio,
} from "../index.js";

test("M16a: host_pci stays while its device is open, and then everything goes", async () => {
  // What is closed, or removed, in which order.
  for (const [type, order] of [
    [KVM_VM_PPC_HV, "rmhost dev group container vm rmhost rmvfio rmkvm rmvac"],
    [KVM_VM_PPC_PR, "vm container group rmhost dev rmhost rmkvm rmvfio rmvac"],
    [KVM_VM_PPC_HV, "dev rmhost vm rmkvm group container rmvfio rmvac"],
  ] as const) {
    await modprobe("host_pci", { devices: "edu" });
    const vfio = kernel().offer<Vfio>("vfio");
    const vm = (await openKvm()).createVm(type);
    const container = vfio.openContainer(vm);
    const group = vfio.openGroup(1);
    group.setContainer(container.fd);
    container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
    const device = group.getDeviceFd("0000:00:01.0");
    let open = true;
    const steps: Readonly<Record<string, () => void>> = {
      rmhost: () => {
        if (open) assert.throws(() => rmmod("host_pci"), errno("EBUSY"));
        else rmmod("host_pci");
      },
      dev: () => {
        device.close();
        open = false;
      },
      group: () => group.close(),
      container: () => container.close(),
      vm: () => vm.close(),
      rmvfio: () => rmmod("vfio"),
      rmkvm: () => rmmod("kvm"),
      rmvac: () => rmmod("vac"),
    };
    for (const step of order.split(" ")) steps[step]?.();
    assert.deepEqual([lsmod(), fileTable().size], [[], 0], order);
  }
});
