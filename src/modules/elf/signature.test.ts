import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesSource } from "./bytes.js";
import { signatureFields } from "./signature.js";

const encoder = new TextEncoder();
const bytes = (...parts: (readonly number[] | Uint8Array)[]) => new Uint8Array(parts.flatMap((part) => [...part]));
const der = (tag: number, ...parts: (readonly number[] | Uint8Array)[]) => {
  const content = bytes(...parts);
  const length = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 255];
  return bytes([tag], length, content);
};
const text = (value: string) => der(0x0c, encoder.encode(value));

function signed(kind: number, signature: Uint8Array, { algorithm = 1, hash = 4, before = new Uint8Array() } = {}) {
  const length = [0, 0, signature.length >> 8, signature.length & 255];
  const [signer, key] = before.length > 0 ? [3, before.length - 3] : [0, 0];
  const trailer = [algorithm, hash, kind, signer, key, 0, 0, 0, ...length];
  return bytesSource(
    bytes(encoder.encode("ELF..."), before, signature, trailer, encoder.encode("~Module signature appended~\n")),
  );
}

const name = der(
  0x30,
  der(0x31, der(0x30, der(6, [0x55, 4, 10]), text("Org"))),
  der(0x31, der(0x30, der(6, [0x55, 4, 3]), text("Key of a test"))),
);
const sha256 = der(0x30, der(6, [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]), der(5));
const signerInfo = der(
  0x30,
  der(2, [1]),
  der(0x30, name, der(2, [0, 0xab, 0xcd])),
  sha256,
  der(0x30, der(6, [0x2a, 3])),
  der(
    4,
    Array.from({ length: 21 }, (_, index) => index),
  ),
);
const signedData = der(0x30, der(2, [1]), der(0x31, sha256), der(0x30, der(6, [0x2a])), der(0x31, signerInfo));
const pkcs7 = der(0x30, der(6, [0x2a, 0x86]), der(0xa0, signedData));

test("a PKCS#7 signature shows who, which key, which digest, and itself, twenty bytes a line", () => {
  assert.deepEqual(signatureFields(signed(2, pkcs7)), [
    ["sig_id", "PKCS#7"],
    ["signer", "Key of a test"],
    ["sig_key", "AB:CD"],
    ["sig_hashalgo", "sha256"],
    ["signature", "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:\n\t\t14"],
  ]);
});

test("an older signature names its signer before it", () => {
  const before = bytes(encoder.encode("Bob"), [1, 2]);
  assert.deepEqual(signatureFields(signed(1, new Uint8Array([9]), { before })), [
    ["sig_id", "X509"],
    ["signer", "Bob"],
    ["sig_key", "01:02"],
    ["sig_hashalgo", "sha256"],
    ["signature", "09"],
  ]);
});

test("a signature that cannot be read is none", () => {
  assert.deepEqual(signatureFields(bytesSource(encoder.encode("~Module signature appended~\n"))), []);
  assert.deepEqual(signatureFields(signed(7, pkcs7)), [], "an unknown kind");
  assert.deepEqual(signatureFields(signed(2, pkcs7, { hash: 99 })), [], "an unknown hash");
  assert.deepEqual(signatureFields(signed(2, pkcs7, { algorithm: 9 })), [], "an unknown algorithm");
  for (let length = 1; length < pkcs7.length; length++) {
    assert.deepEqual(signatureFields(signed(2, pkcs7.subarray(0, length))), []);
  }
  const endless = pkcs7.slice();
  endless[1] = 0x80;
  assert.deepEqual(signatureFields(signed(2, endless)), [], "DER knows no length to be found");
});
