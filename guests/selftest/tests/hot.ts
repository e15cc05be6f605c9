/** Loops that run long enough to be translated, with results that TypeScript computes too; and what may disturb them. */
import { areaFields, MSR, type SelfTest } from "../author.js";
import { memoryMap, PTE } from "../guest.js";
import { bits } from "./float.js";

const data = memoryMap.data;
const kernelData = 0xc000000000000000n + BigInt(data);
const small = 0x10000000;
const table = (n: number) => memoryMap.tables + 0x1000 * n;

/** 32-bit linear congruence: what the loop's registers hold after `count` rounds. */
function congruence(count: number): { x: number; sum: bigint } {
  let x = 1;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    sum += (x ^ (x >>> 15)) >>> 0;
  }
  return { x, sum: BigInt(sum) };
}
const congruenceLoop = (count: string) => `
  li r20, 1
  li r21, 0
  mtctr ${count}
1:
  mullw r20, r20, r22
  add r20, r20, r23
  clrldi r20, r20, 32
  srwi r24, r20, 15
  xor r24, r24, r20
  add r21, r21, r24
  bdnz 1b`;

function collatz(limit: number): number {
  let steps = 0;
  for (let start = 1; start <= limit; start++) {
    for (let n = start; n !== 1; steps++) n = n % 2 === 0 ? n / 2 : 3 * n + 1;
  }
  return steps;
}

function primesBelow(limit: number): number {
  const composite = new Uint8Array(limit);
  let count = 0;
  for (let i = 2; i < limit; i++) {
    if (composite[i]) continue;
    count++;
    for (let j = 2 * i; j < limit; j += i) composite[j] = 1;
  }
  return count;
}

/** Counts primes below r15 in the bytes at r14: in r20. */
const sieve = `
  mtctr r15
  li r16, 0
  addi r17, r14, -1
1:
  stbu r16, 1(r17)
  bdnz 1b
  li r16, 2
  li r18, 1
  li r20, 0
2:
  lbzx r17, r14, r16
  cmpwi r17, 0
  bne 4f
  addi r20, r20, 1
  add r17, r16, r16
  b 5f
3:
  stbx r18, r14, r17
  add r17, r17, r16
5:
  cmpd r17, r15
  blt 3b
4:
  addi r16, r16, 1
  cmpd r16, r15
  blt 2b`;

const constants = (load: (register: string, value: number) => string) =>
  `${load("r22", 1664525)}\n${load("r23", 1013904223)}`;

