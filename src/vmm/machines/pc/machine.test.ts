import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../../arch/x86/isa/assembler.js";
import { KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR } from "../../../arch/x86/uapi.js";
import { KvmError } from "../../../kvm/uapi.js";
import type { RunControl } from "../../core/machine.js";
import { type Run, runMachine } from "../../core/run.js";
import { EduDevice, eduRegister } from "../../devices/pci/edu.js";
import { VmmError } from "../../errors.js";
import { capture, ramImage, type Snapshot } from "../../snapshot/snapshot.js";
import { createPc, maximumMemory, restorePc } from "./machine.js";
import { loaded, memorySize, out, program, run } from "./pc.test-support.js";
import { createPcVcpuSide } from "./vcpu-side.js";

const control: RunControl = {
  cpuState: () => "stopped",
  startCpu: () => undefined,
  stopCpu: () => undefined,
  wake: () => undefined,
  consoleChanged: () => undefined,
  end: () => undefined,
};

/** Every way that Linux has; a machine that runs on is met by the time limit. */
const ends: readonly (readonly [what: string, lines: readonly string[], outcome: string])[] = [
  ["ACPI's S5", ["mov edx, 0x604", "mov eax, 0x3400", "out dx, ax"], "powerOff"],
  ["ACPI's S5 after its type", ["mov edx, 0x604", "mov eax, 0x1400", "out dx, ax", ...out(0x605, 0x34)], "powerOff"],
  ["the reset register", out(0xcf9, 2, 0xe), "reboot"],
  ["ACPI's reset, of one byte", out(0xcf9, 6), "reboot"],
  ["the keyboard controller", out(0x64, 0xfe), "reboot"],
  ["a triple fault", ["mov qword ptr [rsp-16], 0", "lidt [rsp-16]", "int3"], "reboot"],
  ["halting for good", ["cli", "hlt"], "powerOff"],
];
const going = ["jmp 0x100000"];

for (const type of [KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR]) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";
  for (const [what, lines, outcome] of ends) {
    test(`${title}: ${what} ends it as ${outcome}`, async () => {
      const end = await run(["mov rsp, 0x80000", ...lines, ...going], { type });
      assert.deepEqual(end.outcome, { kind: outcome });
    });
  }

  test(`${title}: what is no end is none, and the console is COM1`, async () => {
    const hello = [...Buffer.from("hello\n")];
    const echo = ["mov edx, 0x3fd", "in al, dx", "test al, 1", "je 0x100000"];
    const lines = [
      // Another sleep state, without SLP_EN, another command, a reset that does not rise.
      ...["mov edx, 0x604", "mov eax, 0x2400", "out dx, ax", "mov eax, 0x1400", "out dx, ax"],
      ...[...out(0x64, 0xfd), ...out(0xcf9, 2), ...out(0x3f8, ...hello)],
    ];
    const head = program(["mov rsp, 0x80000", ...lines]).segments[0]?.data.length ?? 0;
    echo[3] = `je 0x${(0x10_0000 + head + 5).toString(16)}`;
    const rest = ["mov edx, 0x3f8", "in al, dx", "out dx, al", "cli", "hlt"];
    const end = await run(["mov rsp, 0x80000", ...lines, ...echo, ...rest], { type }, "x");
    assert.deepEqual([end.outcome, end.text], [{ kind: "powerOff" }, "hello\nx"]);
  });
}

