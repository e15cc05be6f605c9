/** Processors that this machine can have, as their device tree nodes describe them. */

import type { PropertyValue } from "../../devicetree/tree.js";
import { ChoiceError } from "../../errors.js";

export interface CpuModel {
  readonly name: string;
  /** Processor Version Register. */
  readonly pvr: number;
  /** The logical version that the partition is told: the architecture level, without the chip's own quirks. */
  readonly logicalPvr: number;
  /** Whether it has radix translation (the guest may still want a hashed page table). */
  readonly radix: boolean;
  /** Whether it has a XIVE. */
  readonly xive: boolean;
  /** Properties of each CPU's node that depend on the model. */
  readonly properties: Readonly<Record<string, PropertyValue>>;
}

/** Ticks of the time base per second, the same in every POWER processor since POWER6. */
export const timebaseFrequency = 512_000_000;

/**
 * Attribute bits by byte, most significant bit first; bytes not named are 0. What is absent here and present in the
 * processor: transactional memory (byte 22).
 * Source: LoPAPR, "CPU Node Properties", ibm,pa-features.
 */
function processorAttributes(bytes: Readonly<Record<number, number>>, length: number): Uint8Array {
  const encoded = new Uint8Array(length + 2);
  encoded[0] = length;
  for (const [index, value] of Object.entries(bytes)) encoded[Number(index) + 2] = value;
  return encoded;
}

/** Of every processor here. */
const common = {
  // Segment page size shift, its SLB encoding, number of actual page sizes, each with its PTE encoding.
  "ibm,segment-page-sizes": [12, 0, 1, 12, 0, 16, 0x110, 1, 16, 1, 24, 0x100, 1, 24, 0],
  "ibm,processor-segment-sizes": [28, 40, 0xffffffff, 0xffffffff],
  // 2: VMX and VSX.
  "ibm,vmx": 2,
  "ibm,dfp": 1,
  "ibm,purr": 1,
  "ibm,spurr": 1,
  "ibm,slb-size": 32,
  "slb-size": 32,
  "64-bit": true,
  "d-cache-size": 32768,
  "i-cache-size": 32768,
  "d-cache-line-size": 128,
  "i-cache-line-size": 128,
  "d-cache-block-size": 128,
  "i-cache-block-size": 128,
} as const;

/** Floating point, SLB, CTRL, no-execute, large pages uncached, real mode LE and what older kernels ask for. */
const basicAttributes = { 0: 0xf6, 1: 0x3f, 2: 0xc7, 3: 0xc0, 4: 0x80, 5: 0xf0, 6: 0x80 };

const power8: CpuModel = {
  name: "POWER8",
  pvr: 0x004d_0200,
  logicalPvr: 0x0f00_0004,
  radix: false,
  xive: false,
  properties: {
    // Vectors, vector-scalar, vector XOR. Its decrementer has 32 bits.
    "ibm,pa-features": processorAttributes({ ...basicAttributes, 1: 0x1f, 16: 0x80, 18: 0x80, 20: 0x80 }, 24),
    ...common,
  },
};

const power9: CpuModel = {
  name: "POWER9",
  pvr: 0x004e_1200,
  logicalPvr: 0x0f00_0005,
  radix: true,
  xive: true,
  properties: {
    "ibm,pa-features": processorAttributes(
      {
        ...basicAttributes,
        // Vectors, vector-scalar, vector XOR.
        ...{ 16: 0x80, 18: 0x80, 20: 0x80 },
        // Large decrementer, 64-bit features, power management, move to and from registers, little-endian atomics.
        ...{ 24: 0x80, 26: 0x80, 28: 0x80, 30: 0x80, 32: 0x80 },
        // Event-based branches, strong access ordering, copy and paste, radix trees.
        ...{ 34: 0xc0, 36: 0x80, 38: 0x80, 40: 0x80 },
        // Performance monitor, PC-relative, scv; SIMD, quad-precision, strings.
        ...{ 42: 0x80, 44: 0x80, 46: 0x80, 48: 0x80, 50: 0x80, 52: 0x80 },
        // Decimal floating point and integers, SHA, near-memory atomics, random numbers.
        ...{ 54: 0x80, 56: 0x80, 58: 0x80, 60: 0x80, 62: 0x80 },
      },
      66,
    ),
    ...common,
    // Of the large decrementer.
    "ibm,dec-bits": 56,
  },
};

/** What v3.1 brought is told by the version alone: prefixed instructions, the accumulators. No second watchpoint register. */
const power10: CpuModel = {
  ...power9,
  name: "POWER10",
  pvr: 0x0080_0200,
  logicalPvr: 0x0f00_0006,
};

const models: readonly CpuModel[] = [power8, power9, power10];

export const defaultCpuModel = power9;

/** Names for `--cpu`. */
export const cpuModelNames: readonly string[] = models.map((model) => model.name);

/** By name, in any case. Throws VmmError listing the names there are. */
export function cpuModel(name: string): CpuModel {
  const model = models.find((one) => one.name.toLowerCase() === name.toLowerCase());
  if (!model) throw new ChoiceError(`there is no CPU model "${name}"; there is ${cpuModelNames.join(", ")}`);
  return model;
}