export const hotLoops: SelfTest = {
  name: "hot loops",
  environment: "virtual",
  source: (t) => {
    const count = 250_000;
    const { x, sum } = congruence(count);
    const limit = 3000;
    const primes = 30_000;
    let float = 1;
    for (let i = 1; i <= 100_000; i++) float = float * 0.9999 + 1 / i;
    const lanes = [1, 2, 3, 4].map((start) => {
      let lane = start;
      for (let i = 0; i < 100_000; i++) lane = (Math.imul(lane, 1664525) + 1013904223) >>> 0;
      return BigInt(lane);
    });
    const fibonacci = (n: number): number => (n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2));
    return `
${constants(t.load.bind(t))}
${t.load("r25", count)}
${congruenceLoop("r25")}
${t.check("congruence: last", "r20", x)}
${t.check("congruence: sum", "r21", sum)}
# Branches: Collatz.
  li r20, 0
  li r14, 1
1:
  mr r15, r14
2:
  cmpdi r15, 1
  beq 4f
  addi r20, r20, 1
  andi. r16, r15, 1
  bne 3f
  srdi r15, r15, 1
  b 2b
3:
  mulli r15, r15, 3
  addi r15, r15, 1
  b 2b
4:
  addi r14, r14, 1
  cmpldi r14, ${limit}
  ble 1b
${t.check("steps of Collatz", "r20", collatz(limit))}
# Storage.
${t.load("r14", kernelData + 0x100000n)}
${t.load("r15", primes)}
${sieve}
${t.check("primes", "r20", primesBelow(primes))}
# Doubles.
${t.load("r14", bits(1))}
  mtvsrd vs1, r14
  mtvsrd vs4, r14
  xxlxor vs2, vs2, vs2
${t.load("r14", bits(0.9999))}
  mtvsrd vs3, r14
  xxlxor vs0, vs0, vs0
  mtfsf 255, f0
${t.load("r16", 100_000)}
  mtctr r16
5:
  fadd f2, f2, f4
  fmul f1, f1, f3
  fdiv f5, f4, f2
  fadd f1, f1, f5
  bdnz 5b
  mfvsrd r15, vs1
${t.check("sum of doubles", "r15", bits(float))}
  mffs f5
  mfvsrd r15, vs5
${t.check("its FPSCR", "r15", 0x82004000n, 0xfff9ffffn)}
# Vectors.
${t.load("r14", 0x0000000100000002n)}
${t.load("r15", 0x0000000300000004n)}
  mtvsrdd vs32, r14, r15
  mtvsrws vs33, r22
  mtvsrws vs34, r23
${t.load("r16", 100_000)}
  mtctr r16
6:
  vmuluwm v0, v0, v1
  vadduwm v0, v0, v2
  bdnz 6b
  mfvsrd r14, vs32
  mfvsrld r15, vs32
${t.check("lanes 0 and 1", "r14", ((lanes[0] ?? 0n) << 32n) | (lanes[1] ?? 0n))}
${t.check("lanes 2 and 3", "r15", ((lanes[2] ?? 0n) << 32n) | (lanes[3] ?? 0n))}
# Calls.
${t.load("r14", kernelData + 0x1f0000n)}
  li r3, 20
  bl hotFibonacci
  mr r20, r3
  b hotFibonacciEnd
hotFibonacci:
  cmpdi r3, 2
  bltlr
  mflr r0
  std r0, -8(r14)
  std r3, -16(r14)
  addi r14, r14, -32
  addi r3, r3, -1
  bl hotFibonacci
  std r3, 8(r14)
  ld r3, 16(r14)
  addi r3, r3, -2
  bl hotFibonacci
  ld r4, 8(r14)
  add r3, r3, r4
  addi r14, r14, 32
  ld r0, -8(r14)
  mtlr r0
  blr
hotFibonacciEnd:
${t.check("fibonacci(20)", "r20", fibonacci(20))}
# Reservations.
${t.load("r14", kernelData)}
  li r15, 0
  std r15, 0(r14)
${t.load("r16", 100_000)}
  mtctr r16
7:
  ldarx r15, 0, r14
  addi r15, r15, 3
  stdcx. r15, 0, r14
  bne- 7b
  bdnz 7b
  ld r20, 0(r14)
${t.check("sum by reservations", "r20", 300_000)}
# Carry through XER.
${t.load("r16", 100_000)}
  mtctr r16
  li r20, 0
  li r21, 0
${t.load("r15", 0xfedcba9876543210n)}
8:
  addc r20, r20, r15
  addze r21, r21
  bdnz 8b
${t.check("128 bits, low", "r20", (0xfedcba9876543210n * 100_000n) & 0xffffffffffffffffn)}
${t.check("128 bits, high", "r21", (0xfedcba9876543210n * 100_000n) >> 64n)}
`;
  },
};

