/** Machine pseries on the thread of one of its vCPUs: the hypercalls that need only memory shared between threads. */
import { hcallCounter, hcallName } from "../../../arch/powerpc/uapi/hcalls.js";
import { anything, boolean, callback, having, optional, taking, wholeNumber } from "../../../base/takes.js";
import type { Exit } from "../../../kvm/uapi.js";
import type { VcpuSide, VcpuSideHost } from "../../core/machine.js";
import { ConsoleRing } from "../../devices/console-ring.js";
import { inside } from "../../devices/pci/windows.js";
import { Vty } from "../../devices/vty.js";
import { consoleUnit } from "./device-tree.js";
import { HcallStatus, type VcpuContext } from "./hcalls/hcall.js";
import { machineHcalls, vcpuHcalls } from "./hcalls/index.js";
import { bridgeWindows } from "./pci/layout.js";

/** What the machine gives to the threads of its vCPUs. */
export interface PseriesShared {
  readonly console: ArrayBuffer | SharedArrayBuffer;
  /** Whether there is a PCI host bridge, whose windows the machine's thread answers for. */
  readonly pci: boolean;
}

/** How long a vCPU waits for room on the console before the guest is told to try again, milliseconds. */
const outputWait = 50;

/** Makes this side; `shared` is a PseriesShared. */
export const createPseriesVcpuSide = taking(
  "createPseriesVcpuSide",
  {
    cpu: wholeNumber,
    shared: having({ console: anything, pci: boolean }),
    host: having({ announceConsole: callback, mayWait: boolean, trace: optional(callback) }),
  },
  createSide,
);

function createSide(cpu: number, shared: unknown, host: VcpuSideHost): VcpuSide {
  const { console, pci } = shared as PseriesShared;
  const ring = new ConsoleRing(console);
  const terminal = new Vty(ring);
  const counters: Record<string, number> = {};
  const announce = (): void => {
    if (ring.announce()) host.announceConsole();
  };
  const context: VcpuContext = {
    terminal: (unit) => {
      const address = BigInt.asUintN(64, unit);
      return address === 0n || address === BigInt(consoleUnit) ? terminal : undefined;
    },
    outputFull: () => {
      announce();
      if (host.mayWait) ring.waitForRoom(outputWait);
    },
    consoleChanged: announce,
  };

  const answerHcall = (exit: Exit & { reason: "papr_hcall" }): boolean => {
    const counter = `user.${hcallCounter(exit.nr)}`;
    counters[counter] = (counters[counter] ?? 0) + 1;
    if (machineHcalls.has(exit.nr)) return false;
    const hcall = vcpuHcalls.get(exit.nr);
    exit.ret = hcall ? hcall.handler(context, exit.args) : HcallStatus.function;
    host.trace?.("hcall", cpu, `user ${hcallName(exit.nr)} ret=${exit.ret}`);
    return true;
  };

  return {
    answer: (exit) => {
      if (exit.reason === "papr_hcall") return answerHcall(exit);
      if (exit.reason === "mmio") {
        if (pci && bridgeWindows.some((window) => inside(window, exit.physAddr, exit.length))) return false;
        // Nothing lies there: reads see an idle bus, writes are lost.
        counters["unassigned_mmio"] = (counters["unassigned_mmio"] ?? 0) + 1;
        if (!exit.isWrite) exit.data = (1n << BigInt(exit.length * 8)) - 1n;
        return true;
      }
      return false;
    },
    stats: () => counters,
  };
}
