/** What every machine is made of and restored from by its own maker, and what that is held against. */
import {
  boolean,
  bytes,
  callback,
  having,
  listOf,
  optional,
  size,
  text,
  thing,
  wholeNumber,
} from "../../base/takes.js";
import type { MachineOptions, RestoreOptions } from "./machine-kind.js";

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
