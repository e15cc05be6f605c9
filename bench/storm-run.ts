/** Runs a storm (storm-guests.ts) and tells how late its end was. */

import { silent } from "../src/base/log.js";
import { loadKvm } from "../src/cli/kvm.js";
import { KVM_VM_PPC_HV, KVM_VM_PPC_PR } from "../src/kvm/uapi.js";
import { spawnVcpuThread } from "../src/node/vcpu-thread.js";
import { runMachine } from "../src/vmm/core/run.js";
import { createPseries } from "../src/vmm/machines/pseries/machine.js";
import { createPseriesVcpuSide } from "../src/vmm/machines/pseries/vcpu-side.js";
import { announcement, type StormName, stormCpus, stormGuest } from "./storm-guests.js";

export const implementations = { hv: KVM_VM_PPC_HV, pr: KVM_VM_PPC_PR } as const;
export type Implementation = keyof typeof implementations;
export type ThreadMode = "worker" | "single";

export interface StormOptions {
  readonly name: StormName;
  readonly implementation: Implementation;
  readonly threads: ThreadMode;
  /**
   * Milliseconds until it is to end: from when all processors are at it, by the user; from its start, by its time limit, which is
   * longer where they need longer to begin.
   */
  readonly after: number;
  readonly by: "limit" | "user";
}

/** A processor that has not begun after so many milliseconds never does. */
const longestBegin = 10_000;

/** Milliseconds that its end was late. Throws if it ended in another way, or its processors never were at it. */
export async function runStorm(options: StormOptions): Promise<number> {
  for (let { after } = options; ; after *= 2) {
    const { late, missing } = await runOnce({ ...options, after });
    if (missing === 0) return late;
    // An end that comes before the storm does says nothing: that of a time limit does on a slow host, or with a short one.
    if (options.by === "user" || after > longestBegin)
      throw new Error(`${options.name}: ${missing} processors never began`);
  }
}

/** How late its end was, and how many processors had not begun by then. */
async function runOnce({ name, implementation, threads, after, by }: StormOptions) {
  const single = threads === "single";
  const memory = single ? { memory: "unshared" as const } : {};
  const { kvm, close } = await loadKvm({ implementations: [implementation], ...memory }, silent);
  try {
    const data = stormGuest(name);
    let begin = performance.now();
    const waited = new Set(Array.from({ length: stormCpus }, (_, id) => announcement + id));
    let allThere: () => void = () => undefined;
    const all = new Promise<void>((resolve) => {
      allThere = resolve;
    });
    const running = await runMachine({
      createMachine: (control, trace) =>
        createPseries(
          {
            kvm,
            type: implementations[implementation],
            shared: !single,
            kernel: { byteOrder: "big", entry: 0, segments: [{ address: 0, size: 0x10000, data }] },
            commandLine: "",
            memorySize: 64 << 20,
            cpus: stormCpus,
          },
          control,
          trace,
        ),
      createSide: createPseriesVcpuSide,
      spawn: single ? undefined : spawnVcpuThread,
      output: (bytes) => {
        for (const byte of bytes) waited.delete(byte);
        if (waited.size === 0) allThere();
      },
      timeout: by === "limit" ? after : after + 60_000,
    });
    if (by === "user") {
      await Promise.race([all, running.ended]);
      begin = performance.now();
      setTimeout(() => running.stop(), after);
    }
    const { outcome } = await running.ended;
    const late = performance.now() - begin - after;
    const expected = by === "limit" ? "timeout" : "stopped";
    if (outcome.kind !== expected) throw new Error(`${name}: it ended by ${JSON.stringify(outcome)}`);
    return { late, missing: waited.size };
  } finally {
    close();
  }
}
