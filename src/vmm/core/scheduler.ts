/** The two ways to run a machine's vCPUs have this face: a thread for each, or slices on one thread. */
import type { Kvm, MoveOptions } from "../../kvm/uapi.js";
import type { CpuState } from "./machine.js";

export interface Scheduler {
  /** Makes ready; nothing of the guest runs yet. */
  prepare(): Promise<void>;
  cpuState(cpu: number): CpuState;
  start(cpu: number): void;
  stop(cpu: number): void;
  /** An interrupt may have become pending, raised by the machine's thread. */
  wake(): void;
  /** Moves the VM to another kvm. Rejects, and the run goes on, if that is not possible. */
  moveTo(kvm: Kvm, options?: Omit<MoveOptions, "prepare">): Promise<void>;
  /** Resolves when no vCPU is in the guest and each exit is completed; nothing of the guest runs until `resume`. */
  pause(): Promise<void>;
  resume(): void;
  /** Throws if the run is over. */
  requireGoing(): void;
  /** The run is over: no vCPU goes on from the exit it is in, and those in the guest are told to leave. */
  leave(): void;
  /** After `leave`: waits until every vCPU has left, and gives all threads back. Afterwards nothing of the guest runs. */
  shutdown(): Promise<void>;
  /** Counters of each vCPU; complete after shutdown. */
  stats(): readonly Readonly<Record<string, number>>[];
}
