/** Runs litmus tests (tests.ts) in a guest (guest.ts) and reads what came out. */
import { silent } from "../../src/base/log.js";
import { loadKvm } from "../../src/cli/kvm.js";
import { KVM_VM_PPC_HV, KVM_VM_PPC_PR } from "../../src/kvm/uapi.js";
import { spawnVcpuThread } from "../../src/node/vcpu-thread.js";
import { runMachine } from "../../src/vmm/core/run.js";
import { createPseries } from "../../src/vmm/machines/pseries/machine.js";
import { createPseriesVcpuSide } from "../../src/vmm/machines/pseries/vcpu-side.js";
import { batch, litmusGuest, metKey } from "./guest.js";
import { header, theEnd } from "./processors.js";
import type { Litmus } from "./tests.js";

export const implementations = { hv: KVM_VM_PPC_HV, pr: KVM_VM_PPC_PR } as const;
export type Implementation = keyof typeof implementations;

export interface LitmusResult {
  readonly test: Litmus;
  readonly tries: number;
  /** How often the outcome came that the test looks for. */
  readonly seen: number;
  /** Tries that processor 0 began with all others there. */
  readonly met: number;
  /** Every outcome that came, by its digits, and how often. */
  readonly counts: ReadonlyMap<string, number>;
}

/** A test's outcome as the guest counts it: two bits a digit, the first in the low ones. */
const key = (outcome: readonly number[]): number => outcome.reduce((sum, digit, i) => sum | (digit << (2 * i)), 0);
const digitsOf = (outcome: number, length: number): string =>
  Array.from({ length }, (_, i) => (outcome >> (2 * i)) & 3).join("");

/** Reads what the guest said. Throws if it is not all of it. */
function read(tests: readonly Litmus[], tries: number, output: Uint8Array): LitmusResult[] {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
  const found: Map<number, number>[] = [];
  const met: number[] = [];
  for (let at = 0; at + 16 <= output.length; at += 16) {
    const what = view.getBigUint64(at);
    const amount = Number(view.getBigUint64(at + 8));
    if (what >= header) {
      if (what === header + BigInt(theEnd)) break;
      if (what !== header + BigInt(found.length)) throw new Error(`litmus: test ${found.length} said ${what}`);
      found.push(new Map());
    } else if (what === metKey) met.push(amount);
    else found.at(-1)?.set(Number(what), amount);
  }
  return tests.map((test, i) => {
    const counts = found[i] ?? new Map<number, number>();
    const sum = [...counts.values()].reduce((a, b) => a + b, 0);
    if (sum !== tries) throw new Error(`${test.name}: ${sum} outcomes of ${tries} tries`);
    return {
      test,
      tries,
      seen: counts.get(key(test.outcome)) ?? 0,
      met: met[i] ?? 0,
      counts: new Map([...counts].map(([one, amount]) => [digitsOf(one, test.outcome.length), amount])),
    };
  });
}

export interface LitmusOptions {
  readonly tests: readonly Litmus[];
  readonly implementation: Implementation;
  /** Of each test; rounded up to whole rounds. */
  readonly tries: number;
  readonly seed: number;
}

/** Runs a guest, big-endian from address 0 on, with a thread for each processor, until it says `theEnd`; what it said. */
export async function runGuest(data: Uint8Array, cpus: number, implementation: Implementation): Promise<Uint8Array> {
  const { kvm, close } = await loadKvm({ implementations: [implementation] }, silent);
  try {
    const output: number[] = [];
    const end = [...new Uint8Array(new BigUint64Array([header + BigInt(theEnd)]).buffer)].reverse();
    let stop = (): void => undefined;
    const running = await runMachine({
      createMachine: (control, trace) =>
        createPseries(
          {
            kvm,
            type: implementations[implementation],
            shared: true,
            kernel: { byteOrder: "big", entry: 0, segments: [{ address: 0, size: 0x10_0000, data }] },
            commandLine: "",
            memorySize: 64 << 20,
            cpus,
          },
          control,
          trace,
        ),
      createSide: createPseriesVcpuSide,
      spawn: spawnVcpuThread,
      output: (bytes) => {
        output.push(...bytes);
        const last = output.length - (output.length % 16) - 16;
        if (last >= 0 && end.every((byte, i) => output[last + i] === byte)) stop();
      },
    });
    stop = () => running.stop();
    const { outcome } = await running.ended;
    if (outcome.kind !== "stopped") throw new Error(`litmus: the guest ended by ${JSON.stringify(outcome)}`);
    return Uint8Array.from(output);
  } finally {
    close();
  }
}

/** All tests in one guest with as many processors as the largest of them has, each a thread of the host. */
export async function runLitmus({ tests, implementation, tries, seed }: LitmusOptions): Promise<LitmusResult[]> {
  const cpus = Math.max(...tests.map(({ threads }) => threads.length));
  const rounds = Math.ceil(tries / batch);
  const output = await runGuest(litmusGuest(tests, cpus, rounds, seed), cpus, implementation);
  return read(tests, rounds * batch, output);
}
