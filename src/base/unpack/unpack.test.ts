/** Against those who pack, and against who damages. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { missing } from "../../../test/oracles/oracles.js";
import { random } from "../../vfio/random.test-support.js";
import { crc32, crc64 } from "./checksums.js";
import { inflate } from "./inflate.js";
import { unlz4 } from "./lz4.js";
import { unlzma } from "./lzma.js";
import { UnpackError } from "./output.js";
import { unxz } from "./xz.js";

const limit = 1 << 20;
const text = new TextEncoder();

/** What looks like code of x86: calls, among bytes that look like parts of calls. */
function code(below: (count: number) => number, size: number): Uint8Array {
  const parts = [0xe8, 0xe9, 0, 0xff, 0xe8, 0, 0xff, 1, 0xfe, 0x48, 0x4b];
  return Uint8Array.from({ length: size }, () => (below(4) > 0 ? (parts[below(parts.length)] as number) : below(256)));
}

function pack(program: string, args: readonly string[], data: Uint8Array): Uint8Array {
  const { stdout, status, stderr } = spawnSync(program, ["-c", ...args], { input: data, maxBuffer: 1 << 26 });
  assert.equal(status, 0, stderr.toString());
  return new Uint8Array(stdout);
}

const skip = missing("packers");
const ways: readonly (readonly [program: string, args: readonly string[], unpack: typeof unxz])[] = [
  ["xz", ["--check=crc32", "--x86", "--lzma2=dict=1MiB"], unxz],
  ["xz", ["--powerpc=start=4096", "--x86", "--lzma2=lc=1,lp=2,pb=1"], unxz],
  ["xz", ["--check=crc64", "--lzma2=pb=4,lc=0,lp=4"], unxz],
  ["xz", ["--check=none", "-0"], unxz],
  ["xz", ["--block-size=5000", "-T2"], unxz],
  ["xz", ["--format=lzma", "-1"], unlzma],
  ["lz4", ["-l", "-9"], unlz4],
  ["lz4", ["-l", "-1"], unlz4],
];

for (const [program, args, unpack] of ways) {
  test(`what ${program} ${args.join(" ")} packs comes out, of any size`, { skip }, () => {
    const below = random(7);
    const sizes = [0, 1, 5, 6, 1000, 70_000, 150_000];
    for (const size of sizes.filter((one) => one > 0 || program === "xz")) {
      const data = code(below, size);
      assert.deepEqual(Buffer.from(unpack(pack(program, args, data), limit)), Buffer.from(data), `${size} bytes`);
    }
    const repeats = text.encode("all work and no play ".repeat(9000));
    assert.deepEqual(Buffer.from(unpack(pack(program, args, repeats), limit)), Buffer.from(repeats));
    assert.throws(() => unpack(pack(program, args, repeats), repeats.length - 1), refused("larger"));
    assert.equal(unpack(pack(program, args, repeats), repeats.length).length, repeats.length);
  });
}

const refused =
  (wanted: UnpackError["code"], message = /./) =>
  (error: unknown) =>
    error instanceof UnpackError && error.code === wanted && message.test(error.message);

test("streams follow one another, with padding between them", { skip }, () => {
  const one = pack("xz", [], text.encode("one"));
  const two = pack("xz", ["--check=crc32"], text.encode("two"));
  assert.equal(Buffer.from(unxz(Buffer.concat([one, Buffer.alloc(8), two]), limit)).toString(), "onetwo");
  assert.throws(() => unxz(Buffer.concat([one, Buffer.alloc(3)]), limit), refused("damaged"));
});

