/** A POWER VM for tests: with an engine that does nothing, or with the real ones. */

import { thisPackage } from "../../base/package.js";
import type { Engine } from "../../kvm/engine.js";
import type { VcpuCore } from "../../kvm/vcpu.js";
import { VmCore } from "../../kvm/vm.js";
import { acquireVac } from "../../vac/vac.js";
import { powerpc } from "./arch.js";
import { ExitCode } from "./engines/layout.js";
import { handleExit } from "./exits/exits.js";
import { setGpr } from "./processor/vcpu.js";
import type { PpcVm } from "./uapi.js";
import { type PpcVmState, ppcVmOf } from "./vm/ppc-vm.js";

const idle: Engine = {
  name: "pr",
  share: undefined,
  memoryWritten: () => () => false,
  warmUp: () => {},
  orders: false,
  attach: () => ({ reset: () => {}, run: () => ExitCode.none, step: () => ExitCode.none, stats: () => ({}) }),
};

/** Both faces of one object. */
export type TestVmCore = Omit<VmCore, "vcpu" | "createVcpu"> & PpcVm;

export interface TestVm {
  readonly vm: TestVmCore;
  readonly ppc: PpcVmState;
  readonly cpus: readonly VcpuCore[];
  /** Address of guest physical 0 in the VM's memory. */
  readonly ram: number;
  /** A hypercall from a vCPU: r3 and the registers after it, or undefined if it went to the user side. */
  hcall(
    cpu: number,
    number: number,
    ...args: (bigint | number)[]
  ): { status: bigint; r4: bigint; r5: bigint } | undefined;
}

export const ramSize = 1 << 20;

/** With `cpuCount` vCPUs and a MiB of RAM, and nothing that runs. */
export function testVm(cpuCount = 2): TestVm {
  const implementation = { name: "pr", type: 2, arch: powerpc, module: "", sharesByDefault: false, engine: () => idle };
  const member = acquireVac(thisPackage).join(thisPackage);
  const core = VmCore.create(implementation, member, { shared: false }, { tryGet: () => true, put: () => {} }, () =>
    member.leave(),
  );
  const vm = core as unknown as TestVmCore;
  const ram = vm.allocate(ramSize);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: ram });
  const cpus = Array.from({ length: cpuCount }, (_, id) => core.createVcpuCore(id));
  return {
    vm,
    ppc: ppcVmOf(core),
    cpus,
    ram,
    hcall: (cpu, number, ...args) => {
      const vcpu = cpus[cpu];
      if (!vcpu) throw new Error(`no vCPU ${cpu}`);
      setGpr(vcpu, 3, BigInt(number));
      for (let i = 0; i < 9; i++) setGpr(vcpu, 4 + i, BigInt(args[i] ?? 0));
      if (handleExit(vcpu, ExitCode.hypercall)) return undefined;
      const { gpr } = vm.vcpu(cpu).getRegs();
      return { status: BigInt.asIntN(64, gpr[3] ?? 0n), r4: gpr[4] ?? 0n, r5: gpr[5] ?? 0n };
    },
  };
}
