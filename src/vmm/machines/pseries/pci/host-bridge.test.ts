import assert from "node:assert/strict";
import { test } from "node:test";
import type { PciBus } from "../../../devices/pci/device.js";
import { EduDevice, type EduState, eduIdentification, eduRegister } from "../../../devices/pci/edu.js";
import * as pci from "../../../devices/pci/registers.js";
import { VmmError } from "../../../errors.js";
import { setUpBridge } from "./bridge.test-support.js";
import type { BridgeState, PciHostBridge } from "./host-bridge.js";
import { ioWindow, memory32Window, memory64Window, messageAddress, messageInterrupt, slotMax } from "./layout.js";

const slot = (number: number, register = 0): number => (number << 11) | register;
const command = pci.PCI_COMMAND_MEMORY | pci.PCI_COMMAND_MASTER;

/** Gives a device its BARs: registers at `base` in the 32-bit window, MSI-X behind, the buffer in the 64-bit one. */
function assign(bridge: PciHostBridge, number: number, base: number): void {
  bridge.writeConfig(slot(number, pci.PCI_BASE_ADDRESS_0), 4, base);
  bridge.writeConfig(slot(number, pci.PCI_BASE_ADDRESS_0 + 4), 4, base + 0x1000);
  bridge.writeConfig(slot(number, pci.PCI_BASE_ADDRESS_0 + 8), 4, number * 0x10000);
  bridge.writeConfig(slot(number, pci.PCI_BASE_ADDRESS_0 + 12), 4, 0x2100);
  bridge.writeConfig(slot(number, pci.PCI_COMMAND), 2, command);
}

/** Real address of a 32-bit bus address. */
const real = (bus: number): bigint => BigInt(bus) - memory32Window.bus + memory32Window.start;

function capability(bridge: PciHostBridge, number: number, id: number): number {
  let at = bridge.readConfig(slot(number, pci.PCI_CAPABILITY_LIST), 1) ?? 0;
  while (at !== 0 && bridge.readConfig(slot(number, at), 1) !== id)
    at = bridge.readConfig(slot(number, at + 1), 1) ?? 0;
  return at;
}

test("configuration space by address; nobody answers elsewhere", () => {
  const { bridge } = setUpBridge();
  assert.equal(bridge.readConfig(slot(1), 4), 0x756b1234);
  assert.equal(bridge.readConfig(slot(1, pci.PCI_DEVICE_ID), 2), 0x756b);
  // Slot 2, function 1 of slot 0, bus 1, a register of PCI Express.
  for (const address of [slot(2), slot(0) | 0x100, slot(0) | 0x10000, 0x1000_0000]) {
    assert.equal(bridge.readConfig(address, 4), 0xffff_ffff);
    assert.equal(bridge.writeConfig(address, 4, 0), true);
  }
  for (const [address, width] of [
    [1, 2],
    [2, 4],
    [0, 3],
    [0, 0],
    [0, 8],
    [0, 0xffff_ffff],
    [0xffff_ffff, 2],
  ] as const) {
    assert.equal(bridge.readConfig(address, width), undefined);
    assert.equal(bridge.writeConfig(address, width, 0xffff_ffff), false);
  }
});

test("BARs behind the windows of real addresses", () => {
  const { bridge } = setUpBridge();
  assert.equal(bridge.read(memory32Window.start, 4), 0xffff_ffffn);
  assign(bridge, 0, 0x8000_0000);
  assign(bridge, 1, 0xffff_e000);
  assert.equal(bridge.read(real(0x8000_0000), 4), BigInt(eduIdentification));
  bridge.write(real(0xffff_e000 + eduRegister.liveness), 4, 0xff12345678n);
  assert.equal(bridge.read(real(0xffff_e000 + eduRegister.liveness), 4), 0xedcba987n);
  bridge.write(memory64Window.start + 0x10008n, 8, 0x0102030405060708n);
  assert.equal(bridge.read(memory64Window.start + 0x1000cn, 2), 0x0304n);
  // Over an end of a BAR, and of a window.
  for (const [address, length] of [
    [memory32Window.start - 1n, 2],
    [memory32Window.start + memory32Window.size - 4n, 8],
    [real(0x8000_0ffc), 8],
    [ioWindow.start, 4],
    [memory64Window.start + 0x20000n, 8],
    [0n, 8],
    [(1n << 64n) - 8n, 8],
  ] as const) {
    assert.equal(bridge.read(address, length), (1n << BigInt(8 * length)) - 1n, address.toString(16));
    bridge.write(address, length, 0n);
  }
  assert.equal(bridge.stats()["pci_unassigned"], 15);
});

