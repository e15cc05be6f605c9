/** A resolver's questions, and answers to them: names' IPv4 addresses. Source: RFC 1035. */
import { viewOf } from "./packets.js";

export const dnsPort = 53;
const headerSize = 12;
const mostName = 253;
const mostLabel = 63;
/** What fits into an answer that every resolver takes. */
const mostAnswers = 16;
const type = { a: 1, any: 255 } as const;
const internet = 1;

export const responseCode = { done: 0, failed: 2, noSuchName: 3, notImplemented: 4, refused: 5 } as const;

export interface Question {
  /** Lower case, without the last dot. */
  readonly name: string;
  /** It is about IPv4 addresses; nothing else is known here. */
  readonly wantsAddress: boolean;
  /** The message's header and question, for the answer. */
  readonly bytes: Uint8Array;
}

/** Undefined: it is no question, or of a form that nobody uses. */
export function parseQuestion(bytes: Uint8Array): Question | undefined {
  if (bytes.length < headerSize) return undefined;
  const view = viewOf(bytes);
  // A query of the standard kind, one question.
  if (view.getUint16(2) & 0xf800 || view.getUint16(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = headerSize;
  for (;;) {
    const length = bytes[at++];
    if (length === undefined || length > mostLabel || at + length > bytes.length) return undefined;
    if (length === 0) break;
    const label = String.fromCharCode(...bytes.subarray(at, at + length)).toLowerCase();
    // Others, a dot within a label above all, would be another name to who resolves it.
    if (!/^[a-z0-9_-]+$/.test(label)) return undefined;
    labels.push(label);
    at += length;
    if (at - headerSize > mostName + 1) return undefined;
  }
  if (labels.length === 0 || at + 4 > bytes.length) return undefined;
  const kind = view.getUint16(at);
  const wantsAddress = (kind === type.a || kind === type.any) && view.getUint16(at + 2) === internet;
  return { name: labels.join("."), wantsAddress, bytes: bytes.slice(0, at + 4) };
}

/** `lifetime`: seconds that the addresses may be remembered for. */
export function dnsAnswer(
  question: Question,
  { code, addresses = [], lifetime = 60 }: { code: number; addresses?: readonly number[]; lifetime?: number },
): Uint8Array {
  const answers = addresses.slice(0, mostAnswers);
  const bytes = new Uint8Array(question.bytes.length + 16 * answers.length);
  bytes.set(question.bytes);
  const view = viewOf(bytes);
  // An answer; recursion as it was desired, and available.
  view.setUint16(2, 0x8080 | (view.getUint16(2) & 0x0100) | code);
  view.setUint16(6, answers.length);
  view.setUint32(8, 0);
  for (const [index, address] of answers.entries()) {
    const at = question.bytes.length + 16 * index;
    // The name is the one at the start of the question.
    view.setUint16(at, 0xc000 | headerSize);
    view.setUint16(at + 2, type.a);
    view.setUint16(at + 4, internet);
    view.setUint32(at + 6, lifetime);
    view.setUint16(at + 10, 4);
    view.setUint32(at + 12, address);
  }
  return bytes;
}
