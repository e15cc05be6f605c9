/** Random numbers with a seed, and operand values that find mistakes: edges, special floating-point numbers, patterns. */

/** xoshiro128**, seeded through splitmix32: the same seed gives the same cases everywhere. */
export class Random {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    let x = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      this.#state[i] = z ^ (z >>> 16);
    }
  }

  /** 32 bits, unsigned. */
  u32(): number {
    const s = this.#state;
    const [a, b, c, d] = s as unknown as [number, number, number, number];
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    s[2] = c ^ a;
    s[3] = d ^ b;
    s[1] = b ^ (s[2] as number);
    s[0] = a ^ (s[3] as number);
    s[2] = (s[2] as number) ^ (b << 9);
    const e = s[3] as number;
    s[3] = (e << 11) | (e >>> 21);
    return result >>> 0;
  }

  /** 0 to count - 1. */
  below(count: number): number {
    return Math.floor((this.u32() / 2 ** 32) * count);
  }

  chance(probability: number): boolean {
    return this.u32() < probability * 2 ** 32;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
}

const mask64 = (1n << 64n) - 1n;

const integerEdges: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  15n,
  16n,
  31n,
  32n,
  33n,
  63n,
  64n,
  65n,
  127n,
  128n,
  255n,
  256n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x10000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0x8000_0001n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x8000_0000_0000_0001n,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_7fff_ffffn,
  0xffff_ffff_0000_0000n,
  0x8000_0000_8000_0000n,
  0x7fff_ffff_8000_0000n,
];

/** A general register's value. */
export function integer(random: Random): bigint {
  switch (random.below(8)) {
    case 0:
    case 1:
      return random.pick(integerEdges);
    case 2:
      return -random.pick(integerEdges) & mask64;
    case 3:
      return BigInt(random.below(64) - 32) & mask64;
    case 4:
      return random.u64() >> BigInt(random.below(64));
    case 5:
      return BigInt(random.u32() | 0) & mask64;
    default:
      return random.u64();
  }
}

const doubleBits = (() => {
  const view = new DataView(new ArrayBuffer(8));
  return (value: number) => {
    view.setFloat64(0, value);
    return view.getBigUint64(0);
  };
})();
const singleBits = (() => {
  const view = new DataView(new ArrayBuffer(4));
  return (value: number) => {
    view.setFloat32(0, value);
    return view.getUint32(0);
  };
})();

const doubleEdges: readonly bigint[] = [
  0x0000_0000_0000_0000n, // zero
  0x7ff0_0000_0000_0000n, // infinity
  0x7ff8_0000_0000_0000n, // quiet NaN
  0x7ffc_dead_beef_0001n,
  0x7ff0_0000_0000_0001n, // signalling NaN
  0x7ff4_0000_2000_0000n,
  0x0000_0000_0000_0001n, // denormals
  0x000f_ffff_ffff_ffffn,
  0x0008_0000_0000_0000n,
  0x0010_0000_0000_0000n, // least normal
  0x0010_0000_0000_0001n,
  0x7fef_ffff_ffff_ffffn, // greatest
  0x3ff0_0000_0000_0000n, // 1
  0x3ff0_0000_0000_0001n,
  0x3fef_ffff_ffff_ffffn,
  0x3fe0_0000_0000_0000n, // 0.5
  0x4330_0000_0000_0000n, // 2^52
  0x4340_0000_0000_0000n, // 2^53
  0x41df_ffff_ffc0_0000n, // 2^31 - 1
  0x41e0_0000_0000_0000n, // 2^31
  0x41ef_ffff_ffe0_0000n, // 2^32 - 1
  0x43e0_0000_0000_0000n, // 2^63
  0x43df_ffff_ffff_ffffn,
  0x43f0_0000_0000_0000n, // 2^64
  0x47ef_ffff_e000_0000n, // greatest single
  0x47ef_ffff_f000_0000n, // rounds to infinity as a single
  0x3810_0000_0000_0000n, // least normal single
  0x380f_ffff_ffff_ffffn,
  0x3690_0000_0000_0000n, // half the least single denormal
  0x36a0_0000_0000_0000n,
];