test("BARs over each other, over memory, or at the top stay what they are: the lower slot answers, memory is not theirs", () => {
  const { bridge, ram } = setUpBridge();
  assign(bridge, 0, 0x9000_0000);
  assign(bridge, 1, 0x9000_0000);
  bridge.write(real(0x9000_0004), 4, 1n);
  bridge.writeConfig(slot(0, pci.PCI_COMMAND), 2, 0);
  assert.equal(bridge.read(real(0x9000_0004), 4), 0xffff_ffffn);
  bridge.writeConfig(slot(0, pci.PCI_COMMAND), 2, command);
  assert.equal(bridge.read(real(0x9000_0004), 4), 0xffff_fffen);
  // A bus address below the window is none that a CPU reaches: RAM there stays RAM.
  assign(bridge, 0, 0x1000);
  ram[0x1000] = 7;
  for (const address of [0x1000n, 0x9000_0000n]) assert.equal(bridge.read(address, 4), 0xffff_ffffn);
  assert.equal(ram[0x1000], 7);
  for (const value of [0xffff_ffff, 0, 1, 0x7fff_ffff]) {
    for (let bar = 0; bar < 6; bar++) {
      bridge.writeConfig(slot(0, pci.PCI_BASE_ADDRESS_0 + 4 * bar), 4, value);
      for (const address of [ioWindow.start, memory32Window.start, real(0xffff_f000), memory64Window.start]) {
        assert.ok(bridge.read(address, 8) >= 0n);
        bridge.write(address, 8, 0n);
      }
    }
  }
});

test("pins of several slots share a level interrupt", () => {
  const devices = Array.from({ length: 5 }, () => new EduDevice());
  const { bridge, drain } = setUpBridge(devices);
  for (const number of [0, 1, 4]) assign(bridge, number, 0x8000_0000 + 0x2000 * number);
  const raise = (number: number, register: number): void =>
    bridge.write(real(0x8000_0000 + 0x2000 * number + register), 4, 1n);
  raise(0, eduRegister.interruptRaise);
  raise(4, eduRegister.interruptRaise);
  raise(1, eduRegister.interruptRaise);
  raise(0, eduRegister.interruptAcknowledge);
  raise(4, eduRegister.interruptAcknowledge);
  assert.deepEqual(drain(), [
    ...["line 0x1200 true", "line 0x1200 true", "line 0x1201 true"],
    ...["line 0x1200 true", "line 0x1200 false"],
  ]);
  bridge.close();
  assert.deepEqual(drain(), ["line 0x1201 false"]);
});

