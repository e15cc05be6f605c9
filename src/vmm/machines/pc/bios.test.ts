import assert from "node:assert/strict";
import { test } from "node:test";
import { KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR } from "../../../arch/x86/uapi.js";
import { bios } from "./bios.js";
import type { PcKernel } from "./boot.js";
import { multibootBoot } from "./multiboot-boot.js";
import { memorySize, run } from "./pc.test-support.js";

/**
 * Goes back to real mode and writes in hex, by INT 10h: where a map of memory by INT 15h, AX = E820h, from 0x6000 on, ends, and how
 * many 64 KiB its second range has; AX and BX of E801h; AX of 88h; AX of INT 12h; whether an index beyond the map, and reading a
 * disk, set the carry flag; AX of INT 10h, AH = 0Fh; a key; the zero flag of a look for another; where the cursor is when it was
 * put into another row. Then it jumps to FFFF:0000.
 */
const code = Uint8Array.from(
  [
    "fa0f01151f800000ea2580000008000000000000000000ffff0000009b00000f000f8000000f20c024fe0f22c0ea32800000",
    "31c08ed88ec08ed0bc00706631dbbf006066b820e8000066ba50414d5366b914000000cd15720883c7146685db75e289f8e8",
    "6a00a11e60e86400b801e8cd1553e85b0058e85700b488cd15e85000cd12e84b0066b820e8000066bb63000000cd15e83800",
    "b402b280cd13e82f00b40fcd10e82a00b400cd16e82300b401cd169c5883e040e81700b402ba0003cd10b403cd1089d0e807",
    "00ea0000ffff19c0b90400c1c00450240f049027144027b40ecd1058e2edb8200ecd10c3",
  ]
    .join("")
    .match(/../g) ?? [],
  (byte) => Number.parseInt(byte, 16),
);
const address = 0x8000;
const asking: PcKernel = {
  ...{ byteOrder: "little", bits: 32, entry: address },
  segments: [{ address, size: code.length, data: code }],
  begin: multibootBoot,
  multiboot: { name: "kernel", firmware: bios(memorySize) },
};

for (const [name, type] of Object.entries({ hv: KVM_X86_UNIKVM_HV, pr: KVM_X86_UNIKVM_PR })) {
  test(`${name}: real mode is told of memory, types on the serial port, and is told that there is nothing else`, async () => {
    const end = await run([], { type, kernel: asking }, "k");
    assert.equal(end.text, "6050 01F0 3C00 0100 7C00 027C FFFF FFFF 5003 006B 0040 \r\n0300 ");
    assert.deepEqual(end.outcome, { kind: "reboot" });
  });
}

test("every interrupt of real mode leads to firmware: the lines' return, those without a function set the carry flag", () => {
  const ram = new Uint8Array(0x10_0000);
  for (const { address, bytes } of bios(memorySize)) ram.set(bytes, address);
  const view = new DataView(ram.buffer);
  const at = (vector: number) => 16 * view.getUint16(4 * vector + 2, true) + view.getUint16(4 * vector, true);
  const answered = [0x10, 0x11, 0x12, 0x15, 0x16, 0x18, 0x19];
  const refuses = at(0x13);
  for (let vector = 0; vector < 256; vector++) {
    const isLine = (vector >= 8 && vector < 16) || (vector >= 0x70 && vector < 0x78);
    if (isLine) assert.equal(ram[at(vector)], 0xcf, `${vector}`);
    else assert.equal(at(vector) === refuses, !answered.includes(vector), `${vector}`);
    assert.ok(at(vector) >= 0xf_f000, `${vector}`);
  }
  // PUSH BP.
  assert.equal(ram[refuses], 0x55);
  // The segment of what is reserved below 640 KiB, and how much is there below it.
  assert.deepEqual([view.getUint16(0x40e, true), view.getUint16(0x413, true)], [0x9f00, 636]);
});
