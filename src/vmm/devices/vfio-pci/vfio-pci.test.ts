/** The whole way of a device but the guest: model, VFIO, the guest's slot, KVM's interrupts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../../base/errno.test-support.js";
import { fileTable } from "../../../base/files.js";
import { fakeVm } from "../../../kvm/fake-arch.test-support.js";
import { fakeDevice, fakeMemory, loadVfio } from "../../../vfio/fake-device.test-support.js";
import {
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_SPAPR_TCE_v2_IOMMU,
} from "../../../vfio/index.js";
import type { PciDevice } from "../pci/device.js";
import { EduDevice, EduDma, EduResult, eduRegister } from "../pci/edu.js";
import { PciFunction } from "../pci/function.js";
import * as pci from "../pci/registers.js";
import { capabilityOf } from "./capabilities.js";
import { hostPciDevice } from "./host-pci-device.js";
import { VfioPciDevice } from "./vfio-pci.js";

const intxGsi = 40;
const messageBase = 60;
const messageAddress = 0x400_0000_0000n;

async function assigned(model: PciDevice = new EduDevice()) {
  const { vfio, loader } = await loadVfio();
  const unregister = vfio.registerDevice(hostPciDevice("0000:00:01.0", model), 1, null);
  const mm = fakeMemory();
  const container = vfio.openContainer(mm);
  const group = vfio.openGroup(1);
  group.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  const { vm, it: kvm } = fakeVm();
  kvm.controller = true;
  let wakes = 0;
  const descriptor = group.getDeviceFd("0000:00:01.0");
  const device = new VfioPciDevice(descriptor, {
    createEventFd: () => vm.createEventFd(),
    irqfd: (irqfd) => vm.irqfd(irqfd),
    wake: () => wakes++,
  });
  /** Messages that came by the bus, not by KVM. */
  const messages: number[] = [];
  const guest = new PciFunction(device, {
    dma: () => assert.fail("DMA goes through VFIO"),
    setIntx: (level) => assert.equal(level, false),
    message: ({ data }) => void messages.push(data),
    intx: intxGsi,
    gsiOf: ({ address, data }) => (address === messageAddress ? data : undefined),
  });
  const register = (offset: number): number => Number(guest.read(0, offset, 4));
  const setRegister = (offset: number, value: number): void => guest.write(0, offset, 4, BigInt(value));
  const command = (bits: number): void => guest.writeConfig(pci.PCI_COMMAND, 2, bits);
  return {
    vm,
    kvm,
    mm,
    container,
    descriptor,
    guest,
    messages,
    register,
    setRegister,
    command,
    wakes: () => wakes,
    /** What KVM was told since the last time. */
    irqs: () => kvm.irqs.splice(0),
    close: () => {
      device.close();
      group.close();
      container.close();
      unregister();
      loader.rmmod("vfio");
      vm.close();
      assert.equal(fileTable().size, 0);
    },
  };
}

const master = pci.PCI_COMMAND_MEMORY | pci.PCI_COMMAND_MASTER;

test("the guest sees the device as it is", async () => {
  const it = await assigned();
  const direct = new PciFunction(new EduDevice(), {
    dma: () => false,
    setIntx: () => {},
    message: () => {},
  });
  for (let at = 0; at < 256; at += 4) {
    assert.equal(it.guest.readConfig(at, 4), direct.readConfig(at, 4), `at 0x${at.toString(16)}`);
  }
  it.setRegister(eduRegister.liveness, 0x12345678);
  assert.equal(it.register(eduRegister.liveness), 0xedcba987);
  it.guest.write(2, 8, 8, 0x1122334455667788n);
  assert.equal(it.guest.read(2, 8, 8), 0x1122334455667788n);
  assert.equal(it.guest.read(2, 11, 2), 0x4455n);
  it.close();
});