test("messages: given, sent, taken back; a device has its own interrupts only", () => {
  const { bridge, drain, ram, putTce } = setUpBridge();
  for (const number of [0, 1]) assign(bridge, number, 0x8000_0000 + 0x2000 * number);
  assert.equal(bridge.setMessages(slot(0), "msix", 3), 3);
  assert.equal(bridge.setMessages(slot(1), "msix", 9), 4);
  assert.equal(bridge.messageSource(slot(0), 2), messageInterrupt + 2);
  assert.equal(bridge.messageSource(slot(0), 3), undefined);
  assert.equal(bridge.messageSource(slot(1), 0), messageInterrupt + 3);
  const table = (number: number, vector: number): bigint => real(0x8000_1000 + 0x2000 * number + 16 * vector);
  assert.equal(bridge.read(table(1, 0), 8), messageAddress);
  assert.equal(bridge.read(table(1, 0) + 8n, 4), BigInt(messageInterrupt + 3));
  for (const number of [0, 1]) {
    const msix = capability(bridge, number, pci.PCI_CAP_ID_MSIX);
    bridge.writeConfig(slot(number, msix + pci.PCI_MSIX_FLAGS), 2, pci.PCI_MSIX_FLAGS_ENABLE);
    for (let vector = 0; vector < 4; vector++) bridge.write(table(number, vector) + 12n, 4, 0n);
  }
  const raise = (number: number, bits: bigint): void =>
    bridge.write(real(0x8000_0000 + 0x2000 * number + eduRegister.interruptRaise), 4, bits);
  raise(1, 9n);
  assert.deepEqual(drain(), ["message 0x1303", "message 0x1306"]);
  // The guest points a message at another device's interrupt, at the pins', at none.
  for (const data of [messageInterrupt, 0x1200, 0, 2, 0xffff_ffff, messageInterrupt + 7]) {
    bridge.write(table(1, 0) + 8n, 4, BigInt(data));
    raise(1, 1n);
  }
  assert.deepEqual(drain(), []);
  assert.equal(bridge.stats()["pci_message_refused"], 6);
  // Anywhere else a message is DMA like any other.
  bridge.write(table(1, 0), 8, 0x2468n);
  raise(1, 1n);
  assert.deepEqual(drain(), []);
  putTce(0x8000_0000, 2, 0x3000n | 2n);
  raise(1, 1n);
  assert.deepEqual(drain(), ["written 0x3468 4"]);
  assert.deepEqual([...ram.subarray(0x3468, 0x346c)], [7, 0x13, 0, 0]);
  assert.equal(bridge.clearMessages(slot(0)), true);
  raise(0, 1n);
  assert.deepEqual(drain(), []);
});

test("messages of MSI are aligned; interrupts run out politely and are used again", () => {
  const many = Array.from({ length: slotMax }, () =>
    Object.assign(new EduDevice(), { interrupts: { msi: 32 } as const }),
  );
  const { bridge } = setUpBridge(many as unknown as EduDevice[]);
  assert.equal(bridge.setMessages(slot(0), "msix", 1), undefined);
  assert.equal(bridge.setMessages(slot(0), "msi", 1), 1);
  assert.equal(bridge.setMessages(slot(1), "msi", 23), 16);
  assert.equal((bridge.messageSource(slot(1), 0) ?? 1) % 16, 0);
  let given = 0;
  for (let number = 0; number < slotMax; number++) given += bridge.setMessages(slot(number), "msi", 0xffff_ffff) ?? 0;
  assert.equal(given, 256);
  assert.equal(bridge.setMessages(slot(31), "msi", 1), 0);
  assert.equal(bridge.clearMessages(slot(0)), true);
  assert.equal(bridge.setMessages(slot(31), "msi", 32), 32);
  assert.equal(bridge.messageSource(slot(31), 0), messageInterrupt + 32);
});

test("in reset nothing answers; afterwards all is as after power-on", () => {
  const { bridge, drain } = setUpBridge();
  assign(bridge, 0, 0x8000_0000);
  bridge.write(real(0x8000_0000 + eduRegister.interruptRaise), 4, 1n);
  bridge.setReset(true);
  assert.deepEqual(drain(), ["line 0x1200 true", "line 0x1200 false"]);
  assert.equal(bridge.readConfig(slot(0), 4), 0xffff_ffff);
  bridge.writeConfig(slot(0, pci.PCI_COMMAND), 2, command);
  assert.equal(bridge.read(real(0x8000_0000), 4), 0xffff_ffffn);
  bridge.setReset(false);
  assert.equal(bridge.readConfig(slot(0, pci.PCI_COMMAND), 2), 0);
  assert.equal(bridge.readConfig(slot(0, pci.PCI_BASE_ADDRESS_0), 4), 0);
  assign(bridge, 0, 0x8000_0000);
  assert.equal(bridge.read(real(0x8000_0000 + eduRegister.interruptStatus), 4), 0n);
});

