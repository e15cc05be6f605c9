/** Kernels of the multiboot protocol, and the devices that test programs of others expect. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../../arch/x86/isa/assembler.js";
import { KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR } from "../../../arch/x86/uapi.js";
import { VmmError } from "../../errors.js";
import type { PcKernel } from "./boot.js";
import { multibootBoot } from "./multiboot-boot.js";
import { memorySize, run } from "./pc.test-support.js";
import { testDevices } from "./test-devices.js";

const types = { hv: KVM_X86_UNIKVM_HV, pr: KVM_X86_UNIKVM_PR } as const;
const code = 0x10_0000;

/** Code of 32 bits; a line is text, or a jump to one of the lines. */
function kernel(lines: readonly (string | readonly [jump: string, line: number])[], name = "kernel"): PcKernel {
  const bytes: number[] = [];
  const places: number[] = [];
  const fill = () => {
    bytes.length = 0;
    for (const [i, line] of lines.entries()) {
      places[i] = code + bytes.length;
      const text = typeof line === "string" ? line : `${line[0]} 0x${(places[line[1]] ?? code).toString(16)}`;
      bytes.push(...assemble(text, 32, BigInt(code + bytes.length)));
    }
  };
  // Lengths do not depend on where near jumps lead.
  fill();
  fill();
  const segments = [{ address: code, size: bytes.length, data: Uint8Array.from(bytes) }];
  return { byteOrder: "little", bits: 32, entry: code, segments, begin: multibootBoot, multiboot: { name } };
}

/** Writes what it is told as its command line, then its module, then ends with the number of CPUs. */
const telling = kernel(
  [
    "mov esp, 0x80000",
    "cmp eax, 0x2badb002",
    ["jne", 24],
    "mov edx, 0x3f8",
    "mov esi, dword ptr [ebx+16]",
    "lods al, byte ptr ds:[esi]",
    "test al, al",
    ["je", 10],
    "out dx, al",
    ["jmp", 5],
    "mov ecx, dword ptr [ebx+24]",
    "mov esi, dword ptr [ecx]",
    "mov edi, dword ptr [ecx+4]",
    "cmp esi, edi",
    ["je", 18],
    "lods al, byte ptr ds:[esi]",
    "out dx, al",
    ["jmp", 13],
    "mov edx, 0x510",
    "mov eax, 5",
    "out dx, ax",
    "inc edx",
    "in al, dx",
    "out 0xf4, al",
    "cli",
    "hlt",
  ],
  "some/kernel",
);

for (const [name, type] of Object.entries(types)) {
  test(`${name}: a multiboot kernel finds its command line, its module and the machine, and ends with a status`, async () => {
    const initrd = new TextEncoder().encode("<module>");
    const options = { type, kernel: telling, initrd, commandLine: "a b", cpus: 3 };
    const end = await run([], { ...options, testDevices: true });
    assert.deepEqual([end.outcome, end.text], [{ kind: "powerOff", status: 3 }, "some/kernel a b<module>"]);
    // Without such devices nothing is there: it halts for good.
    const plain = await run([], options);
    assert.deepEqual([plain.outcome, plain.text], [{ kind: "powerOff" }, "some/kernel a b<module>"]);
  });
}

test("the information's map of memory has all RAM, and nothing lies on anything else", () => {
  const initrd = new Uint8Array(5000).fill(7);
  const boot = multibootBoot({ kernel: telling, initrd, commandLine: "x", memorySize });
  const ram = new Uint8Array(memorySize);
  const taken: [number, number][] = [];
  for (const { address, bytes } of boot.memory) {
    assert.ok(
      taken.every(([start, end]) => address + bytes.length <= start || address >= end),
      address.toString(16),
    );
    taken.push([address, address + bytes.length]);
    ram.set(bytes, address);
  }
  const view = new DataView(ram.buffer);
  const info = Number(boot.regs.rbx);
  const word = (at: number) => view.getUint32(info + at, true);
  assert.equal(word(0), 0x24d);
  assert.equal((word(8) + 1024) * 1024, memorySize);
  const [length, map] = [word(44), word(48)];
  let found = 0n;
  for (let at = map; at < map + length; at += view.getUint32(at, true) + 4) {
    if (view.getUint32(at + 20, true) === 1) found += view.getBigUint64(at + 12, true);
  }
  assert.equal(Number(found), memorySize - (0x10_0000 - 0x9_f000));
  const module = word(24);
  const [from, to] = [view.getUint32(module, true), view.getUint32(module + 4, true)];
  assert.deepEqual([from % 4096, to - from, ram[from], ram[to - 1]], [0, 5000, 7, 7]);
});

test("what does not fit is refused with a sentence", () => {
  const at = (address: number) => ({ ...telling, segments: [{ address, size: 16, data: new Uint8Array(16) }] });
  const firmware = [{ address: 0xe_0000, bytes: new Uint8Array(64) }];
  for (const one of [
    { commandLine: "x".repeat(0x1_0000) },
    { initrd: new Uint8Array(memorySize) },
    { kernel: at(memorySize - 8) },
    { kernel: at(0x9_0010) },
    { kernel: at(0xe_0020) },
  ]) {
    assert.throws(() => multibootBoot({ kernel: telling, commandLine: "", memorySize, firmware, ...one }), VmmError);
  }
  assert.throws(
    () => multibootBoot({ kernel: at(0xfff0_0000), commandLine: "", memorySize }),
    /up to 4096 MiB, there are \d+ MiB; give/,
  );
  // Below 1 MiB there is room, too.
  assert.ok(multibootBoot({ kernel: at(0x8000), commandLine: "", memorySize, firmware }));
});

test("any access to the tests' devices is answered; only lines that there are is anybody told of", () => {
  const said: unknown[] = [];
  const ports = testDevices({
    ...{ memorySize, cpus: 2 },
    exit: (status) => said.push(status),
    line: (number, level) => said.push(number < 24 && level),
  });
  let seed = 1;
  const draw = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let i = 0; i < 20_000; i++) {
    const device = ports[draw(ports.length)] as (typeof ports)[number];
    const size = [1, 2, 4][draw(3)] as number;
    const at = draw(device.count);
    if (at + size > device.count) continue;
    if (draw(2)) device.write(at, size, draw(2 ** 32));
    else assert.ok(device.read(at, size) >= 0);
  }
  assert.ok(said.every((one) => typeof one === "boolean" || (Number(one) >= 0 && Number(one) < 256)));
});

test("a machine with such devices is not saved", async () => {
  await run([], { type: types.pr, kernel: telling, commandLine: "", testDevices: true }, undefined, (machine) => {
    assert.throws(() => machine.save(), /EBUSY.*test-devices=on/);
  });
});