test("what is not known here is named", { skip }, () => {
  const data = text.encode("data");
  for (const [args, message] of [
    [["--check=sha256"], /check is SHA-256.*--check=crc32/],
    [["--arm", "--lzma2"], /xz's filter 7/],
  ] as const)
    assert.throws(() => unxz(pack("xz", args, data), limit), refused("unsupported", message));
});

test("checksums are those of the standards", () => {
  const digits = text.encode("123456789");
  assert.equal(crc32(digits), 0xcbf43926);
  assert.equal(crc64(digits), 0x995dc9bbdf1939fan);
});

/** `original`, packed by their own programs. */
const packed = {
  xz: Buffer.from(
    "/Td6WFoAAAFpIt42AgEEACEBFgANhjUf4AfPAw9dAHQBPBk99LR422frRpR8xDLgsf/H+K60T95lT53/SCFvA/1RuDW4o5Y2GMw29sgNt/vF8mx5/713nGiXlbjXMD+jbfxrUyORo5Xh/TVT3PK0Ew9Z8BZDpnv4is0IZhcoDy/QL1gySTH86ZAfyv2NCl48aMDeVurMSdhHn8Jb/8+ZMT06lpWMqo3wOmjh6ieEEsvmo3FFdTnlawUzPAqaKPbpbliqSqW5p7Zx8VQhuxb8P+rrlTYpOaTi/upcVyLdMe1Fd9r+S4VTDEJ5w2fxgJlPVFDG+rLGVFb7zUPvIc6QPnz6MfBBbWPrMnTXyFZNg1Gk5vQt15gQ3sBO7aLWOkNF51FxCXppQb+VcYlwsZ/8bBjcYQtVx4qX/FiL5CKD7/qw5wPumEs1RVmsgKXnG/aUpOKAFjEvOHtv2oiWxcg/j6CNFI10ON+U5YYaznQbm/RdCFtXQgpFgaN4LJD92rhYLIyDhiu/gsGBHye7eKi6UQVUGJPGqFG/R9Zbx0jXmg4eEodjAUV2V3DqH6bH2g5lS5fF6NeaAkj57/Q55JBPZa2wFrUpYJWU/Oi/xjSbLNHIb/xgQno+qOt/z6ymoXyXsb4HP0idW/HVUuInlQZUgqNvV1Zoa4e4R6J7GcJty0GPU6XUW60hGJcmdEizv1kpOHrM2J3kYpZzDjeDJJK3qEgY3+l6s6MUVYbMfgxJ7QMOQKFpIO0rKypwpV0Kj8rw3282FZtB8zLnjOnog6c2zRKyebeIuvCs/h0byVXF2ii3kFUpYC/hXcoNsdSgTW9oIhQqztLMV8c5Rik7KBYzxo+Ie3s0WnpqE3ha9r8rQv0QPI3FlqaT5okmi8apXM/VSJ8HGEzxtoiN9N9MMIm0afj3kErVWcMU6vr+02Js7FPu2Q9MyIBVjoTxzeNgXpMCtgtL8bwuxwrQkjTieVZqsKikv3twzzCWAUqIaayM+8cIUO6UYPa5dT5aNdMQ3Dtuod12fCoADGV00uAXKcaVSKqUWi6zE/dbtuI41pxCd5vdpwkFAnDhtThv9pQozQAAm9sypwABpwbQDwAAj/4EZT4wDYsCAAAAAAFZWg==",
    "base64",
  ),
  lzma: Buffer.from(
    "XQAAgAD//////////wB0ADBlEAEA4MC9m7MtoXzW5g1OzPwEsxtk0Ersfkard7ocbVH7Vq0H9Ym6Dc/Qs4csRUNrxruDqVSx9sqV3l/vq5+rM+KlfLKCrYJVtON3q/QC9jb6goSSXugxK9esvkzchsdUUydGGebJb6fkFg77GaMRUfJXRMBcfl8LoEdouTcrzGHvwxsNzgPrh70Z0aiLcXAgm2is0MnjSuD5N8+nw7Ln/oP0j3eGPtG1vy9H9QjvAx5+72Lt7nqdXGZ+t9NorAR+IY/lpNg8SMU0PJpzQ0OXW5x1XrlVi7pmk7KXtcOh4d/24iItZFeL5nKT0atSJFzm9N2xgKiu+qf6NR6//c6CotkU3DP0+9puAvTnifpq7KoUttFG7EcShqQ92KzZhCydCs61Cxto2HA+asjcivlySNZ4Z4qcw7EzYxsrEFxrY9H+MgCY",
    "base64",
  ),
  lz4: Buffer.from(
    "AiFMGCACAABT6AAAAAAFAPABAQEA6AICAgDoAwMAAOgBAQoAABkAMwICAw8AMwABAigAAQoAEAEZABACLQAzAwABDwACCgAAFAAQAA8AIAABFAABSwAjAQMUACABAlUAEABLAAoKAAEjADMCAAMUAAIKAAJBAABQACMDARQAIAMCCgAAFAAQAQ8AMwADAhQAEgO+AABQABEDtAATABQAJAAACgARAb4ALwAABQAAAcMAAUEAEwPmAAIJARQC9QApAwAFAAwEASMBAgoAAvUAAsMAAKoAFQMFACMAAigAHwAEAQA0AQMBCQEFBQAzAAIB+gAB6wABFAA/AQMCBAEDFgD6AAI7ARMBDgEzAQAACgAfAv8ABwT0ATMCAwMOAQEKAAMIAgQOAQHhAAb0AQgEAQG+AAkDAiUBAggCIwID3AAB5gAP/gEBAeoBAwkBBQUABQgCAwMCAcMACfQBBgQBBwUAEQG3AhkBCAIjAwMUAB8B/wAHEwHuAhUA+AIGCAIBDgECDAMvAgMEAQMB9AEC/QIG+AIkAAL5ARYABwMPAgMBAcECBQcDBfgCAggCBwMCBAoADAQBIwEACgAC+QEC+AIECAIBCQEB3gMvAQH/AAsE9wMC+AIGCAIjAgMUAAESAg8EAQEI/QIE8wIGCAIBCgAfAv4BBgX5AQHrAAf4AgIIAgsDAh8ABAEAEwHgASkDAvgCAggCAQkBDgEEDwAF//+6UOgBAAMA",
    "base64",
  ),
};
const original = Buffer.from(
  Array.from({ length: 2000 }, (_, i) => (i % 5 === 0 ? 0xe8 : i % 5 === 4 ? 0 : ((i * i) >> 7) & 3)),
);

for (const [name, unpack] of Object.entries({ xz: unxz, lzma: unlzma, lz4: unlz4 })) {
  const file = packed[name as keyof typeof packed];

  test(`${name}: whatever is done to the file, it is refused in words or comes out within the limit`, () => {
    assert.deepEqual(Buffer.from(unpack(file, 2000)), original);
    const below = random(11);
    let refusals = 0;
    const attempt = (changed: Uint8Array, what: string): void => {
      try {
        const made = unpack(changed, 4000);
        assert.ok(made.length <= 4000, what);
        // All of an xz file is under checksums.
        if (name === "xz" && made.length > 0) assert.deepEqual(Buffer.from(made), original, what);
      } catch (error) {
        assert.ok(error instanceof UnpackError, `${what}: ${error}`);
        refusals++;
      }
    };
    for (let length = 0; length < file.length; length++) attempt(file.subarray(0, length), `cut to ${length}`);
    for (let round = 0; round < 2000; round++) {
      const changed = Uint8Array.from(file);
      for (let i = below(4); i >= 0; i--) changed[below(changed.length)] = below(3) > 0 ? below(256) : 255 * below(2);
      attempt(changed, `round ${round}`);
    }
    assert.ok(refusals > 1000, `${refusals} refusals`);
  });
}

/** What comes out by either way, or that it is refused. */
const outcome = (body: () => Uint8Array): string => {
  try {
    return Buffer.from(body()).toString("latin1");
  } catch (error) {
    assert.ok(error instanceof UnpackError || (error as NodeJS.ErrnoException).code !== undefined, String(error));
    return "refused";
  }
};
const inflated = (packed: Uint8Array, length: number) =>
  outcome(() => {
    const into = new Uint8Array(length);
    inflate(packed, into);
    return into;
  });
const byZlib = (packed: Uint8Array, length: number) =>
  outcome(() => {
    const bytes = inflateRawSync(packed, { maxOutputLength: Math.max(1, length) });
    if (bytes.length === length) return bytes;
    throw new UnpackError("damaged", "of another length");
  });

const deflates = [
  { level: 0 },
  { level: 1, memLevel: 1 },
  { level: 9 },
  ...[constants.Z_FIXED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE].map((strategy) => ({ level: 6, strategy })),
];

test("what zlib deflates in any way comes out, whatever follows it", () => {
  const below = random(5);
  for (const options of deflates) {
    for (const size of [0, 1, 2, 300, 4096, 65_536, 200_000]) {
      const kinds = [
        code(below, size),
        new Uint8Array(size).fill(7),
        Uint8Array.from({ length: size }, () => below(256)),
      ];
      for (const data of kinds) {
        const packed = Buffer.concat([deflateRawSync(data, options), Buffer.from([0, 255, below(256)])]);
        assert.equal(inflated(packed, size), Buffer.from(data).toString("latin1"), JSON.stringify([options, size]));
        assert.equal(inflated(packed, size + 1), "refused");
        if (size > 0) assert.equal(inflated(packed, size - 1), "refused");
      }
    }
  }
});

test("4,000 streams of deflate with bits changed or their end cut off are to us what they are to zlib", () => {
  const counts = { whole: 0, refused: 0 };
  for (let seed = 0; seed < 4000; seed++) {
    const below = random(seed);
    const data = code(below, 1 + below(600));
    const packed = Uint8Array.from(deflateRawSync(data, deflates[seed % deflates.length]));
    const length = below(8) === 0 ? below(packed.length) : packed.length;
    // Where the codes are told, mostly.
    for (let i = below(3); i > 0; i--) {
      const at = below(below(2) === 0 ? packed.length : Math.min(40, packed.length));
      packed[at] = (packed[at] as number) ^ (1 << below(8));
    }
    const ours = inflated(packed.subarray(0, length), data.length);
    assert.equal(ours, byZlib(packed.subarray(0, length), data.length), `seed ${seed}`);
    counts[ours === "refused" ? "refused" : "whole"]++;
  }
  assert.ok(counts.whole > 500 && counts.refused > 500, JSON.stringify(counts));
});
