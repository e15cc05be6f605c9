/** What the tests run inside the page. Each function is sent there as text: it uses nothing from outside itself. */
import type * as Selftest from "../../guests/selftest/index.js";
import type * as Unikvm from "../../src/index.js";
import type * as Web from "../../src/web/index.js";

export interface PageRun {
  readonly isolated: boolean;
  readonly broken: string | undefined;
  readonly passed: number;
  readonly failures: readonly string[];
  readonly regions: number;
  /** What the page's own log of the network has: URL path, and bytes that were sent. */
  readonly resources: readonly { readonly path: string; readonly bytes: number }[];
}

/** Runs the self-test's guest on one implementation, "hv" or "pr". */
export async function runInPage(type: string, threads: boolean): Promise<PageRun> {
  const from = (name: string): Promise<unknown> => import(`/${name}.js`);
  const { openKvm, KVM_VM_PPC_HV, KVM_VM_PPC_PR } = (await from("index")) as typeof Unikvm;
  const kvm = await openKvm({ implementations: [type === "hv" ? "hv" : "pr"] });
  // What is only for testing comes after what a page would load.
  const resources = performance.getEntriesByType("resource").map((entry) => ({
    path: new URL(entry.name).pathname.slice(1),
    bytes: (entry as PerformanceResourceTiming).encodedBodySize,
  }));
  const { buildGuest, runSelfTest, tests } = (await from("selftest")) as typeof Selftest;
  const { spawnVcpuThread } = (await from("web")) as typeof Web;
  const run = await runSelfTest(buildGuest(tests, true), {
    kvm,
    type: type === "hv" ? KVM_VM_PPC_HV : KVM_VM_PPC_PR,
    spawn: threads ? spawnVcpuThread : undefined,
    timeout: 120_000,
  });
  return {
    isolated: crossOriginIsolated,
    broken: run.broken,
    passed: run.tests.reduce((sum, { passed }) => sum + passed, 0),
    failures: run.tests.flatMap(({ name, failures }) => failures.map((failure) => `${name}: ${failure}`)),
    regions: run.cpus[0]?.["regions"] ?? 0,
    resources,
  };
}

/** The message with which both implementations are refused where shared memory is asked for and not there. */
export async function openShared(): Promise<string> {
  const { openKvm } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  try {
    const kvm = await openKvm({ memory: "shared" });
    kvm.createVm(0, { shared: true });
    return "it was there";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