/** Precise interrupts: the registers of a translated loop are as the interrupted instruction found them. */
export const disturbedLoops: SelfTest = {
  name: "hot loops interrupted",
  environment: "virtual",
  source: (t) => {
    const count = 250_000;
    const { x, sum } = congruence(count);
    const resume = t.label("resume");
    const page = PTE.valid | PTE.leaf | PTE.write | PTE.referenced | PTE.changed;
    const set = (value: bigint, address: number) => `${t.load("r3", value)}\n${t.load("r4", address)}\n  bl setEntry`;
    const words = 8192;
    return `
# The decrementer interrupts it often, and it must not notice.
${constants(t.load.bind(t))}
${t.load("r25", count)}
  li r14, ${areaFields.PERIOD}
  lis r15, 1
  stdx r15, r13, r14
  mtdec r15
  mfmsr r15
  ori r16, r15, ${MSR.EE}
  mtmsrd r16
${congruenceLoop("r25")}
  mtmsrd r15
  li r15, 0
  stdx r15, r13, r14
  lis r15, 0x7fff
  mtdec r15
${t.check("last", "r20", x)}
${t.check("sum", "r21", sum)}
  ld r15, ${areaFields.COUNT}(r13)
  subfic r15, r15, 0
  srdi r15, r15, 63
${t.check("the decrementer interrupted it", "r15", 1)}
# A page goes while a loop over it is hot.
${set(PTE.valid | BigInt(table(4)) | 9n, table(3) + 8 * (small >> 21))}
${[...Array(16).keys()].map((i) => set(page | BigInt(data + 0x100000 + 0x1000 * i), table(4) + 8 * i)).join("\n")}
  li r26, 0
1:
${t.load("r14", small - 4)}
${t.load("r16", words)}
  mtctr r16
  li r20, 0
  li r21, 7
2:
  addi r21, r21, 3
  stwu r21, 4(r14)
  lwz r17, 0(r14)
  add r20, r20, r17
  xor r22, r20, r21
  bdnz 2b
  addi r26, r26, 1
  cmpwi r26, 30
  blt 1b
  mr r27, r20
${t.check("sum over pages", "r27", BigInt(words) * 7n + (3n * BigInt(words) * BigInt(words + 1)) / 2n)}
${set(0n, table(4) + 8 * 5)}
${t.load("r4", small + 0x5000)}
${t.load("r5", 1n << 32n)}
  ptesync
  tlbie r4, r5, 0, 1, 1
  eieio
  tlbsync
  ptesync
${t.expectInterrupt(resume)}
${t.load("r14", small - 4)}
${t.load("r16", words)}
  mtctr r16
  li r20, 0
  li r21, 7
3:
  addi r21, r21, 3
disturbedStore:
  stwu r21, 4(r14)
  lwz r17, 0(r14)
  add r20, r20, r17
  xor r22, r20, r21
  bdnz 3b
${resume}:
  mfctr r23
${t.checkArea("page gone: vector", "VECTOR", 0x300)}
${t.checkArea("page gone: SRR0", "SRR0", "disturbedStore")}
${t.checkArea("page gone: DAR", "DAR", small + 0x5000)}
${t.checkArea("page gone: DSISR", "DSISR", 0x42000000)}
${t.check("page gone: base register", "r14", small + 0x4ffc)}
${t.check("page gone: what was to be stored", "r21", 7 + 3 * (0x5000 / 4 + 1))}
${t.check("page gone: sum", "r20", 7 * 5120 + (3 * 5120 * 5121) / 2)}
${t.check("page gone: CTR", "r23", words - 5120)}
${set(page | BigInt(data + 0x105000), table(4) + 8 * 5)}
# A trap in the middle of a hot loop.
  li r20, 0
${t.load("r16", 200_000)}
  mtctr r16
${t.load("r17", 190_000)}
${t.expectInterrupt("disturbedTrapped")}
4:
  addi r20, r20, 2
disturbedTrap:
  tdlgt r20, r17
  addi r20, r20, -1
  bdnz 4b
disturbedTrapped:
  mfctr r21
${t.checkArea("trap: vector", "VECTOR", 0x700)}
${t.checkArea("trap: SRR0", "SRR0", "disturbedTrap")}
${t.check("trap: register", "r20", 190_001)}
${t.check("trap: CTR", "r21", 200_000 - 189_999)}
# A hot loop in a process, then the same addresses in another with other data.
${set(PTE.valid | BigInt(table(8)) | 9n, table(7) + 8 * (small >> 21))}
${[...Array(16).keys()].map((i) => set(page | BigInt(data + 0x140000 + 0x1000 * i), table(8) + 8 * i)).join("\n")}
${t.load("r14", kernelData + 0x140000n)}
  li r15, 0
  li r16, 0
5:
  stwx r15, r14, r16
  addi r16, r16, 4
  cmpldi r16, 0x8000
  blt 5b
  li r26, 0
  li r21, 0
6:
  clrldi r16, r26, 63
  addi r16, r16, 1
  mtspr 48, r16
  isync
${t.load("r14", small - 4)}
${t.load("r16", words)}
  mtctr r16
  li r20, 0
7:
  lwzu r17, 4(r14)
  add r20, r20, r17
  bdnz 7b
  cmpldi r20, 0
  bne 8f
  addi r21, r21, 1
8:
  addi r26, r26, 1
  cmpwi r26, 20
  blt 6b
  li r16, 1
  mtspr 48, r16
  isync
${t.check("processes kept apart in a hot loop", "r21", 10)}
`;
  },
};
