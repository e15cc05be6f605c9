/** The self-test guest, or one written like it, as a program that any firmware of machine pseries starts. */
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { staticElf } from "../differential/elf.js";

const loadAddress = 0x1000000;
const imageOffset = 0x1000;

/** What is loaded at 0 and entered there. */
interface Guest {
  readonly image: Uint8Array;
  readonly littleEndian: boolean;
}

/** An ELF file. Firmware keeps the bottom of memory, so the guest comes in a program that moves it there. */
export function selfTestProgram({ image, littleEndian }: Guest): Uint8Array {
  const doublewords = Math.ceil(image.length / 8);
  const mover = assemble(
    `
  bcl 20, 31, 1f
1:
  mflr r3
  addi r3, r3, ${imageOffset - 4}
  lis r5, ${doublewords >> 16}
  ori r5, r5, ${doublewords & 0xffff}
  mtctr r5
  li r4, 0
2:
  ld r6, 0(r3)
  std r6, 0(r4)
  addi r3, r3, 8
  addi r4, r4, 8
  bdnz 2b
  li r3, 0
  mtsrr0 r3
  mfmsr r4
  ori r4, r4, ${littleEndian ? 1 : 0}
  mtsrr1 r4
  rfid`,
    { origin: loadAddress, littleEndian: false },
  ).bytes;
  const bytes = new Uint8Array(imageOffset + 8 * doublewords);
  bytes.set(mover);
  bytes.set(image, imageOffset);
  return staticElf(loadAddress, [{ address: loadAddress, bytes, executable: true }], false);
}
