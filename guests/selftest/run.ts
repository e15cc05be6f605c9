/** Runs the self-test guest on one implementation. Needs nothing of Node: the caller brings KVM and threads. */
import type { PpcKvm } from "../../src/arch/powerpc/uapi.js";
import type { PlatformThread } from "../../src/vmm/core/machine.js";
import { runMachine } from "../../src/vmm/core/run.js";
import { createPseries } from "../../src/vmm/machines/pseries/machine.js";
import { createPseriesVcpuSide } from "../../src/vmm/machines/pseries/vcpu-side.js";
import { memoryMap, type SelfTestGuest } from "./guest.js";
import { judge, type TestResult } from "./judge.js";

/** What the guest is run on. */
export interface SelfTestOptions {
  /** What `openKvm` gave. */
  readonly kvm: PpcKvm;
  /** KVM_CREATE_VM's type. */
  readonly type: number;
  /** Whether each vCPU is to have a thread. Default: if the platform allows. */
  readonly shared?: boolean | undefined;
  /** Makes a thread for a vCPU. Without it all run on this thread. */
  readonly spawn?: (() => PlatformThread) | undefined;
  /** Milliseconds. */
  readonly timeout: number;
}

/** How it went. */
export interface SelfTestRun {
  /** In their order. */
  readonly tests: readonly TestResult[];
  /** Why the guest did not come to its end by itself. */
  readonly broken: string | undefined;
  /** All of it took. */
  readonly milliseconds: number;
  /** What the kernel side counted, of each vCPU. */
  readonly cpus: readonly Readonly<Record<string, number>>[];
}

/** How many CPUs the guest has. */
export const selfTestCpus = 2;

/** Throws what createPseries throws: there is no such implementation, or no memory. */
export async function runSelfTest(guest: SelfTestGuest, options: SelfTestOptions): Promise<SelfTestRun> {
  const begin = performance.now();
  const pieces: Uint8Array[] = [];
  const running = await runMachine({
    createMachine: (control, trace) =>
      createPseries(
        {
          kvm: options.kvm,
          type: options.type,
          shared: options.shared,
          kernel: {
            byteOrder: guest.littleEndian ? "little" : "big",
            entry: 0,
            segments: [{ address: 0, size: memoryMap.end, data: guest.image }],
          },
          commandLine: "",
          memorySize: 2 * memoryMap.end,
          cpus: selfTestCpus,
        },
        control,
        trace,
      ),
    createSide: createPseriesVcpuSide,
    spawn: options.spawn,
    output: (bytes) => void pieces.push(bytes.slice()),
    timeout: options.timeout,
  });
  const { outcome, stats } = await running.ended;
  const output = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    output.set(piece, at);
    at += piece.length;
  }
  const { tests, finished } = judge(guest, output);
  const how = "message" in outcome ? `${outcome.kind}: ${outcome.message}` : outcome.kind;
  return {
    tests,
    broken: finished && outcome.kind === "powerOff" ? undefined : how,
    milliseconds: performance.now() - begin,
    cpus: stats.cpus,
  };
}
