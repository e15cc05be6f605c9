import assert from "node:assert/strict";
import { test } from "node:test";
import type { X86Vm } from "../../../../arch/x86/uapi.js";
import { KvmError } from "../../../../kvm/uapi.js";
import { GuestMemory } from "../../../core/guest-memory.js";
import { EduDevice, type EduState, eduIdentification, eduRegister } from "../../../devices/pci/edu.js";
import * as pci from "../../../devices/pci/registers.js";
import { Rtc } from "../../../devices/rtc.js";
import { Serial } from "../../../devices/serial.js";
import { VmmError } from "../../../errors.js";
import { Port, pciConfigWindow, pciLine, pciReach, pciWindows } from "../memory-map.js";
import { PcPorts } from "../ports.js";
import { type BridgeState, PciHostBridge } from "./host-bridge.js";

const ramSize = 0x10_0000;

function setUp(devices = [new EduDevice(), new EduDevice()], state?: BridgeState) {
  const events: string[] = [];
  const vm = {
    shared: false,
    guestWritten: () => undefined,
    setGsiRouting: () => undefined,
    irqLine: (line: number, level: boolean) => void events.push(`line ${line} ${level}`),
    signalMsi: ({ address, data }: { address: bigint; data: number }) =>
      events.push(`message 0x${address.toString(16)} 0x${data.toString(16)}`),
  } as unknown as X86Vm;
  const memory = GuestMemory.standalone(ramSize);
  const fail = (error: unknown): void => void events.push(`failed ${error}`);
  const bridge = new PciHostBridge({ vm, memory, wake: () => undefined, fail }, devices, state);
  const line = { send: () => undefined, receive: () => undefined, waiting: false, interrupt: () => undefined };
  const ends = { powerOff: () => events.push("off"), reset: () => events.push("reset") };
  const nobody = { now: () => 0n, clockLine: () => undefined, ...ends };
  const ports = new PcPorts({ rtc: new Rtc(), serial: new Serial(line), ...nobody }, bridge.ports);
  const address = (slot: number, register: number): void =>
    ports.write(Port.pciAddress, 4, BigInt(0x8000_0000 + slot * 0x800 + (register & ~3)));
  return {
    ...{ bridge, memory, ports },
    read: (slot: number, register: number, width: number): number => {
      address(slot, register);
      return Number(ports.read(Port.pciData + (register & 3), width));
    },
    write: (slot: number, register: number, width: number, value: number): void => {
      address(slot, register);
      ports.write(Port.pciData + (register & 3), width, BigInt(value));
    },
    drain: () => events.splice(0),
  };
}

const base = Number(pciWindows.memory32.start) + 0x10_0000;
const command = pci.PCI_COMMAND_MEMORY | pci.PCI_COMMAND_MASTER;

test("a kernel finds the bridge and the devices, by ports and in memory", () => {
  const { bridge, ports, read, write } = setUp();
  // Linux's test whether there is such a bridge.
  ports.write(0xcfb, 1, 1n);
  const before = ports.read(Port.pciAddress, 4);
  ports.write(Port.pciAddress, 4, 0x8000_0000n);
  assert.equal(ports.read(Port.pciAddress, 4), 0x8000_0000n);
  ports.write(Port.pciAddress, 4, before);
  assert.deepEqual(
    [0, 1, 2, 3].map((slot) => read(slot, 0, 4)),
    [0x0008_1b36, 0x756b_1234, 0x756b_1234, 0xffff_ffff],
  );
  assert.equal(read(0, pci.PCI_CLASS_REVISION + 2, 2), 0x0600);
  assert.equal(read(1, pci.PCI_DEVICE_ID, 2), 0x756b);
  write(1, pci.PCI_INTERRUPT_LINE, 1, 0x5a);
  assert.equal(read(1, pci.PCI_INTERRUPT_LINE, 1), 0x5a);
  const config = pciConfigWindow.start + 0x8000n;
  assert.equal(bridge.read(config, 4), 0x756b_1234n);
  assert.equal(bridge.read(config, 8) & 0xffff_ffffn, 0x756b_1234n);
  assert.equal(bridge.read(config + 0x3cn, 1), 0x5an);
  bridge.write(config + 4n, 2, BigInt(command));
  assert.equal(read(1, pci.PCI_COMMAND, 2), command);
  // Other functions, other slots, behind what a function has; no word, and no access at all.
  for (const place of [0x1000n, 0x1_0000n + 0x8000n, 0x8100n, 0xf_fffcn]) {
    assert.equal(bridge.read(pciConfigWindow.start + place, 4), 0xffff_ffffn, place.toString(16));
  }
  assert.equal(ports.read(Port.pciAddress, 2), 0xffffn);
  ports.write(Port.pciAddress, 4, 0n);
  assert.equal(ports.read(Port.pciData, 4), 0xffff_ffffn);
});

