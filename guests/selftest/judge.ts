/** Reads what the self-test guest sent and says of each test whether it passed. */
import { RecordKind, type SelfTestGuest, unexpectedFields } from "./guest.js";

/** How a test went. */
export interface TestResult {
  /** The test's. */
  readonly name: string;
  /** Sentences; none: it passed. */
  readonly failures: readonly string[];
  /** Checks that were right. */
  readonly passed: number;
}

export interface Verdict {
  readonly tests: readonly TestResult[];
  /** Whether the guest came to its end. */
  readonly finished: boolean;
  /** By number of the check, what the guest reported last. */
  readonly reports: ReadonlyMap<number, bigint>;
}

const recordSize = 16;
const hex = (value: bigint) => `0x${value.toString(16)}`;

/** An address as the nearest label before it, for those who mend. */
function place(guest: SelfTestGuest, address: bigint): string {
  let best: [string, bigint] | undefined;
  for (const [name, value] of guest.symbols) {
    if (name.startsWith("expect_") || value > address || address - value > 0x10000n) continue;
    if (!best || value > best[1]) best = [name, value];
  }
  return best ? `${hex(address)} (${best[0]} + ${hex(address - best[1])})` : hex(address);
}

/** `output` is all that the guest wrote on its console. */
export function judge(guest: SelfTestGuest, output: Uint8Array): Verdict {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
  const failures: string[][] = guest.tests.map(() => []);
  const passed = guest.tests.map(() => 0);
  const begun = new Set<number>();
  const ended = new Set<number>();
  const reports = new Map<number, bigint>();
  let current = 0;
  let finished = false;
  let unexpected: bigint[] = [];
  for (let at = 0; at + recordSize <= output.length; at += recordSize) {
    const number = Number(view.getBigUint64(at) & 0xffffffffn);
    const value = view.getBigUint64(at + 8);
    const [kind, id] = [number >> 16, number & 0xffff];
    if (kind === RecordKind.begin) begun.add((current = id));
    else if (kind === RecordKind.end) ended.add(id);
    else if (kind === RecordKind.finished) finished = true;
    else if (kind === RecordKind.unexpected) {
      if (id === 0) unexpected = [];
      unexpected.push(value);
      if (id === unexpectedFields.length - 1) {
        const [vector = 0n, srr0 = 0n, srr1 = 0n, dar = 0n, dsisr = 0n] = unexpected;
        const text = `interrupt ${hex(vector)} at ${place(guest, srr0)}, SRR1 ${hex(srr1)}, DAR ${hex(dar)}, DSISR ${hex(dsisr)}`;
        failures[current]?.push(`unexpected ${text}`);
      }
    } else {
      const check = guest.checks[id];
      if (kind !== RecordKind.check || !check) {
        failures[current]?.push(`sent ${hex(BigInt(number))}, which means nothing`);
        continue;
      }
      reports.set(id, value);
      const expected = guest.expected[id] ?? 0n;
      if ((value & check.mask) === (expected & check.mask)) passed[check.test] = (passed[check.test] ?? 0) + 1;
      else
        failures[check.test]?.push(
          `${check.what}: expected ${hex(expected & check.mask)}, got ${hex(value & check.mask)}`,
        );
    }
  }
  guest.tests.forEach((_, test) => {
    const mine = failures[test] ?? [];
    if (!begun.has(test)) mine.push("never began");
    else if (!ended.has(test) && mine.length === 0) mine.push(finished ? "did not end" : "the guest stopped here");
    else if (ended.has(test)) {
      guest.checks.forEach(({ test: owner, what }, id) => {
        if (owner === test && !reports.has(id)) mine.push(`${what}: not reported`);
      });
    }
  });
  return {
    tests: guest.tests.map(({ name }, i) => ({ name, failures: failures[i] ?? [], passed: passed[i] ?? 0 })),
    finished,
    reports,
  };
}
