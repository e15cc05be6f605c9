/**
 * How a call of the Run-Time Abstraction Services is declared and carried out. The guest's argument buffer is 32-bit
 * big-endian words in its memory: token, number of inputs, number of outputs, inputs, outputs; the first output is the
 * status. Nothing in it is trusted. Source: LoPAPR, "RTAS Call Mechanism".
 */
import type { GuestMemory } from "../../../core/guest-memory.js";
import type { Nvram } from "../../../devices/nvram.js";
import type { Rtc } from "../../../devices/rtc.js";
import type { PciHostBridge } from "../pci/host-bridge.js";

/** Status words. Source: LoPAPR, "RTAS Status Word Values". */
export const RtasStatus = {
  success: 0,
  /** Of calls that look for something. */
  nothingFound: 1,
  hardwareError: -1,
  busy: -2,
  parameterError: -3,
  systemParameterNotWritable: -9002,
  systemParameterError: -9999,
} as const;

/** Whether a CPU runs, as query-cpu-stopped-state says it. */
export const CpuState = { stopped: 0, stopping: 1, running: 2 } as const;
export type CpuStateValue = (typeof CpuState)[keyof typeof CpuState];

/** What the calls act upon: the machine, as far as they need it. */
export interface RtasHost {
  readonly memory: GuestMemory;
  readonly memorySize: number;
  readonly cpus: number;
  /** One byte to the console. False: no room now. */
  displayCharacter(byte: number): boolean;
  readonly nvram: Nvram;
  readonly rtc: Rtc;
  /** The only one, if any. */
  readonly pci: PciHostBridge | undefined;
  /** The bridge of this unit address. */
  pciBridge(unit: bigint): PciHostBridge | undefined;
  /** Undefined if there is no CPU of that number. */
  cpuState(cpu: number): CpuStateValue | undefined;
  /** Starts a stopped CPU at a real address with `argument` in r3. */
  startCpu(cpu: number, address: number, argument: number): void;
  /** Does not return to the calling guest CPU. */
  stopCpu(cpu: number): void;
  /** Handlers of System Reset and Machine Check, from now on entered with an error log. False: no such addresses. */
  registerNmi(systemReset: number, machineCheck: number): boolean;
  /** The CPU is done with its error log. False: it has none. */
  releaseNmi(cpu: number): boolean;
  powerOff(): void;
  reboot(): void;
  /** The operating system says that it died. */
  crash(message: string): void;
}

export interface RtasCall {
  /** The CPU that calls. */
  readonly cpu: number;
  readonly inputs: readonly number[];
  /** How many output words the caller has room for, the status counted. */
  readonly outputCount: number;
  /** Output words behind the status; a call sets what it has. */
  readonly outputs: number[];
}

type RtasHandler = (host: RtasHost, call: RtasCall) => number;

export interface Rtas {
  readonly token: number;
  readonly name: string;
  /** How many the call takes. */
  readonly inputs: number;
  /** How many it may be given room for, the status counted. */
  readonly outputs: readonly [least: number, most: number];
  /** Undefined: KVM carries it out itself and is told the token. */
  readonly handler: RtasHandler | undefined;
}

/** Declares a call with its fixed token; `shape` is [inputs, outputs] or [inputs, [least outputs, most outputs]]. */
export function rtas(
  token: number,
  name: string,
  [inputs, outputs]: readonly [inputs: number, outputs: number | readonly [least: number, most: number]],
  handler?: RtasHandler,
): Rtas {
  return { token, name, inputs, outputs: typeof outputs === "number" ? [outputs, outputs] : outputs, handler };
}

/** Most words that a buffer may hold behind its three counts; Linux has 16. */
const maxWords = 16;

/** What happened, for the trace. */
export interface RtasResult {
  /** Undefined: no call has the token. */
  readonly name: string | undefined;
  readonly token: number;
  readonly inputs: readonly number[];
  readonly status: number;
}

/**
 * Carries out the call whose buffer lies at guest real address `address`. Undefined: there is no such buffer, and the
 * hypercall is to fail.
 */
export function callRtas(
  calls: ReadonlyMap<number, Rtas>,
  host: RtasHost,
  cpu: number,
  address: number,
): RtasResult | undefined {
  const head = host.memory.read(address, 12);
  if (!head) return undefined;
  const headView = new DataView(head.buffer);
  const [token, inputCount, outputCount] = [headView.getUint32(0), headView.getUint32(4), headView.getUint32(8)];
  if (inputCount > maxWords || outputCount > maxWords || inputCount + outputCount > maxWords) return undefined;
  const words = host.memory.read(address + 12, (inputCount + outputCount) * 4);
  if (!words) return undefined;
  const view = new DataView(words.buffer);
  const inputs = Array.from({ length: inputCount }, (_, i) => view.getUint32(i * 4));
  const outputs: number[] = [];
  const call = calls.get(token);
  const fits = call && inputCount === call.inputs && outputCount >= call.outputs[0] && outputCount <= call.outputs[1];
  const status =
    fits && call.handler ? call.handler(host, { cpu, inputs, outputCount, outputs }) : RtasStatus.parameterError;
  for (const [i, value] of [status, ...outputs].slice(0, outputCount).entries()) {
    view.setUint32((inputCount + i) * 4, value >>> 0);
  }
  host.memory.write(address + 12, words);
  return { name: call?.name, token, inputs, status };
}

/** A 64-bit input, which takes two words. */
export const twoWords = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low);
