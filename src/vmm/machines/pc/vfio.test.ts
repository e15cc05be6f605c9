/** A device of the host on machine pc: its registers, its pin, messages and DMA as a guest has them, and what is left behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../../arch/x86/isa/assembler.js";
import { KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR } from "../../../arch/x86/uapi.js";
import { fileTable } from "../../../base/files.js";
import { hostPci } from "../../../host/module.js";
import { hostPciName } from "../../../host/names.js";
import { ModuleLoader } from "../../../modules/loader.js";
import { vfio } from "../../../vfio/index.js";
import type { Vfio } from "../../../vfio/module.js";
import { EduDevice, eduRegister } from "../../devices/pci/edu.js";
import { PciFunction } from "../../devices/pci/function.js";
import * as pci from "../../devices/pci/registers.js";
import { assignVfio } from "../../devices/vfio-pci/assignment.js";
import { VmmError } from "../../errors.js";
import { createPc } from "./machine.js";
import { pciLine } from "./memory-map.js";
import { loaded, memorySize, out, program, run } from "./pc.test-support.js";

/** Where the guest has what. */
const at = {
  code: 0x10_0000,
  interrupts: 0x20_0000,
  interruptsPointer: 0x20_1000,
  count: 0x20_2000,
  handlers: 0x21_0000,
  data: 0x30_0000,
  routine: 0x31_0000,
  back: 0x38_0000,
} as const;
const handlerSize = 128;
const bars = [0xc010_0000, 0xc010_1000, 0xc020_0000] as const;
const vectors = { pin: 0x42, msix: 0x43, msi: 0x44 } as const;
const lapic = 0xfee0_0000;
const hex = (value: number): string => `0x${value.toString(16)}`;
const store = (address: number, value: number): string[] => [
  `mov ebx, ${hex(address)}`,
  `mov dword ptr [rbx], ${hex(value)}`,
];
const bytesOf = (lines: readonly string[], from: number): number[] => {
  const bytes: number[] = [];
  for (const line of lines) bytes.push(...assemble(line, 64, BigInt(from + bytes.length)));
  return bytes;
};

/** Each interrupt says its vector, takes the device's back and counts. */
const handler = (vector: number): string[] => [
  ...["push rax", "push rbx", "push rdx", ...out(0x3f8, vector)],
  ...store(bars[0] + eduRegister.interruptAcknowledge, 0xf),
  ...[`mov ebx, ${hex(at.count)}`, "inc dword ptr [rbx]", ...store(lapic + 0xb0, 0)],
  ...["pop rdx", "pop rbx", "pop rax", "iretq"],
];

/** Says x, until the device writes over that. */
const routine = [...out(0x3f8, 0x78), "ret"];

/** Memory that the guest begins with, behind its code. */
function memory() {
  const gates = new Uint8Array(4096);
  const view = new DataView(gates.buffer);
  const handlers = new Uint8Array(256 * handlerSize);
  for (let vector = 0; vector < 256; vector++) {
    const to = at.handlers + vector * handlerSize;
    handlers.set(bytesOf(handler(vector), to), vector * handlerSize);
    view.setUint16(16 * vector, to & 0xffff, true);
    view.setUint16(16 * vector + 2, 0x10, true);
    view.setUint16(16 * vector + 4, 0x8e00, true);
    view.setUint16(16 * vector + 6, to >>> 16, true);
  }
  const pointer = new Uint8Array(10);
  new DataView(pointer.buffer).setUint16(0, 4095, true);
  new DataView(pointer.buffer).setUint32(2, at.interrupts, true);
  const segment = (address: number, data: Uint8Array) => ({ address, size: data.length, data });
  return [
    segment(at.interrupts, gates),
    segment(at.interruptsPointer, pointer),
    segment(at.handlers, handlers),
    segment(at.data, Uint8Array.of(...Buffer.from("from RAM"))),
    segment(at.routine, Uint8Array.from(bytesOf(routine, at.routine))),
  ];
}

