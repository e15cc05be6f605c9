import assert from "node:assert/strict";
import { test } from "node:test";
import type { InterruptMode, PciDevice } from "./device.js";
import { EduDevice, EduDma, EduResult, eduIdentification, eduRegister } from "./edu.js";
import { PciFunction, type PciUpstream } from "./function.js";
import * as pci from "./registers.js";

/** A function under a bridge that writes down what reaches it; bus address 0x1000 to 0x1fff is memory. */
function plug(device: PciDevice = new EduDevice()) {
  const events: string[] = [];
  const memory = new Uint8Array(0x1000);
  const part = (address: bigint, length: number): Uint8Array | undefined =>
    address >= 0x1000n && address + BigInt(length) <= 0x2000n
      ? memory.subarray(Number(address) - 0x1000, Number(address) - 0x1000 + length)
      : undefined;
  const upstream: PciUpstream = {
    dma: (address, length, _way, visit) => {
      const found = part(address, length);
      if (found) visit(found, 0);
      return found !== undefined;
    },
    setIntx: (level) => void events.push(`intx ${level}`),
    message: ({ address, data }) => void events.push(`message 0x${address.toString(16)} ${data}`),
  };
  const it = new PciFunction(device, upstream);
  const find = (id: number): number => {
    let at = it.readConfig(pci.PCI_CAPABILITY_LIST, 1);
    for (let steps = 0; at !== 0 && steps < 48; steps++) {
      if (it.readConfig(at, 1) === id) return at;
      at = it.readConfig(at + 1, 1);
    }
    return 0;
  };
  const bar = (index: number): number => pci.PCI_BASE_ADDRESS_0 + 4 * index;
  const register = (offset: number): number => Number(it.read(0, offset, 4));
  const setRegister = (offset: number, value: number): void => it.write(0, offset, 4, BigInt(value));
  const enable = (bits: number): void => it.writeConfig(pci.PCI_COMMAND, 2, bits);
  const drain = (): string[] => events.splice(0);
  return { it, memory, find, bar, register, setRegister, enable, drain };
}

test("identity, BARs as sizing finds them, capabilities", () => {
  const { it, find, bar } = plug();
  assert.equal(it.readConfig(pci.PCI_VENDOR_ID, 4), 0x756b1234);
  assert.equal(it.readConfig(pci.PCI_CLASS_REVISION, 4), 0xff000001);
  assert.equal(it.readConfig(pci.PCI_SUBSYSTEM_VENDOR_ID, 4), 0x756b1234);
  assert.equal(it.readConfig(pci.PCI_INTERRUPT_PIN, 1), 1);
  for (let i = 0; i < 6; i++) it.writeConfig(bar(i), 4, 0xffffffff);
  const sized = [0xfffff000, 0xfffff000, 0xffff000c, 0xffffffff, 0, 0];
  assert.deepEqual(
    sized.map((_, i) => it.readConfig(bar(i), 4)),
    sized,
  );
  assert.notEqual(find(pci.PCI_CAP_ID_MSI), 0);
  assert.equal(it.readConfig(find(pci.PCI_CAP_ID_MSIX) + pci.PCI_MSIX_FLAGS, 2), 3);
  assert.equal(it.readConfig(find(pci.PCI_CAP_ID_MSIX) + pci.PCI_MSIX_PBA, 4), 0x801);
  assert.equal(find(0x7f), 0);
});

test("what software may not write stays", () => {
  const { it, find } = plug();
  const before = Array.from({ length: 64 }, (_, i) => it.readConfig(4 * i, 4));
  for (const at of [pci.PCI_VENDOR_ID, pci.PCI_CLASS_REVISION, pci.PCI_SUBSYSTEM_VENDOR_ID, pci.PCI_CAPABILITY_LIST]) {
    it.writeConfig(at, 4, 0xffffffff);
    assert.equal(it.readConfig(at, 4), before[at / 4]);
  }
  it.writeConfig(find(pci.PCI_CAP_ID_MSIX) + pci.PCI_MSIX_TABLE, 4, 0xffffffff);
  assert.equal(it.readConfig(find(pci.PCI_CAP_ID_MSIX) + pci.PCI_MSIX_TABLE, 4), 1);
});