test("registers behind BARs, pins by the IOAPIC's lines, messages by the address of local APICs, DMA to all of RAM", () => {
  const { bridge, memory, write, drain } = setUp();
  for (const slot of [1, 2]) {
    write(slot, pci.PCI_BASE_ADDRESS_0, 4, base + 0x1_0000 * slot);
    write(slot, pci.PCI_COMMAND, 2, command);
  }
  const at = (slot: number, register: number): bigint => BigInt(base + 0x1_0000 * slot + register);
  assert.equal(bridge.read(at(1, 0), 4), BigInt(eduIdentification));
  bridge.write(at(1, eduRegister.interruptRaise), 4, 1n);
  bridge.write(at(2, eduRegister.interruptRaise), 4, 1n);
  bridge.write(at(1, eduRegister.interruptAcknowledge), 4, 1n);
  assert.deepEqual(drain(), [
    `line ${pciLine(1, 0)} true`,
    `line ${pciLine(2, 0)} true`,
    `line ${pciLine(1, 0)} false`,
  ]);
  // MSI: where it says, to local APICs or to memory, as any write of the device's.
  let capability = 0x40;
  const seen = setUp();
  while (seen.read(1, capability, 1) !== pci.PCI_CAP_ID_MSI) capability = seen.read(1, capability + 1, 1);
  const message = (address: number): void => {
    write(2, capability + pci.PCI_MSI_ADDRESS_LO, 4, address);
    write(2, capability + pci.PCI_MSI_DATA_64, 2, 0x4031);
    write(2, capability + pci.PCI_MSI_FLAGS, 2, pci.PCI_MSI_FLAGS_ENABLE);
    bridge.write(at(2, eduRegister.interruptAcknowledge), 4, 1n);
    drain();
    bridge.write(at(2, eduRegister.interruptRaise), 4, 1n);
  };
  message(0xfee0_1000);
  assert.deepEqual(drain(), ["message 0xfee01000 0x4031"]);
  message(0x8000);
  assert.deepEqual(drain(), []);
  assert.deepEqual(memory.read(0x8000, 4), Uint8Array.of(0x31, 0x40, 0, 0));
  message(ramSize);
  assert.deepEqual(drain(), []);
  assert.equal(bridge.stats()["pci_dma_fault"], 1);
});

test("devices are where a kernel without ACPI puts them: right behind RAM, at any address that is not the board's", () => {
  const { bridge, write } = setUp();
  write(1, pci.PCI_COMMAND, 2, command);
  const { memory32 } = pciReach;
  const end = memory32.start + memory32.size;
  for (const place of [BigInt(ramSize), pciWindows.memory32.start - 0x10_0000n, end - 0x10_0000n]) {
    write(1, pci.PCI_BASE_ADDRESS_0, 4, Number(place));
    assert.equal(bridge.read(place, 4), BigInt(eduIdentification), place.toString(16));
  }
  // Over configuration space, which is there all the same; and over the IOAPIC, where it is not reached.
  write(1, pci.PCI_BASE_ADDRESS_0, 4, Number(pciConfigWindow.start));
  assert.equal(bridge.read(pciConfigWindow.start + 0x8000n, 4), 0x756b_1234n);
  write(1, pci.PCI_BASE_ADDRESS_0, 4, Number(end));
  assert.equal(bridge.read(end, 4), 0xffff_ffffn);
});

test("what cannot be is refused, and a saved bus goes on where it was", () => {
  assert.throws(() => setUp(Array.from({ length: 32 }, () => new EduDevice())), VmmError);
  const { bridge, read, write } = setUp();
  write(1, pci.PCI_BASE_ADDRESS_0, 4, base);
  write(1, pci.PCI_COMMAND, 2, command);
  const state = structuredClone(bridge.save());
  const devices = state.slots.map((slot) => new EduDevice(slot.function.device as EduState));
  const again = setUp(devices, state);
  assert.deepEqual(again.bridge.save(), state);
  assert.equal(again.bridge.read(BigInt(base), 4), BigInt(eduIdentification));
  assert.equal(read(1, pci.PCI_COMMAND, 2), command);
  assert.throws(() => setUp([new EduDevice()], state), KvmError);
  assert.throws(() => setUp(devices, { ...state, address: -1 }), KvmError);
});

test("any access to the bus is answered, and nothing grows but counters that have names", () => {
  const { bridge, ports, drain } = setUp();
  let seed = Number(process.env["UNIKVM_SEED"] ?? 1);
  const draw = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const widths = [1, 2, 4, 8];
  const { start, size } = pciReach.memory32;
  const starts = [pciConfigWindow.start, pciConfigWindow.start + 0x8000n, start, start + size - 8n, BigInt(base)];
  for (let i = 0; i < 30_000; i++) {
    const size = widths[draw(4)] as number;
    const value = (BigInt(draw(2 ** 32)) << 32n) | BigInt(draw(2 ** 32));
    if (draw(2)) {
      const address = draw(8) ? (starts[draw(starts.length)] as bigint) + BigInt(draw(0x200)) : value;
      if (draw(2)) bridge.write(address, size, BigInt.asUintN(8 * size, value));
      else assert.ok(bridge.read(address, size) >> BigInt(8 * size) === 0n);
    } else {
      const port = [Port.pciAddress, Port.pciData, 0xc000][draw(3)] as number;
      const width = Math.min(4, size);
      const configured = draw(2) ? BigInt(0x8000_0000 + draw(0x2000)) : value;
      if (draw(2))
        ports.write(port + draw(4), width, BigInt.asUintN(8 * width, port === Port.pciAddress ? configured : value));
      else assert.ok(ports.read(port + draw(4), width) >> BigInt(8 * width) === 0n);
    }
    drain();
  }
  assert.ok(JSON.stringify(bridge.stats()).length < 200);
  assert.doesNotThrow(() => structuredClone(bridge.save()));
});
