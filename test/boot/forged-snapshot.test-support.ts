/** Snapshots whose head says something else, with the digest that is right for it. */
import { nodePlatform } from "../../src/vmm/snapshot/node/platform.js";
import { decodeValue, encodeValue } from "../../src/vmm/snapshot/value.js";

// biome-ignore lint/suspicious/noExplicitAny: what a stranger writes.
export type Forged = { state: any; hardware: any };

export async function forgedSnapshot(whole: Uint8Array, change: (head: Forged) => void): Promise<Blob> {
  const length = new DataView(whole.buffer, whole.byteOffset).getUint32(12, true);
  const head = decodeValue(whole.slice(48, 48 + length)) as Forged;
  change(head);
  const encoded = encodeValue(head);
  const front = whole.slice(0, 48);
  new DataView(front.buffer).setUint32(12, encoded.length, true);
  front.set(await nodePlatform.digest(encoded), 16);
  return new Blob([front, encoded, whole.subarray(48 + length)] as BlobPart[]);
}