test("configuration accesses of odd size, alignment or beyond the space find nothing and change nothing", () => {
  const { it } = plug();
  const before = Array.from({ length: 64 }, (_, i) => it.readConfig(4 * i, 4));
  for (const [offset, width] of [
    [1, 2],
    [2, 4],
    [0, 3],
    [0, 8],
    [0, 0],
    [0, -1],
    [256, 1],
    [254, 4],
    [4092, 4],
    [-4, 4],
    [0.5, 1],
    [Number.NaN, 4],
    [2 ** 40, 4],
  ] as const) {
    it.writeConfig(offset, width, 0xa5a5a5a5);
    assert.ok([0, 0xff, 0xffff, 0xffffff, 0xffffffff].includes(Math.trunc(it.readConfig(offset, width))) || width < 0);
  }
  for (let i = 0; i < 200; i++) {
    it.writeConfig(Math.floor(Math.random() * 64) * 4, 4, Math.floor(Math.random() * 2 ** 32));
  }
  it.reset();
  assert.deepEqual(
    before.map((_, i) => it.readConfig(4 * i, 4)),
    before,
  );
});

test("a BAR decodes only what lies wholly inside it, and only when it is enabled", () => {
  const { it, bar, enable } = plug();
  it.writeConfig(bar(0), 4, 0x8000_0123);
  it.writeConfig(bar(2), 4, 0x10_0000);
  it.writeConfig(bar(3), 4, 0x2100);
  assert.equal(it.decode("memory", 0x8000_0000n, 4), undefined);
  enable(pci.PCI_COMMAND_MEMORY);
  assert.deepEqual(it.decode("memory", 0x8000_0ffcn, 4), { bar: 0, offset: 0xffc });
  assert.equal(it.decode("memory", 0x8000_0ffdn, 4), undefined);
  assert.equal(it.decode("memory", 0x7fff_fffen, 4), undefined);
  assert.deepEqual(it.decode("memory", 0x2100_0010_0008n, 8), { bar: 2, offset: 8 });
  assert.equal(it.decode("memory", 0x10_0008n, 8), undefined);
  assert.equal(it.decode("io", 0x8000_0000n, 4), undefined);
  // At the top of its space, a BAR ends there.
  it.writeConfig(bar(0), 4, 0xffff_ffff);
  assert.deepEqual(it.decode("memory", 0xffff_fff8n, 8), { bar: 0, offset: 0xff8 });
  assert.equal(it.decode("memory", 0xffff_fffcn, 8), undefined);
  assert.equal(it.decode("memory", 0n, 4), undefined);
});

