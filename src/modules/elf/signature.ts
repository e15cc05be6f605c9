/**
 * The signature at the end of a signed module's file. It is shown, not verified. Source: the kernel's
 * include/linux/module_signature.h; RFC 2315 (PKCS #7) and ITU-T X.690 (DER) for what it holds.
 */
import { type ByteSource, cString } from "./bytes.js";

const magic = "~Module signature appended~\n";
/** struct module_signature: algorithm, hash, kind of identifier, three lengths. */
const trailerSize = 12;
const hashNames = ["md4", "md5", "sha1", "rmd160", "sha256", "sha384", "sha512", "sha224", "sm3"];
const kinds = ["PGP", "X509", "PKCS#7"];
const pkcs7Kind = 2;
/** DSA and RSA: nothing else was ever there. */
const algorithms = 2;
/** Digest algorithms by the bytes of their object identifier. */
const hashes: Readonly<Record<string, string>> = {
  "2a864886f70d0204": "md4",
  "2a864886f70d0205": "md5",
  "2b0e03021a": "sha1",
  "2b24030201": "rmd160",
  "608648016503040201": "sha256",
  "608648016503040202": "sha384",
  "608648016503040203": "sha512",
  "608648016503040204": "sha224",
  "2a811ccf55018311": "sm3",
};
/** The object identifier of a name's commonName. */
const commonName = "550403";
/** DER's tags. */
const tag = { integer: 0x02, octets: 0x04, identifier: 0x06, sequence: 0x30, set: 0x31, explicit0: 0xa0 } as const;

/** modinfo's fields about the signature; none if the file has none, or one that cannot be read. */
export function signatureFields(source: ByteSource): (readonly [key: string, value: string])[] {
  const trailerAt = source.size - magic.length - trailerSize;
  if (trailerAt < 0) return [];
  const end = source.read(trailerAt, trailerSize + magic.length);
  if (cString(end, trailerSize) !== magic) return [];
  const [algorithm = 0, hash = 0, kind = 0, signerLength = 0, keyLength = 0] = end;
  const length = new DataView(end.buffer, end.byteOffset).getUint32(8);
  const kindName = kinds[kind];
  const hashName = hashNames[hash];
  const start = trailerAt - length;
  if (algorithm >= algorithms || kindName === undefined || hashName === undefined) return [];
  if (length === 0 || start < signerLength + keyLength) return [];
  const signature = source.read(start, length);
  if (kind === pkcs7Kind) {
    try {
      return fields({ kind: kindName, ...readPkcs7(signature) });
    } catch (error) {
      if (error instanceof DerError) return [];
      throw error;
    }
  }
  const signer = source.read(start - keyLength - signerLength, signerLength);
  return fields({
    kind: kindName,
    signer: cString(signer, 0),
    key: source.read(start - keyLength, keyLength),
    hash: hashName,
    signature,
  });
}

interface Signature {
  readonly kind: string;
  readonly signer: string;
  readonly key: Uint8Array;
  readonly hash: string;
  readonly signature: Uint8Array;
}

function fields({ kind, signer, key, hash, signature }: Signature): (readonly [key: string, value: string])[] {
  return [
    ["sig_id", kind],
    ["signer", signer],
    ["sig_key", hexLines(key)],
    ["sig_hashalgo", hash],
    ["signature", hexLines(signature)],
  ];
}

/** Bytes in hexadecimal, twenty a line. */
export function hexLines(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 20) {
    const line = [...bytes.subarray(at, at + 20)].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase());
    lines.push(line.join(":"));
  }
  return lines.join(":\n\t\t");
}

/** The bytes are not what they should be. */
class DerError extends Error {
  override name = "DerError";
}

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** The elements that follow one another in the bytes. */
function elements(bytes: Uint8Array): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [elementTag = 0, first = 0] = bytes.subarray(at, at + 2);
    at += 2;
    let length = first;
    if (first >= 0x80) {
      const count = first & 0x7f;
      if (count === 0 || count > 4) throw new DerError("a length of an unknown form");
      length = bytes.subarray(at, at + count).reduce((sum, byte) => sum * 256 + byte, 0);
      at += count;
    }
    if (at + length > bytes.length) throw new DerError("an element ends after what holds it");
    found.push({ tag: elementTag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

function take(list: readonly Element[], index: number, wanted: number): Uint8Array {
  const element = list[index];
  if (element?.tag !== wanted) throw new DerError(`no element with the tag ${wanted}`);
  return element.content;
}

const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** What the first signer of a SignedData says. */
function readPkcs7(bytes: Uint8Array): Omit<Signature, "kind"> {
  const contentInfo = elements(take(elements(bytes), 0, tag.sequence));
  const signedData = elements(take(elements(take(contentInfo, 1, tag.explicit0)), 0, tag.sequence));
  const signer = elements(take(elements(take(signedData, signedData.length - 1, tag.set)), 0, tag.sequence));
  const issuerAndSerial = elements(take(signer, 1, tag.sequence));
  const serial = take(issuerAndSerial, 1, tag.integer);
  const digest = hex(take(elements(take(signer, 2, tag.sequence)), 0, tag.identifier));
  // Attributes may stand between the digest's and the signature's algorithm, and after the signature.
  const at = signer.findIndex((element) => element.tag === tag.octets);
  return {
    signer: nameOf(take(issuerAndSerial, 0, tag.sequence)),
    key: serial.subarray(serial[0] === 0 ? 1 : 0),
    hash: hashes[digest] ?? "unknown",
    signature: take(signer, at, tag.octets),
  };
}

/** A distinguished name's common name, or where it has none, its last part. */
function nameOf(name: Uint8Array): string {
  const parts = elements(name).flatMap(({ content }) => elements(content).map((pair) => elements(pair.content)));
  const part = parts.find((pair) => hex(take(pair, 0, tag.identifier)) === commonName) ?? parts.at(-1);
  return part?.[1] ? cString(part[1].content, 0) : "";
}