test("DMA goes through the container's IOMMU, if the guest lets the device be a master", async () => {
  const it = await assigned();
  it.container.spaprRegisterMemory({ vaddr: 65536, size: 65536 });
  const flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
  it.container.mapDma({ flags, vaddr: 65536, iova: 0x2000n, size: 4096n });
  it.guest.write(2, 0, 8, 0x0102030405060708n);
  const dma = (command: number, address: number, length = 8): number => {
    it.setRegister(eduRegister.dmaAddressLow, address);
    it.setRegister(eduRegister.dmaLength, length);
    it.setRegister(eduRegister.dmaCommand, command);
    return it.register(eduRegister.dmaResult);
  };
  assert.equal(dma(EduDma.toMemory, 0x2100), EduResult.fault);
  it.command(master);
  assert.equal(dma(EduDma.toMemory, 0x2100), EduResult.done);
  assert.deepEqual([...it.mm.ram.subarray(65536 + 0x100, 65536 + 0x108)], [8, 7, 6, 5, 4, 3, 2, 1]);
  it.mm.ram[65536 + 0x100] = 0xaa;
  assert.equal(dma(EduDma.toBuffer, 0x2100), EduResult.done);
  assert.equal(it.guest.read(2, 0, 1), 0xaan);
  for (const [address, length] of [
    [0x1ffc, 8],
    [0x2ffc, 8],
    [0x3000, 1],
    [0xfffffffc, 8],
    [0, 65536],
  ] as const) {
    assert.equal(dma(EduDma.toMemory, address, length), EduResult.fault);
  }
  it.guest.reset();
  assert.equal(dma(EduDma.toMemory, 0x2100), EduResult.fault, "no master after a reset");
  it.close();
});

test("the pin is KVM's interrupt until the guest ends it", async () => {
  const it = await assigned();
  it.setRegister(eduRegister.interruptRaise, 1);
  assert.deepEqual(it.irqs(), [[intxGsi, true]]);
  assert.equal(it.wakes(), 1);
  assert.ok(it.guest.readConfig(pci.PCI_STATUS, 2) & pci.PCI_STATUS_INTERRUPT);
  // A storm: the line stays masked in VFIO.
  for (let i = 0; i < 1000; i++) it.setRegister(eduRegister.interruptRaise, 1 + (i & 7));
  assert.deepEqual(it.irqs(), []);
  // The guest's end of interrupt, while the device still pulls: again.
  it.vm.eventFds.resample(intxGsi);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(it.irqs(), [
    [intxGsi, false],
    [intxGsi, true],
  ]);
  it.setRegister(eduRegister.interruptAcknowledge, 0xf);
  it.vm.eventFds.resample(intxGsi);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(it.irqs(), [[intxGsi, false]]);
  it.setRegister(eduRegister.interruptRaise, 1);
  assert.deepEqual(it.irqs(), [[intxGsi, true]]);
  // The guest's driver masks the pin, as Linux's for any device does: what is up goes down.
  it.command(pci.PCI_COMMAND_INTX_DISABLE);
  assert.deepEqual(it.irqs(), [[intxGsi, false]]);
  it.setRegister(eduRegister.interruptRaise, 2);
  assert.deepEqual(it.irqs(), []);
  it.command(0);
  assert.deepEqual(it.irqs(), [[intxGsi, true]]);
  it.close();
});