test("a bridge goes on from its state, its devices with it, and takes no other", () => {
  const { bridge, putTce } = setUpBridge();
  assign(bridge, 0, 0x8000_0000);
  assign(bridge, 1, 0x8000_2000);
  assert.equal(bridge.setMessages(slot(1), "msix", 4), 4);
  bridge.writeConfig(slot(1, capability(bridge, 1, pci.PCI_CAP_ID_MSIX) + 2), 2, pci.PCI_MSIX_FLAGS_ENABLE);
  for (let vector = 0; vector < 4; vector++) bridge.write(real(0x8000_3000 + 16 * vector + 12), 4, 0n);
  bridge.write(real(0x8000_0000 + eduRegister.interruptRaise), 4, 2n);
  putTce(0x8000_0000, 0, 0x3000n | 3n);
  const saved = bridge.save();
  const state = structuredClone(saved);
  const make = (state: BridgeState) =>
    setUpBridge(
      state.slots.map((slot) => new EduDevice(slot.function.device as EduState)),
      state,
    );
  const other = make(state);
  assert.deepEqual(other.drain(), ["line 0x1200 true"]);
  assert.deepEqual(other.bridge.save(), saved);
  for (const each of [bridge, other.bridge]) {
    assert.equal(each.read(real(0x8000_0000 + eduRegister.interruptStatus), 4), 2n);
    each.write(real(0x8000_0000 + eduRegister.interruptAcknowledge), 4, 2n);
    each.write(real(0x8000_2000 + eduRegister.interruptRaise), 4, 8n);
    assert.equal(each.messageSource(slot(1), 3), messageInterrupt + 3);
    assert.equal(each.setMessages(slot(0), "msi", 4), 4);
    assert.equal(each.messageSource(slot(0), 0), messageInterrupt + 4);
  }
  assert.deepEqual(other.drain(), ["line 0x1200 false", `message 0x${(messageInterrupt + 3).toString(16)}`]);
  bridge.setReset(true);
  const resting = make(structuredClone(bridge.save()));
  assert.deepEqual([resting.bridge.inReset, resting.bridge.readConfig(slot(0), 4)], [true, 0xffff_ffff]);

  const [first, second] = state.slots;
  assert.ok(first && second);
  const given = (messages: unknown) => ({ ...state, slots: [first, { ...second, messages }] });
  for (const [wrong, message] of [
    [{ ...state, inReset: 0 }, /inReset is 0/],
    [given({ kind: "lsi", first: messageInterrupt, count: 1 }), /kind is "lsi"/],
    [given({ kind: "msix", first: 0x10, count: 1 }), /first is 16/],
    [given({ kind: "msix", first: messageInterrupt, count: 5 }), /has 5 interrupts from 0x1300 on .* cannot have/],
    [given({ kind: "msi", first: messageInterrupt + 1, count: 2 }), /has 2 interrupts from 0x1301/],
    [given({ kind: "msix", first: messageInterrupt + 255, count: 2 }), /has 2 interrupts from 0x13ff/],
    [{ ...state, slots: [{ ...first, messages: second.messages }, second] }, /has 4 interrupts from 0x1300/],
    [{ ...state, slots: [{ ...first, function: {} }, second] }, /config is missing/],
  ] as const) {
    assert.throws(() => setUpBridge([new EduDevice(), new EduDevice()], wrong as unknown as BridgeState), {
      code: "EINVAL",
      message,
    });
  }
  assert.throws(() => setUpBridge([new EduDevice()], state), /EINVAL: the saved bus has 2 devices, and this one 1/);
});

test("too many devices, or one that cannot be, are refused; those plugged in are let go", () => {
  assert.throws(() => setUpBridge(Array.from({ length: 33 }, () => new EduDevice())), VmmError);
  let disconnected = 0;
  const good = Object.assign(new EduDevice(), { disconnect: () => void disconnected++ });
  const bad = Object.assign(new EduDevice(), { bars: [{ kind: "memory32", size: 5 }] }) as unknown as EduDevice;
  assert.throws(() => setUpBridge([good, bad]), /PCI device 1: BAR 0/);
  assert.equal(disconnected, 1);
});

test("what a device does when nobody waits comes after the CPU's access, and its fault is told", async () => {
  let done = 0;
  class Later extends EduDevice {
    #bus: PciBus | undefined;
    override connect(bus: PciBus): void {
      super.connect(bus);
      this.#bus = bus;
    }
    override write(): void {
      this.#bus?.soon(() => {
        if (done++ > 0) throw new Error("a fault of its own");
      });
    }
  }
  const device = new Later();
  const { drain } = setUpBridge([device]);
  device.write();
  assert.equal(done, 0);
  await Promise.resolve();
  assert.deepEqual([done, drain()], [1, []]);
  device.write();
  await Promise.resolve();
  assert.deepEqual([done, drain()], [2, ["failed Error: a fault of its own"]]);
});
