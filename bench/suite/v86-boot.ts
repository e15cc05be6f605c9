/**
 * Linux of 32 bits for v86, which has no other way in for a kernel that is no bzImage: a multiboot kernel of a few instructions
 * enters it as Linux's 32-bit boot protocol says. What is in memory is as unikvm's machine has it.
 * Sources: Multiboot Specification version 0.6.96, "OS image format"; Linux, Documentation/x86/boot.rst.
 */
import { assemble } from "../../src/arch/x86/isa/assembler.js";
import { i386Elf, parseElf } from "../../src/vmm/loaders/elf.js";
import type { Boot, Placed } from "../../src/vmm/machines/pc/boot.js";
import { linuxBoot } from "../../src/vmm/machines/pc/linux-boot.js";

export interface V86Boot {
  /** The multiboot kernel. */
  readonly entry: Uint8Array;
  /** What must be in memory before it runs. */
  readonly placed: readonly Placed[];
}

/** Where it is loaded: in low memory, of which Linux has been given nothing there. */
const base = 0x8000;
const size = 0x200;
/** In it, behind the header. */
const place = { code: 0x40, segments: 0x100 } as const;
const magic = 0x1badb002;
/** Its header says where it is loaded. */
const hasAddresses = 0x1_0000;

/** Throws VmmError: the kernel is none of 32 bits, or does not fit. */
export function v86Boot(kernel: Uint8Array, initrd: Uint8Array, commandLine: string, memorySize: number): V86Boot {
  const image = parseElf(kernel, "the kernel", i386Elf);
  const boot = linuxBoot({ kernel: { ...image, bits: 32 }, initrd, commandLine, memorySize });
  return { entry: entryOf(boot), placed: boot.memory };
}

/** From multiboot's state, which has flat segments and no table of them, to Linux's. */
export function entryOf({ regs, sregs }: Pick<Boot, "regs" | "sregs">): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const header = [
    magic,
    hasAddresses,
    -(magic + hasAddresses),
    base,
    base,
    base + size,
    base + size,
    base + place.code,
  ];
  for (const [i, value] of header.entries()) view.setUint32(4 * i, value, true);
  const code = [
    `lgdt [${base + place.segments}]`,
    `mov eax, ${sregs.ds.selector}`,
    ...["ds", "es", "fs", "gs", "ss"].map((register) => `mov ${register}, eax`),
    ...["ebx", "ebp", "edi"].map((register) => `xor ${register}, ${register}`),
    `mov esi, ${regs.rsi}`,
    `jmp ${sregs.cs.selector}:${regs.rip}`,
  ];
  bytes.set(
    code.flatMap((line) => assemble(line, 32)),
    place.code,
  );
  view.setUint16(place.segments, sregs.gdt.limit, true);
  view.setUint32(place.segments + 2, Number(sregs.gdt.base), true);
  return bytes;
}