test("MSI goes to KVM while it is unmasked, else it is kept pending", async () => {
  const it = await assigned();
  const at = capabilityOf(it.guest, pci.PCI_CAP_ID_MSI);
  it.guest.msi?.set(messageAddress, messageBase);
  it.command(master);
  it.guest.writeConfig(at + pci.PCI_MSI_FLAGS, 2, pci.PCI_MSI_FLAGS_ENABLE | (2 << 4));
  assert.deepEqual(it.irqs(), [[intxGsi, false]]);
  it.setRegister(eduRegister.interruptRaise, 0b1010);
  assert.deepEqual(it.irqs(), [
    [messageBase + 1, true],
    [messageBase + 1, false],
    [messageBase + 3, true],
    [messageBase + 3, false],
  ]);
  it.guest.writeConfig(at + pci.PCI_MSI_MASK_64, 4, 0b1000);
  it.setRegister(eduRegister.interruptRaise, 0b1000);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual([it.irqs(), it.messages], [[], []]);
  assert.equal(it.guest.readConfig(at + pci.PCI_MSI_PENDING_64, 4), 0b1000);
  it.guest.writeConfig(at + pci.PCI_MSI_MASK_64, 4, 0);
  assert.deepEqual(it.messages, [messageBase + 3]);
  it.setRegister(eduRegister.interruptRaise, 0b1000);
  assert.equal(it.irqs().length, 2);
  // Where the guest sends messages elsewhere, they go the bus's way.
  it.guest.writeConfig(at + pci.PCI_MSI_ADDRESS_HI, 4, 0);
  it.setRegister(eduRegister.interruptRaise, 1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual([it.irqs(), it.messages], [[], [messageBase + 3, messageBase]]);
  it.close();
});

test("MSI-X, and back to the pin", async () => {
  const it = await assigned();
  const at = capabilityOf(it.guest, pci.PCI_CAP_ID_MSIX);
  for (let vector = 0; vector < 4; vector++) it.guest.msix?.set(vector, messageAddress, messageBase + 10 * vector);
  it.command(master);
  it.guest.writeConfig(at + pci.PCI_MSIX_FLAGS, 2, pci.PCI_MSIX_FLAGS_ENABLE);
  assert.deepEqual(it.irqs(), [[intxGsi, false]]);
  it.setRegister(eduRegister.interruptRaise, 0b100);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(it.irqs(), [], "the vectors are masked");
  for (const vector of [1, 2]) it.guest.write(1, vector * 16 + 12, 4, 0n);
  assert.deepEqual(it.messages, [messageBase + 20], "what was pending");
  it.setRegister(eduRegister.interruptRaise, 0b1110);
  assert.deepEqual(
    it.irqs().map(([gsi]) => gsi),
    [messageBase + 10, messageBase + 10, messageBase + 20, messageBase + 20],
  );
  // Off: the device's pin is still up.
  it.guest.writeConfig(at + pci.PCI_MSIX_FLAGS, 2, 0);
  assert.deepEqual(it.irqs(), [[intxGsi, true]]);
  it.guest.reset();
  it.setRegister(eduRegister.interruptRaise, 1);
  it.close();
});

test("configuration space that the user of the device writes reaches the device only where it may", async () => {
  const it = await assigned();
  const { offset } = it.descriptor.getRegionInfo(VFIO_PCI_CONFIG_REGION_INDEX);
  const word = (at: number): number => {
    const bytes = new Uint8Array(4);
    it.descriptor.read(offset + BigInt(at), bytes);
    return new DataView(bytes.buffer).getUint32(0, true);
  };
  const all = new Uint8Array(256).fill(0xff);
  it.descriptor.write(offset, all);
  assert.equal(word(pci.PCI_BASE_ADDRESS_0), 0xfffff000, "a BAR of his own");
  assert.equal(word(0), 0x756b1234);
  // Messages that he enabled there are not the device's.
  it.setRegister(eduRegister.interruptRaise, 1);
  assert.deepEqual(it.irqs(), [[intxGsi, true]]);
  const table = new Uint8Array(16);
  const bar1 = it.descriptor.getRegionInfo(1).offset;
  it.descriptor.write(bar1, new Uint8Array(16));
  it.descriptor.read(bar1, table);
  assert.deepEqual(table, new Uint8Array(16).fill(0xff), "nor is the table of MSI-X");
  it.close();
});

test("capabilities of the device's own are read and written there", async () => {
  const written: number[][] = [];
  const model: PciDevice = {
    identity: { vendorId: 1, deviceId: 2, classCode: 0 },
    bars: [{ kind: "memory32", size: 4096 }],
    capabilities: [
      { id: pci.PCI_CAP_ID_VNDR, bytes: Uint8Array.of(4, 0x11) },
      {
        id: pci.PCI_CAP_ID_VNDR,
        bytes: Uint8Array.of(6, 0x22, 0x33, 0x44),
        writable: Uint8Array.of(0, 0, 0x0f, 0xff),
        written: (bytes) => void written.push([...bytes]),
      },
    ],
    connect: () => {},
    reset: () => {},
    read: () => 0n,
    write: () => {},
  };
  const it = await assigned(model);
  const [first = 0, second = 0] = [0x40, 0x44];
  assert.deepEqual(
    [first, second].map((at) => it.guest.readConfig(at, 1)),
    [pci.PCI_CAP_ID_VNDR, pci.PCI_CAP_ID_VNDR],
  );
  it.guest.writeConfig(second + 4, 2, 0xffff);
  assert.equal(it.guest.readConfig(second + 4, 2), 0xff3f, "only what the device lets be written");
  it.guest.writeConfig(first, 4, 0xffffffff);
  assert.equal(it.guest.readConfig(first + 3, 1), 0x11);
  assert.deepEqual(written.at(-1), [6, 0x22, 0x3f, 0xff]);
  it.close();
});

test("a device that is no PCI device is refused", async () => {
  const { vfio } = await loadVfio();
  const device = { ...fakeDevice("x"), flags: 0 };
  vfio.registerDevice(device, 1, null);
  const container = vfio.openContainer(fakeMemory());
  const group = vfio.openGroup(1);
  group.setContainer(container.fd);
  container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU);
  const descriptor = group.getDeviceFd("x");
  const { vm } = fakeVm();
  const services = { createEventFd: () => vm.createEventFd(), irqfd: () => {}, wake: () => {} };
  assert.throws(() => new VfioPciDevice(descriptor, services), errno("EINVAL"));
  for (const each of [descriptor, group, container]) each.close();
});
