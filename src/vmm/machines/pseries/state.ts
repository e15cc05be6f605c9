/** Machine pseries as a plain value, from which it is made again. */
import {
  anything,
  boolean,
  bytes,
  having,
  integer,
  listOf,
  oneOf,
  optional,
  options,
  size,
  text,
} from "../../../base/takes.js";
import { KvmError, type VmState } from "../../../kvm/uapi.js";
import type { MachineState } from "../../core/machine.js";
import type { ConsoleRingState } from "../../devices/console-ring.js";
import type { Nvram } from "../../devices/nvram.js";
import type { Rtc, RtcState } from "../../devices/rtc.js";
import { requireState } from "../options.js";
import { cpuModelNames } from "./cpu-models.js";
import { type InterruptMode, interruptModes } from "./device-tree.js";
import type { FwnmiState } from "./fwnmi.js";
import type { BridgeState } from "./pci/host-bridge.js";
import type { XiveState } from "./xive.js";

/** Devices with a battery: they keep their contents when the machine is made anew. */
export interface PseriesDevices {
  readonly nvram: Nvram;
  readonly rtc: Rtc;
}

/** What the machine was made as. */
export interface PseriesPlan {
  /** Bytes, a multiple of 64 KiB. */
  readonly memorySize: number;
  readonly cpus: number;
  readonly cpuModel: string;
  readonly interruptMode: InterruptMode;
  /** Where RTAS's area lies. */
  readonly rtasAddress: number;
}

export interface PseriesState extends MachineState {
  readonly machine: "pseries";
  readonly plan: PseriesPlan;
  readonly vm: VmState;
  /** By CPU: whether it has been started. */
  readonly running: readonly boolean[];
  readonly console: ConsoleRingState;
  readonly fwnmi: FwnmiState;
  readonly nvram: Uint8Array;
  readonly rtc: RtcState;
  readonly pci?: BridgeState | undefined;
  readonly xive?: XiveState | undefined;
}

const plan = options<PseriesPlan>({
  memorySize: size,
  cpus: integer(1, 0xffff),
  cpuModel: oneOf(...cpuModelNames),
  interruptMode: oneOf(...interruptModes),
  rtasAddress: size,
});
const stateCheck = having({
  machine: text,
  plan,
  vm: anything,
  running: listOf(boolean),
  console: anything,
  fwnmi: anything,
  nvram: bytes,
  rtc: anything,
  pci: optional(anything),
  xive: optional(anything),
});

/** Its parts are checked by those that take them. EINVAL: it is no state of such a machine. */
export function checkState(value: unknown): PseriesState {
  const refuse = (what: string): never => {
    throw new KvmError("EINVAL", `the saved machine ${what}`);
  };
  requireState(value, "pseries", stateCheck, "restorePseries");
  const state = value as PseriesState;
  const { cpus, interruptMode } = state.plan;
  if (state.running.length !== cpus) refuse(`says of ${state.running.length} CPUs whether they run, and has ${cpus}`);
  if ((state.xive !== undefined) !== (interruptMode === "xive"))
    refuse(`has ic-mode=${interruptMode}, and another controller`);
  return state;
}
