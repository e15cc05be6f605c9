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

/** What a guest of x86 in real mode writes to a port when it has added up the numbers from 1 to 10, and what is downloaded for it. */
export async function runX86InPage(type: string): Promise<{ sum: number; downloaded: readonly string[] }> {
  const { openKvm } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  const kvm = await openKvm({ guest: "x86_64", implementations: [type === "hv" ? "hv" : "pr"] });
  const downloaded = performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname.slice(1));
  const vm = kvm.createVm();
  const size = 1 << 16;
  const ram = vm.allocate(size);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(size), userspaceAddr: ram });
  // mov cx, 10; xor ax, ax; add ax, cx; loop; out 0x10, al; hlt
  const code = [0xb9, 10, 0, 0x31, 0xc0, 0x01, 0xc8, 0xe2, 0xfc, 0xe6, 0x10, 0xf4];
  vm.bytes(ram, size).set(code, 0x1000);
  const cpu = vm.createVcpu(0);
  const sregs = cpu.getSregs();
  cpu.setSregs({ ...sregs, cs: { ...sregs.cs, base: 0n, selector: 0 } });
  cpu.setRegs({ ...cpu.getRegs(), rip: 0x1000n });
  const exit = cpu.run();
  cpu.close();
  vm.close();
  if (exit.reason !== "io" || exit.port !== 0x10) throw new Error(`it left for ${exit.reason}`);
  return { sum: Number(exit.data) & 0xff, downloaded };
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
