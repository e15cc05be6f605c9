/** 32-bit mode and the other byte order. */
import { assembleWord } from "../../../src/arch/powerpc/isa/assembler.js";
import { type Author, areaFields, base, MSR, type SelfTest } from "../author.js";
import { memoryMap } from "../guest.js";

/** Instructions in the other byte order. */
export function foreign(lines: readonly string[]): string {
  return lines
    .map((line) => {
      const word = assembleWord(line);
      const swapped = ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
      return `  .long 0x${(swapped >>> 0).toString(16)}`;
    })
    .join("\n");
}

export const narrowMode: SelfTest = {
  name: "32-bit mode",
  environment: "real",
  source: (t) => {
    const narrow = t.realMsr & ~MSR.SF;
    const physical = (label: string) => `(${label} - 0x${base.toString(16)})`;
    return `
${t.load("r14", 0x1_0000_0000n + BigInt(memoryMap.data))}
${t.load("r15", 0xfedcba9876543210n)}
${t.load("r16", BigInt(memoryMap.data))}
  std r15, 0(r16)
  mr r30, r13
${t.load("r17", 0xffffffffn)}
  li r18, 1
${t.enter(physical("narrow"), narrow)}
narrow:
# Addresses wrap at 32 bits, registers do not.
  ld r19, 0(r14)
  add. r20, r17, r18
  mfcr r21
  addc r22, r17, r18
  mfxer r23
  li r24, 0
  subfe r24, r24, r24
  bl narrowLink
narrowLink:
  mflr r25
# CTR counts in 32 bits.
${t.load("r26", 0x7_0000_0003n)}
  mtctr r26
  li r27, 0
2:
  addi r27, r27, 1
  bdnz 2b
  mfmsr r28
  cmpd r17, r18
  mfcr r29
  mr r13, r30
${t.load("r11", "wide")}
  mtsrr0 r11
${t.load("r11", t.realMsr)}
  mtsrr1 r11
  rfid
wide:
${t.check("load through a wrapped address", "r19", 0xfedcba9876543210n)}
${t.check("sum", "r20", 0x1_0000_0000n)}
  rlwinm r21, r21, 4, 28, 31
${t.check("CR0 looks at the low word", "r21", 2)}
  rlwinm r23, r23, 3, 31, 31
${t.check("carry out of the low word", "r23", 1)}
${t.check("LR of a branch", "r25", physical("narrowLink"))}
${t.check("loops by the low word of CTR", "r27", 3)}
${t.check("MSR", "r28", narrow)}
  rlwinm r29, r29, 4, 28, 31
${t.check("cmpd compares 64 bits", "r29", 4)}
`;
  },
};

/** Writes and reads with each width, both orders; `foreign` code reads what native code wrote. */
export const byteOrder: SelfTest = {
  name: "byte order",
  environment: "real",
  source: (t) => {
    const other = t.realMsr ^ MSR.LE;
    return `
${t.load("r14", BigInt(memoryMap.data))}
${t.load("r15", 0x0123456789abcdefn)}
  std r15, 0(r14)
  lbz r16, 0(r14)
${t.check("first byte of a doubleword", "r16", t.littleEndian ? 0xef : 0x01)}
  lhbrx r16, 0, r14
${t.check("lhbrx", "r16", t.littleEndian ? 0xefcd : 0x2301)}
  ldbrx r16, 0, r14
${t.check("ldbrx", "r16", 0xefcdab8967452301n)}
  li r17, 8
  lxvd2x vs40, 0, r14
  lxvb16x vs41, 0, r14
  mfvsrd r16, vs40
${t.check("lxvd2x: doubleword 0", "r16", 0x0123456789abcdefn)}
  mfvsrd r16, vs41
${t.check("lxvb16x: byte 0 first", "r16", t.littleEndian ? 0xefcdab8967452301n : 0x0123456789abcdefn)}
# In the other order, by a few of its own instructions.
  li r18, 0
  li r19, 0
${t.load("r20", "native")}
${t.load("r21", t.realMsr)}
${t.enter("foreigner", other)}
foreigner:
${foreign([
  "ld r18, 0(r14)",
  "lwz r19, 0(r14)",
  "std r15, 16(r14)",
  "lfd f1, 0(r14)",
  "mfmsr r22",
  "mtsrr0 r20",
  "mtsrr1 r21",
  "rfid",
])}
native:
${t.check("doubleword read in the other order", "r18", 0xefcdab8967452301n)}
${t.check("word read in the other order", "r19", t.littleEndian ? 0xefcdab89n : 0x67452301n)}
${t.check("MSR in the other order", "r22", other)}
  ld r16, 16(r14)
${t.check("doubleword written in the other order", "r16", 0xefcdab8967452301n)}
  mfvsrd r16, vs1
${t.check("double read in the other order", "r16", 0xefcdab8967452301n)}
# An interrupt from there is taken in the guest's own order.
${t.expectInterrupt("8f", t.realMsr)}
${t.enter("foreignTrap", other)}
foreignTrap:
${foreign(["li r18, 5", "trap", "li r18, 6"])}
8:
${t.checkArea("trap in the other order: vector", "VECTOR", 0x700)}
${t.checkArea("trap in the other order: SRR0", "SRR0", "foreignTrap + 4")}
${t.checkArea("trap in the other order: SRR1", "SRR1", other | 0x20000n)}
${t.checkArea("trap in the other order: MSR in the handler", "HANDLER_MSR", t.handlerMsr)}
`;
  },
};

/** What the boot left behind. */
export const entryState: SelfTest = {
  name: "entry",
  environment: "real",
  source: (t: Author) => `
  mfpvr r14
  srdi r14, r14, 16
${t.check("processor version: POWER9", "r14", 0x4e)}
  mfmsr r14
${t.check("MSR", "r14", t.realMsr)}
  mftb r14
1:
  mftb r15
  cmpld r15, r14
  ble 1b
  li r14, 1
${t.check("the time base runs", "r14", 1)}
  lis r14, 0x1234
  mtdec r14
  mfdec r15
  srdi r15, r15, 24
${t.check("the decrementer counts down slowly", "r15", 0x12)}
  ld r14, ${areaFields.COUNT}(r13)
${t.check("no interrupt", "r14", 0)}
`,
};