test("registers, and DMA only as a bus master and where memory is", () => {
  const { it, memory, register, setRegister, enable } = plug();
  assert.equal(register(eduRegister.identification), eduIdentification);
  setRegister(eduRegister.liveness, 0x12345678);
  assert.equal(register(eduRegister.liveness), 0xedcba987);
  it.write(2, 5, 8, 0x0807060504030201n);
  assert.equal(it.read(2, 6, 2), 0x0302n);
  const dma = (address: number, offset: number, length: number, command: number): number => {
    setRegister(eduRegister.dmaAddressLow, address);
    setRegister(eduRegister.dmaOffset, offset);
    setRegister(eduRegister.dmaLength, length);
    setRegister(eduRegister.dmaCommand, command);
    return register(eduRegister.dmaResult);
  };
  assert.equal(dma(0x1ff8, 5, 8, EduDma.toMemory), EduResult.fault);
  assert.equal(it.readConfig(pci.PCI_STATUS, 2) & pci.PCI_STATUS_REC_MASTER_ABORT, 0);
  enable(pci.PCI_COMMAND_MASTER);
  assert.equal(dma(0x1ff8, 5, 8, EduDma.toMemory), EduResult.done);
  assert.deepEqual([...memory.subarray(0xff8)], [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(dma(0x1ff8, 0x8000, 8, EduDma.toBuffer), EduResult.done);
  assert.equal(it.read(2, 0x8000, 8), 0x0807060504030201n);
  assert.equal(dma(0x1ff9, 5, 8, EduDma.toMemory), EduResult.fault);
  assert.equal(it.readConfig(pci.PCI_STATUS, 2) & pci.PCI_STATUS_REC_MASTER_ABORT, pci.PCI_STATUS_REC_MASTER_ABORT);
  it.writeConfig(pci.PCI_STATUS, 2, pci.PCI_STATUS_REC_MASTER_ABORT);
  assert.equal(it.readConfig(pci.PCI_STATUS, 2) & pci.PCI_STATUS_ERROR_BITS, 0);
  for (const [offset, length] of [
    [0xffff, 2],
    [0xffffffff, 0xffffffff],
    [0, 0x10001],
  ] as const) {
    assert.equal(dma(0x1000, offset, length, EduDma.toBuffer), EduResult.refused);
  }
  assert.equal(dma(0x1000, 0, 8, 3), EduResult.refused);
});

test("the pin follows the device, INTx disable and the mode", () => {
  const { it, find, setRegister, enable, drain } = plug();
  setRegister(eduRegister.interruptRaise, 2);
  setRegister(eduRegister.interruptRaise, 1);
  assert.deepEqual(drain(), ["intx true"]);
  assert.equal(it.readConfig(pci.PCI_STATUS, 2) & pci.PCI_STATUS_INTERRUPT, pci.PCI_STATUS_INTERRUPT);
  enable(pci.PCI_COMMAND_INTX_DISABLE);
  enable(0);
  assert.deepEqual(drain(), ["intx false", "intx true"]);
  const msi = find(pci.PCI_CAP_ID_MSI);
  it.writeConfig(msi + pci.PCI_MSI_FLAGS, 2, pci.PCI_MSI_FLAGS_ENABLE);
  it.writeConfig(msi + pci.PCI_MSI_FLAGS, 2, 0);
  assert.deepEqual(drain(), ["intx false", "intx true"]);
  setRegister(eduRegister.interruptAcknowledge, 3);
  assert.deepEqual(drain(), ["intx false"]);
  setRegister(eduRegister.interruptRaise, 1);
  it.disconnect();
  setRegister(eduRegister.interruptRaise, 2);
  assert.deepEqual(drain(), ["intx true", "intx false"]);
});

test("MSI: allocation, masks, pending bits", () => {
  const { it, find, setRegister, enable, drain } = plug();
  const msi = find(pci.PCI_CAP_ID_MSI);
  enable(pci.PCI_COMMAND_MASTER);
  it.writeConfig(msi + pci.PCI_MSI_ADDRESS_LO, 4, 0x1000_0003);
  it.writeConfig(msi + pci.PCI_MSI_ADDRESS_HI, 4, 0x400);
  it.writeConfig(msi + pci.PCI_MSI_DATA_64, 2, 0x1303);
  setRegister(eduRegister.interruptRaise, 1);
  assert.deepEqual(drain(), ["intx true"]);
  setRegister(eduRegister.interruptAcknowledge, 15);
  // More messages than there are: four. Without allocation: one.
  it.writeConfig(msi + pci.PCI_MSI_FLAGS, 2, pci.PCI_MSI_FLAGS_ENABLE);
  setRegister(eduRegister.interruptRaise, 15);
  assert.deepEqual(drain(), ["intx false", `message 0x40010000000 ${0x1303}`]);
  it.writeConfig(msi + pci.PCI_MSI_FLAGS, 2, pci.PCI_MSI_FLAGS_ENABLE | pci.PCI_MSI_FLAGS_QSIZE);
  setRegister(eduRegister.interruptRaise, 15);
  assert.deepEqual(
    drain(),
    [0, 1, 2, 3].map((i) => `message 0x40010000000 ${0x1300 + i}`),
  );
  it.writeConfig(msi + pci.PCI_MSI_MASK_64, 4, 0xffffffff);
  assert.equal(it.readConfig(msi + pci.PCI_MSI_MASK_64, 4), 15);
  setRegister(eduRegister.interruptRaise, 6);
  assert.deepEqual(drain(), []);
  assert.equal(it.readConfig(msi + pci.PCI_MSI_PENDING_64, 4), 6);
  it.writeConfig(msi + pci.PCI_MSI_PENDING_64, 4, 0xffffffff);
  it.writeConfig(msi + pci.PCI_MSI_MASK_64, 4, 2);
  assert.deepEqual(drain(), [`message 0x40010000000 ${0x1302}`]);
  assert.equal(it.readConfig(msi + pci.PCI_MSI_PENDING_64, 4), 2);
  it.reset();
  assert.equal(it.readConfig(msi + pci.PCI_MSI_PENDING_64, 4), 0);
});

test("MSI-X: table, masks, pending bits, accesses of odd size", () => {
  const { it, find, setRegister, enable, drain } = plug();
  const flags = find(pci.PCI_CAP_ID_MSIX) + pci.PCI_MSIX_FLAGS;
  enable(pci.PCI_COMMAND_MASTER);
  for (let vector = 0; vector < 4; vector++) {
    assert.equal(it.read(1, 16 * vector + 12, 4), 1n);
    it.write(1, 16 * vector, 8, 0x400_0000_0003n);
    it.write(1, 16 * vector + 8, 4, BigInt(0x1300 + vector));
  }
  it.writeConfig(flags, 2, pci.PCI_MSIX_FLAGS_ENABLE | pci.PCI_MSIX_FLAGS_MASKALL);
  it.write(1, 16 + 12, 4, 0xffff_fffen);
  assert.equal(it.read(1, 16 + 8, 8), 0x1301n);
  setRegister(eduRegister.interruptRaise, 15);
  assert.deepEqual(drain(), []);
  assert.equal(it.read(1, 0x800, 4), 15n);
  it.write(1, 0x800, 8, 0n);
  assert.equal(it.read(1, 0x800, 8), 15n);
  it.writeConfig(flags, 2, pci.PCI_MSIX_FLAGS_ENABLE);
  assert.deepEqual(drain(), [`message 0x40000000000 ${0x1301}`]);
  it.write(1, 3 * 16 + 8, 8, 0x1303n);
  assert.deepEqual(drain(), [`message 0x40000000000 ${0x1303}`]);
  assert.equal(it.read(1, 0x800, 8), 5n);
  for (const [offset, length] of [
    [1, 1],
    [2, 2],
    [2, 4],
    [4, 8],
    [0, 2],
  ] as const) {
    it.write(1, offset, length, 0xffff_ffff_ffff_ffffn);
    assert.equal(it.read(1, offset, length), 0n);
  }
  assert.equal(it.read(1, 0, 8), 0x400_0000_0000n);
});

test("messages of vectors that do not exist are refused", () => {
  let bus: Parameters<PciDevice["connect"]>[0] | undefined;
  const modes: InterruptMode[] = [];
  const edu = new EduDevice();
  const { it, find, enable, drain } = plug({
    ...{ identity: edu.identity, bars: edu.bars, interrupts: edu.interrupts },
    connect: (its) => {
      bus = its;
    },
    reset: () => undefined,
    read: () => -1n,
    write: () => undefined,
    modeChanged: (mode) => void modes.push(mode),
  });
  assert.ok(bus);
  enable(pci.PCI_COMMAND_MASTER);
  assert.equal(bus.message(0), false);
  it.writeConfig(find(pci.PCI_CAP_ID_MSI) + pci.PCI_MSI_FLAGS, 2, pci.PCI_MSI_FLAGS_ENABLE);
  for (const vector of [1, -1, 32, 2 ** 32, Number.NaN]) assert.equal(bus.message(vector), false);
  it.writeConfig(find(pci.PCI_CAP_ID_MSIX) + pci.PCI_MSIX_FLAGS, 2, pci.PCI_MSIX_FLAGS_ENABLE);
  assert.equal(bus.mode, "msix");
  for (const vector of [4, -1, 0.5, 2 ** 32, Number.NaN]) assert.equal(bus.message(vector), false);
  assert.equal(bus.message(3), true);
  enable(0);
  assert.equal(bus.message(3), false);
  assert.deepEqual(drain(), []);
  it.reset();
  assert.deepEqual(modes, ["msi", "msix", "intx"]);
  // Whatever a device answers is cut to the access.
  assert.equal(it.read(0, 0, 2), 0xffffn);
});

test("a capability of the device's own", () => {
  const seen: number[][] = [];
  const edu = new EduDevice();
  const capability = {
    id: pci.PCI_CAP_ID_VNDR,
    bytes: Uint8Array.of(6, 1, 2, 3),
    writable: Uint8Array.of(0, 0, 0xff, 0x0f),
    written: (bytes: Uint8Array) => void seen.push([...bytes]),
  };
  const { it, find } = plug(Object.assign(edu, { capabilities: [capability] }));
  const at = find(pci.PCI_CAP_ID_VNDR);
  it.writeConfig(at + 4, 2, 0xffff);
  assert.equal(it.readConfig(at, 4), 0x0106_0009 & 0xffff00ff);
  assert.deepEqual(seen, [[6, 1, 0xff, 0x0f]]);
});

test("descriptions that no hardware can have are refused", () => {
  const edu = new EduDevice();
  const wrong: Partial<PciDevice>[] = [
    { bars: [{ kind: "memory32", size: 48 }] },
    { bars: [{ kind: "memory32", size: 8 }] },
    { bars: [{ kind: "io", size: 512 }] },
    { bars: [undefined, undefined, undefined, undefined, undefined, { kind: "memory64", size: 4096 }] },
    {
      bars: [
        { kind: "memory64", size: 4096 },
        { kind: "memory32", size: 4096 },
      ],
    },
    { interrupts: { msi: 3 } },
    { interrupts: { msi: 64 } },
    { interrupts: { msix: { vectors: 0, table: { bar: 0, offset: 0 }, pba: { bar: 0, offset: 64 } } } },
    { interrupts: { msix: { vectors: 300, table: { bar: 0, offset: 0 }, pba: { bar: 1, offset: 0 } } } },
    { interrupts: { msix: { vectors: 1, table: { bar: 5, offset: 0 }, pba: { bar: 1, offset: 0 } } } },
    { interrupts: { msix: { vectors: 1, table: { bar: 0, offset: 4 }, pba: { bar: 1, offset: 0 } } } },
    { capabilities: [{ id: 9, bytes: new Uint8Array(250) }] },
  ];
  for (const part of wrong) {
    const { identity, bars } = edu;
    const device = { identity, bars, connect() {}, reset() {}, read: () => 0n, write() {}, ...part } as PciDevice;
    assert.throws(() => plug(device), RangeError, JSON.stringify(part));
  }
});
