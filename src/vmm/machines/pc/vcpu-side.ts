/** Machine pc on the thread of one of its vCPUs: the serial port, whose state all threads share, and what is nowhere. */
import { anything, boolean, callback, having, optional, taking, wholeNumber } from "../../../base/takes.js";
import { KVM_EXIT_IO_IN, type Vm } from "../../../kvm/uapi.js";
import type { VcpuSide, VcpuSideHost } from "../../core/machine.js";
import { ConsoleRing } from "../../devices/console-ring.js";
import { inside } from "../../devices/pci/windows.js";
import { Serial } from "../../devices/serial.js";
import { consoleLine } from "./console-line.js";
import { Line, machineMemory, machinePorts, serialPorts, touches, within } from "./memory-map.js";
import { answerEach, type IoExit } from "./string-io.js";

/** What the machine gives to the threads of its vCPUs. */
export interface PcShared {
  readonly console: ArrayBuffer | SharedArrayBuffer;
  readonly serial: ArrayBuffer | SharedArrayBuffer;
}

/** How long a vCPU waits for room on the console before the guest is told that there is none, milliseconds. */
const outputWait = 50;

/** Makes this side; `shared` is a PcShared. */
export const createPcVcpuSide = taking(
  "createPcVcpuSide",
  {
    cpu: wholeNumber,
    shared: having({ console: anything, serial: anything }),
    host: having({ announceConsole: callback, mayWait: boolean, trace: optional(callback) }),
  },
  createSide,
);

function createSide(_cpu: number, shared: unknown, host: VcpuSideHost): VcpuSide {
  const { console, serial: registers } = shared as PcShared;
  const ring = new ConsoleRing(console);
  let vm: Pick<Vm, "bytes" | "irqLine"> | undefined;
  const counters: Record<string, number> = {};
  const count = (what: string): void => {
    counters[what] = (counters[what] ?? 0) + 1;
  };
  const announce = (): void => {
    if (ring.announce()) host.announceConsole();
  };
  const line = consoleLine(ring, announce, (level) => vm?.irqLine(Line.com1, level));
  const serial = new Serial(line, registers);

  /** Before the guest hears that there is no room; it asks again, as often as it likes. */
  const makeRoom = (): boolean => {
    if (line.room) return true;
    announce();
    if (host.mayWait) ring.waitForRoom(outputWait);
    return line.room;
  };

  const serialAccess = (exit: IoExit): void => {
    count("serial");
    const at = exit.port - serialPorts.first;
    let data = 0n;
    for (let i = 0; i < exit.size; i++) {
      if (exit.direction === KVM_EXIT_IO_IN) data |= BigInt(serial.read(at + i) & 0xff) << BigInt(8 * i);
      else serial.write(at + i, Number((exit.data >> BigInt(8 * i)) & 0xffn));
    }
    if (exit.direction === KVM_EXIT_IO_IN) exit.data = data;
  };

  const answerIo = (exit: IoExit): boolean => {
    if (within(serialPorts, exit.port, exit.size)) {
      // A string of them waits once in vain, not for each.
      let roomy = true;
      answerEach(exit, vm, (one) => {
        if (roomy) roomy = makeRoom();
        serialAccess(one);
      });
    } else if ([serialPorts, ...machinePorts].some((range) => touches(range, exit.port, exit.size))) return false;
    else {
      count("unassigned_io");
      answerEach(exit, vm, (one) => {
        if (one.direction === KVM_EXIT_IO_IN) one.data = (1n << BigInt(8 * one.size)) - 1n;
      });
    }
    return true;
  };

  return {
    attached: (own) => {
      vm = own;
    },
    answer: (exit) => {
      if (exit.reason === "io") return answerIo(exit);
      if (exit.reason !== "mmio") return false;
      if (machineMemory.some((window) => inside(window, exit.physAddr, exit.length))) return false;
      // Nothing lies there: reads see an idle bus, writes are lost.
      count("unassigned_mmio");
      if (!exit.isWrite) exit.data = (1n << BigInt(exit.length * 8)) - 1n;
      return true;
    },
    stats: () => counters,
  };
}