/** By the older controllers: the line that firmware tells of, as a level, by a device that pulls it until it is told not to. */
test("a device's pin is an input of the older controllers, which its configuration names, and a level", async () => {
  const [bar, idt, handlerAt, vector] = [0xc010_0000, 0x9000, 0x10_0400, 0x2b];
  const put = (port: number, value: number, register = "eax") => [
    ...[`mov edx, ${port}`, `mov eax, 0x${(value >>> 0).toString(16)}`, `out dx, ${register}`],
  ];
  const config = (register: number) => put(0xcf8, 0x8000_0800 + register);
  const say = ["mov edx, 0x3f8", "out dx, al"];
  const gate = BigInt(handlerAt & 0xffff) | (0x10n << 16n) | (0x8e00n << 32n) | (BigInt(handlerAt >> 16) << 48n);
  const lines = [
    ...["mov rsp, 0x80000", ...config(0x3c), "mov edx, 0xcfc", "in al, dx", ...say],
    ...["mov edx, 0x4d0", "in al, dx", ...say, "mov edx, 0x4d1", "in al, dx", "shr eax, 1", ...say],
    ...[...config(0x10), ...put(0xcfc, bar), ...config(4), ...put(0xcfc, 6, "ax")],
    ...[...out(0x20, 0x11), ...out(0xa0, 0x11), ...out(0x21, 0x20, 4, 1, 0xfb), ...out(0xa1, 0x28, 2, 1, 0xf7)],
    ...[`mov rax, 0x${gate.toString(16)}`, `mov [0x${(idt + 16 * vector).toString(16)}], rax`],
    ...["mov word ptr [0x8ff0], 0xfff", `mov qword ptr [0x8ff2], 0x${idt.toString(16)}`, "lidt [0x8ff0]"],
    ...[`mov ebx, 0x${bar.toString(16)}`, "xor ecx, ecx", `mov dword ptr [rbx+${eduRegister.interruptRaise}], 1`],
  ];
  const loop = 0x10_0000 + (program(lines).segments[0]?.data.length ?? 0);
  const kernel = program([...lines, "sti", "hlt", "cmp ecx, 2", `jne 0x${loop.toString(16)}`, "cli", "hlt"]);
  assert.ok(0x10_0000 + (kernel.segments[0]?.size ?? 0) < handlerAt);
  // The first time it lets the device pull on.
  const handler = [
    ...["inc ecx", "mov eax, 0x69", ...say, "lea eax, [rcx-1]", `mov [rbx+${eduRegister.interruptAcknowledge}], eax`],
    ...[...out(0xa0, 0x20), ...out(0x20, 0x20), "iretq"],
  ].flatMap((line) => [...assemble(line, 64)]);
  const second = { address: handlerAt, size: handler.length, data: Uint8Array.from(handler) };
  const both = { ...kernel, segments: [...kernel.segments, second] };
  for (const type of [KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR]) {
    const end = await run([], { type, kernel: both, pciDevices: [new EduDevice()] });
    // Line 11; the controllers' levels, the second's halved; two interrupts.
    assert.deepEqual([end.outcome, end.text], [{ kind: "powerOff" }, "\x0b\x20Fii"]);
  }
});

test("the clock's line is the eighth, and its interrupt wakes a guest that halts", async () => {
  const [idt, handlerAt, vector] = [0x9000, 0x10_0400, 0x28];
  const gate = BigInt(handlerAt & 0xffff) | (0x10n << 16n) | (0x8e00n << 32n) | (BigInt(handlerAt >> 16) << 48n);
  const clock = (index: number) => [...out(0x70, index), "mov edx, 0x71"];
  const lines = [
    ...["mov rsp, 0x80000", ...out(0x20, 0x11), ...out(0xa0, 0x11)],
    ...[...out(0x21, 0x20, 4, 1, 0xfb), ...out(0xa1, 0x28, 2, 1, 0xfe)],
    ...[`mov rax, 0x${gate.toString(16)}`, `mov [0x${(idt + 16 * vector).toString(16)}], rax`],
    ...["mov word ptr [0x8ff0], 0xfff", `mov qword ptr [0x8ff2], 0x${idt.toString(16)}`, "lidt [0x8ff0]"],
    // What there was before is no interrupt; each second's end is.
    ...[...clock(12), "in al, dx", "xor ecx, ecx", ...clock(11), "mov eax, 0x12", "out dx, al"],
  ];
  const loop = 0x10_0000 + (program(lines).segments[0]?.data.length ?? 0);
  const kernel = program([...lines, "sti", "hlt", "cmp ecx, 2", `jne 0x${loop.toString(16)}`, "cli", "hlt"]);
  assert.ok(0x10_0000 + (kernel.segments[0]?.size ?? 0) < handlerAt);
  // What it reads is 0x90: the next second's end makes an edge again.
  const handler = [
    ...["inc ecx", ...clock(12), "in al, dx", "shr eax, 1", "mov edx, 0x3f8", "out dx, al"],
    ...[...out(0xa0, 0x20), ...out(0x20, 0x20), "iretq"],
  ].flatMap((line) => [...assemble(line, 64)]);
  const second = { address: handlerAt, size: handler.length, data: Uint8Array.from(handler) };
  const both = { ...kernel, segments: [...kernel.segments, second] };
  const end = await run([], { type: KVM_X86_UNIKVM_PR, kernel: both });
  assert.deepEqual([end.outcome, end.text], [{ kind: "powerOff" }, "HH"]);
});

/** Started by INIT and SIPI, in real mode: each says its number on the console. */
test("further CPUs wait for the first, start in real mode, and halting for good is all of them's", async () => {
  const [page, counter, there] = [8, 0x9000, 0x10_0200];
  const start = [
    ...["mov al, 0x41", "mov dx, 0x3f8", "out dx, al", "mov bx, 0x9000", "lock inc byte ptr [bx]", "cli", "hlt"],
  ].flatMap((line) => [...assemble(line, 16)]);
  const send = (command: number) => [
    ...["mov eax, 0xfee00310", "mov dword ptr [rax], 0"],
    ...["mov eax, 0xfee00300", `mov dword ptr [rax], 0x${command.toString(16)}`],
  ];
  const lines = [
    ...["mov rsp, 0x80000", `mov edi, 0x${(page << 12).toString(16)}`, `mov esi, 0x${there.toString(16)}`],
    ...[
      `mov ecx, ${start.length}`,
      "rep movs byte ptr es:[rdi], byte ptr ds:[rsi]",
      "mov eax, 0xfee000f0",
      "mov dword ptr [rax], 0x1ff",
    ],
    // To all but itself.
    ...[...send(0xc_c500), ...send(0xc_0600 | page), `mov ebx, 0x${counter.toString(16)}`],
  ];
  const loop = 0x10_0000 + (program(lines).segments[0]?.data.length ?? 0);
  const kernel = program([...lines, "cmp byte ptr [rbx], 3", `jne 0x${loop.toString(16)}`, "cli", "hlt"]);
  assert.ok((kernel.segments[0]?.size ?? 0) < 0x200);
  const second = { address: there, size: start.length, data: Uint8Array.from(start) };
  const both = { ...kernel, segments: [...kernel.segments, second] };
  for (const type of [KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR]) {
    const end = await run([], { type, cpus: 4, kernel: both });
    assert.deepEqual([end.outcome, end.text], [{ kind: "powerOff" }, "AAA"]);
  }
});