/** A double's bits. */
export function double(random: Random): bigint {
  const sign = random.chance(0.4) ? 1n << 63n : 0n;
  switch (random.below(9)) {
    case 0:
    case 1:
      return random.pick(doubleEdges) ^ sign;
    case 2:
      return doubleBits(random.below(40) - 20 + random.below(4) / 4);
    case 3: // exponents near each other: cancellation, and products that lose bits
      return sign | (BigInt(1020 + random.below(8)) << 52n) | (random.u64() >> 12n);
    case 4: // representable as a single
      return sign | doubleBits(Math.fround(random.below(2 ** 24) * 2 ** (random.below(60) - 40)));
    case 5: // close to a single's rounding boundary
      return sign | (BigInt(1000 + random.below(50)) << 52n) | ((random.u64() >> 12n) & ~0x1fff_ffffn) | 0x1000_0000n;
    case 6: // near the ends of the exponent range, of doubles and of singles
      return (
        sign |
        (BigInt(random.pick([0, 1, 2, 50, 52, 2045, 2046, 870, 874, 896, 897, 1150, 1151])) << 52n) |
        (random.u64() >> 12n)
      );
    case 7: // integers and halves of every size
      return (
        sign |
        (BigInt(1022 + random.below(66)) << 52n) |
        ((random.u64() >> 12n) & -(1n << BigInt(random.below(53))) & ((1n << 52n) - 1n))
      );
    default:
      return random.u64();
  }
}

const singleEdges = [
  0, 0x7f800000, 0x7fc00000, 0x7fc12345, 0x7f800001, 0x7fa00000, 1, 0x007fffff, 0x00800000, 0x7f7fffff, 0x3f800000,
  0x3f800001, 0x3f7fffff, 0x3f000000, 0x4b000000, 0x4b800000, 0x4f000000, 0x4effffff, 0x4f800000, 0x5f000000,
] as const;

/** A single's bits. */
export function single(random: Random): number {
  const sign = random.chance(0.4) ? 0x80000000 : 0;
  switch (random.below(6)) {
    case 0:
    case 1:
      return (random.pick(singleEdges) | sign) >>> 0;
    case 2:
      return singleBits(random.below(40) - 20 + random.below(4) / 4);
    case 3:
      return (sign | ((124 + random.below(8)) << 23) | (random.u32() >>> 9)) >>> 0;
    case 4:
      return (sign | ((126 + random.below(40)) << 23) | ((random.u32() >>> 9) & (-1 << random.below(24)))) >>> 0;
    default:
      return random.u32();
  }
}

/** What a vector register may hold. */
export type Flavour =
  | "double"
  | "single"
  | "integer"
  | "bytes"
  | "decimal"
  | "digits"
  | "national"
  | "zoned"
  | "wide"
  | "random"
  | "half"
  | "quad";

/** Decimal digits, up to `count`, in 4 bits each: often few, or many nines, or zeros at the end. */
function digits(random: Random, count: number): bigint {
  let value = 0n;
  const nines = random.chance(0.1) ? 0.95 : 0.3;
  for (let left = random.below(count + 1); left > 0; left--) {
    value = (value << 4n) | BigInt(random.chance(nines) ? 9 : random.below(10));
  }
  const zeros = random.chance(0.2) ? random.below(count) : 0;
  return BigInt.asUintN(4 * count, value << BigInt(4 * zeros));
}

