/**
 * Whatever a POWER guest's processors do (hostile-power-guest.ts), it ends as guests do and never as a failure of the host, and
 * what it has made of itself can be saved and made again. A long run: `UNIKVM_SECONDS=300 UNIKVM_SEED=7`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { PpcKvm } from "../../src/arch/powerpc/uapi.js";
import { silent } from "../../src/base/log.js";
import { loadKvm } from "../../src/cli/kvm.js";
import { KVM_VM_PPC_HV, KVM_VM_PPC_PR, KvmError } from "../../src/kvm/uapi.js";
import { spawnVcpuThread } from "../../src/node/vcpu-thread.js";
import { random } from "../../src/vfio/random.test-support.js";
import type { RunControl } from "../../src/vmm/core/machine.js";
import { runMachine } from "../../src/vmm/core/run.js";
import { createPciDevice } from "../../src/vmm/devices/pci/models.js";
import { createPseries, restorePseries } from "../../src/vmm/machines/pseries/machine.js";
import type { PseriesState } from "../../src/vmm/machines/pseries/state.js";
import { createPseriesVcpuSide } from "../../src/vmm/machines/pseries/vcpu-side.js";
import { hostileGuest, hostileRam } from "./hostile-power-guest.js";

const seconds = Number(process.env["UNIKVM_SECONDS"] ?? 1);
const seed = Number(process.env["UNIKVM_SEED"] ?? 20_261_130);
/** Milliseconds that one guest has. */
const turn = 500;
const cpus = 3;
const types = { hv: KVM_VM_PPC_HV, pr: KVM_VM_PPC_PR } as const;

interface Way {
  readonly implementation: keyof typeof types;
  readonly threads: "worker" | "single";
  readonly interruptMode: "xics" | "xive";
  readonly littleEndian: boolean;
  readonly hash: boolean;
}

const models = ["virtio-rng", "virtio-balloon", "edu"] as const;
const devicesOf = (state?: PseriesState) =>
  models.map((name, slot) => createPciDevice(name, state?.pci?.slots[slot]?.function.device));

const still: RunControl = {
  ...{ cpuState: () => "stopped", startCpu: () => {}, stopCpu: () => {} },
  ...{ wake: () => {}, consoleChanged: () => {}, end: () => {} },
};

/** How it ended, and how many hypercalls it made. */
async function run(kvm: PpcKvm, way: Way, number: number) {
  const { implementation, interruptMode, littleEndian, hash } = way;
  const shared = way.threads === "worker";
  const common = { kvm, type: types[implementation], shared };
  const data = hostileGuest({ below: random(number), cpus, littleEndian, hash });
  const running = await runMachine({
    createMachine: (control) =>
      createPseries(
        {
          ...common,
          kernel: {
            byteOrder: littleEndian ? "little" : "big",
            entry: 0,
            segments: [{ address: 0, size: data.length, data }],
          },
          commandLine: hash ? "disable_radix" : "",
          ...{ memorySize: hostileRam, cpus, interruptMode, pciDevices: devicesOf() },
        },
        control,
      ),
    createSide: createPseriesVcpuSide,
    spawn: shared ? spawnVcpuThread : undefined,
    output: () => undefined,
  });
  await Promise.race([sleep(turn), running.ended]);
  try {
    const state = structuredClone(await running.whilePaused((machine) => machine.save() as PseriesState));
    const ram = { size: hostileRam, runs: [] };
    restorePseries({ ...common, state, ram, pciDevices: devicesOf(state) }, still).close();
  } catch (error) {
    // One that has ended, or whose processors do not stand still in time.
    if (!(error instanceof KvmError ? error.code === "EBUSY" : /ended/.test(String(error)))) throw error;
  } finally {
    running.stop();
  }
  const { outcome, stats } = await running.ended;
  const calls = Object.entries(stats.machine).filter(([name]) => name.startsWith("hcall."));
  return { outcome, calls: calls.reduce((sum, [, count]) => sum + count, 0) };
}

const ways: readonly Way[] = [
  { implementation: "hv", threads: "worker", interruptMode: "xics", littleEndian: false, hash: false },
  { implementation: "pr", threads: "worker", interruptMode: "xive", littleEndian: true, hash: false },
  { implementation: "hv", threads: "single", interruptMode: "xive", littleEndian: true, hash: true },
  { implementation: "pr", threads: "single", interruptMode: "xics", littleEndian: false, hash: true },
];
for (const way of ways) {
  const { implementation, threads, interruptMode, littleEndian, hash } = way;
  const name = `${implementation}, ${threads}, ${interruptMode}, ${littleEndian ? "little" : "big"}-endian${hash ? ", hash" : ""}`;
  test(`${name}: a guest that does anything ends as a guest, and can be saved`, async (t) => {
    const { kvm, close } = await loadKvm(
      { implementations: [implementation], ...(threads === "single" ? { memory: "unshared" } : {}) },
      silent,
    );
    let calls = 0;
    const end = performance.now() + seconds * 1000;
    for (let number = seed; number === seed || performance.now() < end; number++) {
      const { outcome, calls: made } = await run(kvm, way, number);
      assert.ok(outcome.kind !== "failed", `UNIKVM_SEED=${number}: ${JSON.stringify(outcome)}`);
      calls += made;
    }
    t.diagnostic(`${name}: ${calls} hypercalls`);
    close();
  });
}