/** Where a capability of the device is; the guest's device has them where the host's has. */
function capability(wanted: number): number {
  const nowhere = { dma: () => false, setIntx: () => undefined, message: () => undefined };
  const edu = new PciFunction(new EduDevice(), nowhere);
  let place = edu.readConfig(pci.PCI_CAPABILITY_LIST, 1);
  while (edu.readConfig(place, 1) !== wanted) place = edu.readConfig(place + 1, 1);
  return place;
}

const configure = (register: number, value: number): string[] => [
  ...["mov edx, 0xcf8", `mov eax, ${hex((0x8000_0800 | (register & ~3)) >>> 0)}`, "out dx, eax"],
  ...[`mov edx, ${hex(0xcfc + (register & 2))}`, `mov eax, ${hex(value)}`],
  register & 2 ? "out dx, ax" : "out dx, eax",
];
const register = (which: keyof typeof eduRegister, value: number): string[] =>
  store(bars[0] + eduRegister[which], value);
/** Says the low byte of a register, from `from` on. */
const say = (which: keyof typeof eduRegister, from: string): string[] => [
  ...[`mov ebx, ${hex(bars[0] + eduRegister[which])}`, "mov eax, dword ptr [rbx]"],
  ...[`add al, ${hex(from.charCodeAt(0))}`, "mov edx, 0x3f8", "out dx, al"],
];
const dma = (address: number, offset: number, length: number, command: number): string[] => [
  ...[...register("dmaAddressLow", address), ...register("dmaAddressHigh", 0), ...register("dmaOffset", offset)],
  ...[...register("dmaLength", length), ...register("dmaCommand", command), ...say("dmaResult", "0")],
];

/** The whole guest: `lines`, of which one that is a number waits for so many interrupts in all. */
function kernel(lines: readonly (string | number)[]) {
  const flat: string[] = [];
  for (const line of lines) {
    if (typeof line === "string") {
      flat.push(line);
      continue;
    }
    flat.push(`mov ebx, ${hex(at.count)}`);
    const here = at.code + bytesOf(flat, at.code).length;
    flat.push(`cmp dword ptr [rbx], ${hex(line)}`, `jne ${hex(here)}`);
  }
  const made = program(flat);
  return { ...made, segments: [...made.segments, ...memory()] };
}

const begin = [
  ...[
    "mov rsp, 0x80000",
    ...out(0x21, 0xff),
    ...out(0xa1, 0xff),
    `mov ebx, ${hex(at.interruptsPointer)}`,
    "lidt [rbx]",
  ],
  ...store(lapic + 0xf0, 0x1ff),
  ...configure(pci.PCI_BASE_ADDRESS_0, bars[0]),
  ...configure(pci.PCI_BASE_ADDRESS_0 + 4, bars[1]),
  ...configure(pci.PCI_BASE_ADDRESS_0 + 8, bars[2]),
  ...configure(pci.PCI_BASE_ADDRESS_0 + 12, 0),
  ...configure(pci.PCI_COMMAND, pci.PCI_COMMAND_MEMORY | pci.PCI_COMMAND_MASTER),
];
const ioapic = (index: number, value: number): string[] => [...store(0xfec0_0000, index), ...store(0xfec0_0010, value)];
const raise = register("interruptRaise", 1);
const [msi, msix] = [capability(pci.PCI_CAP_ID_MSI), capability(pci.PCI_CAP_ID_MSIX)];
const line = 0x10 + 2 * pciLine(1, 0);

async function withVfio(body: (vfio: Vfio) => Promise<void>): Promise<void> {
  const loader = new ModuleLoader([vfio, hostPci]);
  await loader.modprobe("host_pci", { devices: "edu,edu" });
  await body(loader.offer<Vfio>("vfio"));
  await loader.rmmod("host_pci");
  await loader.rmmod("vfio");
  assert.equal(fileTable().size, 0);
}