/** A vector-scalar register's two doublewords, the more significant first. */
export function vector(random: Random, flavour: Flavour): [bigint, bigint] {
  const pair = (low: () => bigint): [bigint, bigint] => [low(), low()];
  switch (flavour) {
    case "double":
      return pair(() => double(random));
    case "single": {
      // A scalar single may stand in double format, or twice in a doubleword.
      return pair(() => (BigInt(single(random)) << 32n) | BigInt(single(random)));
    }
    case "integer":
      return pair(() => {
        if (random.chance(0.5)) return integer(random);
        const word = () => BigInt.asUintN(32, integer(random));
        return (word() << 32n) | word();
      });
    case "bytes": {
      const size = random.pick([8, 16]);
      const edges = size === 8 ? [0, 1, 0x7f, 0x80, 0x81, 0xff, 0xfe] : [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0xfffe];
      return pair(() => {
        let value = 0n;
        for (let i = 0; i < 64 / size; i++) {
          const lane = random.chance(0.5) ? random.pick(edges) : random.below(2 ** size);
          value = (value << BigInt(size)) | BigInt(lane);
        }
        return value;
      });
    }
    case "half":
      return pair(() => {
        let value = 0n;
        const edges = [0, 0x8000, 0x7c00, 0xfc00, 0x7e00, 0x7d00, 1, 0x3ff, 0x400, 0x7bff, 0x3c00];
        for (let i = 0; i < 4; i++) {
          value = (value << 16n) | BigInt(random.chance(0.5) ? random.pick(edges) : random.below(65536));
        }
        return value;
      });
    case "digits": {
      let value = digits(random, 32);
      if (random.chance(0.04)) value |= BigInt(10 + random.below(6)) << BigInt(4 * random.below(32));
      return [value >> 64n, value & mask64];
    }
    case "decimal": {
      const sign = random.chance(0.9) ? random.pick([0xan, 0xbn, 0xcn, 0xdn, 0xen, 0xfn]) : BigInt(random.below(10));
      let value = (digits(random, 31) << 4n) | sign;
      // A digit that is none, anywhere.
      if (random.chance(0.04)) value |= BigInt(10 + random.below(6)) << BigInt(4 * random.below(32));
      return [value >> 64n, value & mask64];
    }
    case "national":
    case "zoned": {
      const [width, zones] = flavour === "national" ? [16, [3n]] : [8, [3n, 0xfn]];
      const count = 128 / width;
      const zone = random.pick(zones);
      const decimal = digits(random, count);
      let value = 0n;
      for (let i = count - 1; i >= 0; i--) {
        value = (value << BigInt(width)) | (zone << 4n) | ((decimal >> BigInt(4 * i)) & 15n);
      }
      // The sign is a last character, or the zone of the last digit.
      if (flavour === "national") value = (value & ~0xffffn) | random.pick([0x2bn, 0x2dn, 0x2cn, 0x12bn]);
      else value = (value & ~0xf0n) | (BigInt(random.below(16)) << 4n);
      if (random.chance(0.1)) value ^= 1n << BigInt(random.below(128));
      return [value >> 64n, value & mask64];
    }
    case "wide": {
      const limit = 10n ** 31n;
      const value = random.chance(0.2)
        ? limit - 2n + BigInt(random.below(4))
        : ((random.u64() << 64n) | random.u64()) >> BigInt(random.below(128));
      const signed = BigInt.asUintN(128, random.chance(0.5) ? -value : value);
      return [signed >> 64n, signed & mask64];
    }
    case "quad": {
      const sign = random.chance(0.4) ? 1n << 63n : 0n;
      const exponent = random.pick([
        0,
        1,
        2,
        16383,
        16384,
        16382,
        16400,
        32766,
        32767,
        16383 + random.below(130),
        random.below(32768),
      ]);
      const fraction = random.pick([0n, random.u64() & 0xffff_ffff_ffffn, 0x8000_0000_0000n, 1n, 0xffff_ffff_ffffn]);
      const low = random.pick([0n, random.u64(), 1n, mask64, 1n << 63n]);
      return [sign | (BigInt(exponent) << 48n) | fraction, low];
    }
    default:
      return pair(() => random.u64());
  }
}
