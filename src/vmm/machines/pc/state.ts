/** Machine pc as a plain value, from which it is made again. */
import { anything, having, integer, oneOf, options, size, text } from "../../../base/takes.js";
import type { VmState } from "../../../kvm/uapi.js";
import type { MachineState } from "../../core/machine.js";
import type { ConsoleRingState } from "../../devices/console-ring.js";
import type { RtcState } from "../../devices/rtc.js";
import type { SerialState } from "../../devices/serial.js";
import { requireState } from "../options.js";
import { cpuModelNames } from "./cpu-models.js";
import type { BridgeState } from "./pci/host-bridge.js";
import type { PortsState } from "./ports.js";

/** What the machine was made as. */
export interface PcPlan {
  /** Bytes, a multiple of 64 KiB. */
  readonly memorySize: number;
  readonly cpus: number;
  readonly cpuModel: string;
}

export interface PcState extends MachineState {
  readonly machine: "pc";
  readonly plan: PcPlan;
  readonly vm: VmState;
  readonly console: ConsoleRingState;
  readonly serial: SerialState;
  readonly ports: PortsState;
  readonly rtc: RtcState;
  readonly pci: BridgeState;
}

const plan = options<PcPlan>({
  memorySize: size,
  cpus: integer(1, 255),
  cpuModel: oneOf(...cpuModelNames),
});
const stateCheck = having({
  machine: text,
  plan,
  vm: anything,
  console: anything,
  serial: anything,
  ports: anything,
  rtc: anything,
  pci: anything,
});

/** Its parts are checked by those that take them. EINVAL: it is no state of such a machine. */
export function checkState(value: unknown): PcState {
  requireState(value, "pc", stateCheck, "restorePc");
  return value as PcState;
}
