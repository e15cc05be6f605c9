/**
 * How a hypercall that KVM leaves to the user side is declared. Kernel-side ones never come here.
 * Source: Power Architecture Platform Requirements, "hcall()".
 */
import type { UserHcallName } from "../../../../arch/powerpc/uapi/hcalls.js";
import type { PpcVm } from "../../../../arch/powerpc/uapi.js";
import type { Vty } from "../../../devices/vty.js";
import type { RtasHost } from "../rtas/rtas.js";
import type { XiveController } from "../xive.js";

/** What r3 holds on return. Source: PAPR, "Hypervisor Call Return Codes". */
export const HcallStatus = {
  success: 0n,
  busy: 1n,
  hardware: -1n,
  function: -2n,
  parameter: -4n,
  parameter2: -55n,
  parameter3: -56n,
  parameter4: -57n,
  parameter5: -58n,
} as const;

/** What a hypercall sees that is answered on the vCPU's own thread: nothing but memory shared between threads. */
export interface VcpuContext {
  /** The terminal at a unit address, 0 meaning the first; undefined if there is none. */
  terminal(unit: bigint): Vty | undefined;
  /** Called after output was refused for want of room: waits a moment if this thread may. */
  outputFull(): void;
  /** Tells the machine's thread, without waiting, that there is console work. */
  consoleChanged(): void;
}

/** What a hypercall sees that is answered on the machine's thread. */
export interface MachineContext {
  /** The calling CPU. */
  readonly cpu: number;
  readonly vm: PpcVm;
  /** Undefined: the machine has another interrupt controller. */
  readonly xive: XiveController | undefined;
  /** RTAS call whose buffer lies at this real address. */
  rtas(buffer: bigint): bigint;
  readonly host: RtasHost;
}

/** Arguments are r4 to r12 and are written back, so a handler returns further results in them. */
type Handler<Context> = (context: Context, args: bigint[]) => bigint;
export type VcpuHandlers = Readonly<Partial<Record<UserHcallName<"vcpu">, Handler<VcpuContext>>>>;
export type MachineHandlers = Readonly<Partial<Record<UserHcallName<"machine">, Handler<MachineContext>>>>;

/** One that a side answers: its name, for the trace, and how. */
export interface Hcall<Context> {
  readonly name: string;
  readonly handler: Handler<Context>;
}