for (const type of [KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR]) {
  test(`${type === KVM_X86_UNIKVM_HV ? "hv" : "pr"}: a guest has registers, pin, messages and DMA of a device of the host`, async () => {
    const lines = [
      ...[...begin, ...say("identification", "`")],
      // The pin, level-triggered: each end of interrupt has VFIO look at it again.
      ...[...ioapic(line, 0x8000 | vectors.pin), ...ioapic(line + 1, 0), "sti", ...raise, 1, ...raise, 2],
      // Messages, of MSI-X and then of MSI; what is masked waits.
      ...[...store(bars[1], lapic), ...store(bars[1] + 4, 0), ...store(bars[1] + 8, vectors.msix)],
      ...[...store(bars[1] + 12, 0), ...configure(msix + 2, 0x8000), ...raise, 3, ...raise, 4],
      ...[...store(bars[1] + 12, 1), ...raise, ...out(0x3f8, 0x2d), ...store(bars[1] + 12, 0), 5],
      ...[...configure(msix + 2, 0), ...configure(msi + 4, lapic), ...configure(msi + 8, 0)],
      ...[...configure(msi + 12, vectors.msi), ...configure(msi + 2, 1), ...raise, 6, ...raise, 7],
      // DMA to the device and back; where no RAM is; and over code that has run.
      ...[...dma(at.data, 0, 8, 1), ...dma(at.back, 0, 8, 2), ...dma(memorySize - 4, 0, 8, 2), ...dma(lapic, 0, 4, 2)],
      ...[`mov ebx, ${hex(at.back)}`, `mov esi, ${hex(at.data)}`, "mov rax, qword ptr [rsi]"],
      ...["sub rax, qword ptr [rbx]", "setne al", "add al, 0x30", "mov edx, 0x3f8", "out dx, al"],
      ...[`mov edi, ${hex(at.routine)}`, "call rdi", "call rdi"],
      ...[...store(bars[2], 0x79), ...dma(at.routine + bytesOf(["mov edx, 0x3f8"], 0).length + 1, 0, 1, 2)],
      ...[`mov edi, ${hex(at.routine)}`, "call rdi", "cli", "hlt"],
    ];
    await withVfio(async (vfio) => {
      const assign = assignVfio(vfio, [hostPciName(0)]);
      const { outcome, text } = await run([], { type, kernel: kernel(lines), assign });
      assert.deepEqual([outcome, text], [{ kind: "powerOff" }, "aBBCC-CDD" + "0011" + "0" + "xx" + "0" + "y"]);
    });
  });
}

test("a machine with a device of the host is not saved, and gives everything back however it ends", async () => {
  await withVfio(async (vfio) => {
    const kvm = await loaded;
    const control = {
      ...{
        cpuState: () => "stopped" as const,
        startCpu: () => undefined,
        stopCpu: () => undefined,
        wake: () => undefined,
      },
      ...{ consoleChanged: () => undefined, end: () => undefined },
    } as const;
    const parts = { kvm, type: 0, kernel: program(["hlt"]), commandLine: "", memorySize, cpus: 1 };
    const names = [hostPciName(0), hostPciName(1)];
    const before = fileTable().size;
    for (let i = 0; i < 3; i++) {
      const machine = createPc({ ...parts, assign: assignVfio(vfio, names) }, control);
      assert.throws(() => machine.save(), /EBUSY: a device of the host cannot be saved/);
      // It is the only one's.
      assert.throws(() => createPc({ ...parts, assign: assignVfio(vfio, names.slice(1)) }, control), /EBUSY/);
      machine.close();
      assert.equal(fileTable().size, before);
    }
    assert.throws(() => createPc({ ...parts, assign: assignVfio(vfio, ["none"]) }, control), VmmError);
    const wrong = { ...parts, assign: "0000:00:01.0" as unknown as ReturnType<typeof assignVfio> };
    assert.throws(() => createPc(wrong, control), /EINVAL/);
    // What fails once devices have been taken: a bus with too few slots for these.
    const models = Array.from({ length: 30 }, () => new EduDevice());
    const full = { ...parts, pciDevices: models, assign: assignVfio(vfio, names) };
    assert.throws(() => createPc(full, control), /the PCI bus has 31 slots, and there are 32 devices/);
    assert.equal(fileTable().size, before);
  });
});
