/**
 * A VM that stands still: no vCPU is in the guest, every exit is completed, and the guest's time does not pass. To the
 * threads of its vCPUs it looks like the moment in which a VM moves: run() waits.
 */
import { KvmError } from "../base/errors.js";
import { hostNow } from "./clock.js";
import { vmLayout } from "./layout.js";
import type { VmMemory } from "./memory.js";
import { VmReferences } from "./references.js";
import { vcpuRecord } from "./state.js";
import type { VcpuCore } from "./vcpu.js";

/** What is asked of a VM here. */
export interface StandingVm {
  readonly mem: VmMemory;
  readonly generation: number;
  readonly references: unknown;
  vcpus(): readonly VcpuCore[];
  requireOpen(): void;
}

/** Resolves when the VM stands still, with what lets it go on; `what` is for sentences: "cannot pause". */
export async function standStill(vm: StandingVm, timeout: number, what: string): Promise<() => void> {
  vm.requireOpen();
  const { mem, generation } = vm;
  if (!(vm.references instanceof VmReferences)) {
    throw new KvmError("EINVAL", `the VM ${what} from here: only the thread that created it can ask for that`);
  }
  if (mem.compareExchange(vmLayout.moves, generation, generation + 1) !== generation) {
    throw new KvmError("EBUSY", `the VM ${what}: it is paused or about to move already`);
  }
  const goOn = (): void => {
    mem.store(vmLayout.moves, generation);
    mem.notify(vmLayout.moves);
  };
  try {
    await stopped(vm, timeout, what);
  } catch (error) {
    goOn();
    throw error;
  }
  return goOn;
}

/** As `standStill`; the guest finds that no time has passed. */
export async function pause(vm: StandingVm, timeout: number): Promise<{ readonly since: number; resume(): void }> {
  const goOn = await standStill(vm, timeout, "cannot pause");
  const { mem } = vm;
  const since = hostNow();
  return {
    since,
    resume: () => {
      mem.setF64(vmLayout.clockBase, mem.f64(vmLayout.clockBase) + hostNow() - since);
      goOn();
    },
  };
}

/** Resolves when no thread runs a vCPU and every exit is completed. EBUSY: that takes too long. */
export async function stopped(
  vm: Pick<StandingVm, "mem" | "vcpus">,
  timeout: number,
  what = "cannot move",
): Promise<void> {
  const { mem } = vm;
  const deadline = performance.now() + timeout;
  const incomplete = vcpuRecord.offset.incomplete;
  for (;;) {
    const open = vm.vcpus().filter(({ record }) => mem.load(record + incomplete) !== 0);
    if (open.length === 0 && mem.load(vmLayout.runners) === 0) return;
    if (performance.now() >= deadline) {
      const ids = open.map(({ id }) => id).join(", ");
      throw new KvmError(
        "EBUSY",
        open.length === 0
          ? `the VM ${what}: a vCPU did not leave the guest in ${timeout} ms`
          : `the VM ${what}: the last exit of vCPU ${ids} has not been completed; answer it and call run()`,
      );
    }
    for (const vcpu of vm.vcpus()) vcpu.interruptRun();
    // vCPUs' threads may need this one for their exits.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}
