/** What every machine is made of and restored from by its own maker, and what that is held against. */
import {
  boolean,
  bytes,
  type Check,
  callback,
  having,
  listOf,
  optional,
  size,
  text,
  thing,
  wholeNumber,
} from "../../base/takes.js";
import { KvmError } from "../../kvm/uapi.js";
import type { MachineState } from "../core/machine.js";
import type { MachineOptions, RestoreOptions } from "./machine-kind.js";

/** RAM is a whole number of these, bytes. */
export const memoryGranule = 65536;

/** Of a machine of one architecture, `K` being its kvm: the type of the VM is one of its own. */
export interface OwnMachineOptions<K> extends Omit<MachineOptions, "kvm" | "implementation" | "options" | "assign"> {
  readonly kvm: K;
  /** KVM_CREATE_VM's type: 0, or one of the architecture's for hv or pr. */
  readonly type: number;
}

/** The same of one that goes on where `state` says. */
export interface OwnRestoreOptions<K> extends Omit<RestoreOptions, "kvm" | "implementation"> {
  readonly kvm: K;
  /** As in `OwnMachineOptions`. */
  readonly type: number;
}

/** All of a VM that both have. */
const vmChecks = {
  type: wholeNumber,
  shared: optional(boolean),
  codeLimit: optional(size),
  pciDevices: optional(listOf(thing("a PCI device", ["connect", "read", "write"]))),
} as const;

/** Of `OwnMachineOptions` but for `kvm`. */
export const machineChecks = {
  ...vmChecks,
  kernel: having({ entry: size, segments: listOf(having({ address: size, data: bytes })) }),
  initrd: optional(bytes),
  commandLine: text,
  memorySize: size,
  cpus: size,
  cpuModel: optional(text),
} as const;

/** Of `OwnRestoreOptions` but for `kvm`. */
export const restoreChecks = { ...vmChecks, state: having({ machine: text }), ram: having({}) } as const;

/** What `runMachine` gives to who makes a machine. */
export const controlChecks = {
  control: thing("what runMachine gives to createMachine", ["end", "wake"]),
  trace: optional(callback),
} as const;

/**
 * A state as far as all machines' are alike: it is of `machine`, it is what `check` wants, and its memory is whole granules.
 * `call` is for the sentence. EINVAL: it is not.
 */
export function requireState(value: unknown, machine: string, check: Check, call: string): void {
  const { machine: saved } = value as MachineState;
  if (saved !== machine) {
    throw new KvmError("EINVAL", `the saved machine is a "${String(saved).slice(0, 60)}", not a ${machine}`);
  }
  check(value, call, "state");
  const { memorySize } = (value as { readonly plan: { readonly memorySize: number } }).plan;
  if (memorySize % memoryGranule === 0) return;
  throw new KvmError("EINVAL", `the saved machine has ${memorySize} bytes of memory, no multiple of ${memoryGranule}`);
}