/** Writes 'a', waits for a letter at COM1, writes it, and halts for good. */
const waiting = ["mov rsp, 0x80000", ...out(0x3f8, 0x61), "mov edx, 0x3fd"];
const ready = 0x10_0000 + (program(waiting).segments[0]?.data.length ?? 0);
const answering = [
  ...[...waiting, "in al, dx", "test al, 1", `je 0x${ready.toString(16)}`],
  ...["mov edx, 0x3f8", "in al, dx", "out dx, al", "cli", "hlt"],
];

async function startedWith(createMachine: Parameters<typeof runMachine>[0]["createMachine"]): Promise<{
  readonly run: Run;
  readonly see: (text: string) => Promise<void>;
}> {
  let text = "";
  let look = (): void => undefined;
  const running = await runMachine({
    ...{ createMachine, kind: "pc", createSide: createPcVcpuSide, timeout: 60_000 },
    output: (bytes) => {
      text += new TextDecoder().decode(bytes);
      look();
      return undefined;
    },
  });
  const see = (wanted: string) =>
    new Promise<void>((resolve, reject) => {
      look = () => text === wanted && resolve();
      look();
      void running.ended.then(({ outcome }) => reject(new Error(`${JSON.stringify(outcome)} after ${text}`)));
    });
  return { run: running, see };
}

async function goesOn({ state, images }: Snapshot, type: number): Promise<void> {
  const kvm = await loaded;
  const ram = images[ramImage];
  assert.ok(ram);
  const two = await startedWith((how, trace) => restorePc({ kvm, type, state, ram }, how, trace));
  const seen = two.see("x");
  void two.run.input(new TextEncoder().encode("x"));
  await seen;
  assert.deepEqual((await two.run.ended).outcome, { kind: "powerOff" });
}

for (const type of [KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR]) {
  test(`${type === KVM_X86_UNIKVM_HV ? "hv" : "pr"}: one that waits for input is saved, and goes on under either`, async () => {
    const kvm = await loaded;
    const parts = { kvm, type, kernel: program(answering), commandLine: "", memorySize, cpus: 1 };
    const one = await startedWith((how, trace) => createPc(parts, how, trace));
    await one.see("a");
    const { snapshot } = await capture(one.run);
    for (const other of [KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR]) await goesOn(structuredClone(snapshot), other);
    one.run.stop();
    await one.run.ended;
    const { state, images } = snapshot;
    const ram = images[ramImage] ?? { size: 0, runs: [] };
    for (const part of ["vm", "serial", "ports", "rtc", "pci"]) {
      const hostile = { ...state, [part]: 7 };
      assert.throws(() => restorePc({ kvm, type, state: hostile, ram }, control), /EINVAL/, part);
    }
  });
}

test("what cannot be is refused with a sentence, and nothing is left behind", async () => {
  const kvm = await loaded;
  const parts = { kvm, type: 0, kernel: program(["hlt"]), commandLine: "", memorySize, cpus: 1 };
  const refused = (options: object, message: RegExp) =>
    assert.throws(
      () => createPc({ ...parts, ...options }, control),
      (error) => error instanceof VmmError && message.test(error.message),
    );
  refused({ cpus: 0 }, /1 to 32 CPUs, not 0/);
  refused({ cpus: 33 }, /1 to 32 CPUs, not 33/);
  refused({ memorySize: 16 << 20 }, /at least 32M/);
  refused({ memorySize: maximumMemory + 65536 }, /at most 3072M/);
  refused({ cpuModel: "POWER9" }, /no CPU model "POWER9"; it has max/);
  refused({ commandLine: "x".repeat(2048) }, /command line/);
  refused({ type: 3 }, /no VM can be created/);
  assert.throws(() => createPc({ ...parts, cpu: 1 } as unknown as typeof parts, control), KvmError);
  const state = { machine: "pseries" };
  const ram = { size: memorySize, runs: [] };
  assert.throws(() => restorePc({ kvm, type: 0, state, ram }, control), /is a "pseries", not a pc/);
});
