/** `--machine`, and the options that mean what the machine has: `--cpu`, `--cpus`, `--memory`. Several commands have them. */
import { closeSync, readSync } from "node:fs";
import { constants, gunzipSync } from "node:zlib";
import { type Command, InvalidArgumentError, Option } from "commander";
import { guestNames, machineOfGuest } from "../../guests/index.js";
import { openRegular } from "../base/node/regular-file.js";
import { VmmError } from "../vmm/errors.js";
import { isGzip } from "../vmm/loaders/gzip.js";
import {
  type LoadedMachine,
  loadMachine,
  type MachineChoice,
  machineCpu,
  machineMemory,
  machineSyntax,
  machines,
  parseMachine,
} from "../vmm/machines/machines.js";
import { parseCount, parseSize } from "./sizes.js";

/** What is left in the command's options once all of them are read. */
export interface MachineOptionValues {
  readonly machine: MachineChoice;
  /** Bytes. */
  readonly memory: number;
  readonly cpu?: string;
}

const memoryFlags = "--memory <size>";
const cpuFlags = "--cpu <name>";

/** A size and how it was written. */
interface Asked {
  readonly text: string;
  readonly size: number;
}

/** What can be said at once where there is one machine; where there may be others (`open`), `settleMachine` does. */
function ifOnly(loaded: readonly LoadedMachine[], open: boolean, check: (machine: LoadedMachine) => void): void {
  const [only, second] = loaded;
  if (only && !second && !open) check(only);
}

const asked = (text: string): Asked => ({ text, size: parseSize(text) });

/** `open`: another machine than these may be settled on. */
export function memoryOption(usual: string, loaded: readonly LoadedMachine[], open = false): Option {
  const parse = checked((text: string) => {
    const value = asked(text);
    ifOnly(loaded, open, (machine) => machineMemory(machine, value.size));
    return value;
  });
  return new Option(memoryFlags, "RAM, as 512M or 1G").argParser(parse).default(asked(usual), usual);
}

/** As `memoryOption`. */
export function cpuOption(loaded: readonly LoadedMachine[], open = false): Option {
  const [only, second] = loaded.map(({ name, cpuModels }) => ({ name, models: cpuModels.join(", ") }));
  const all = loaded.map(({ name, cpuModels }) => `${cpuModels.join(", ")} (${name})`).join("; ");
  const others = open ? "; of other guests what unikvm run --help says" : "";
  const parse = checked((text: string) => {
    ifOnly(loaded, open, (machine) => machineCpu(machine, text));
    return text;
  });
  return new Option(cpuFlags, `processor: ${second ? all : only?.models}${others}`).argParser(parse);
}

/** So many vCPUs has a VM of each of kvm's modules at most, KVM_CAP_MAX_VCPUS: before one is loaded it cannot be asked. */
export const mostCpus = 32;

export const cpusOption = (): Option =>
  new Option("--cpus <n>", `number of CPUs, at most ${mostCpus}`).argParser(parseCount(1, mostCpus)).default(1);

export const machineOption = (loaded: readonly LoadedMachine[]): Option =>
  new Option("--machine <[name][,option=value]>", `the machine: ${machineSyntax(loaded)}`).argParser(
    checked((text: string) => parseMachine(text, loaded)),
  );

/** Turns a VmmError about an option's value into commander's usage error. */
export function checked<T>(check: (text: string, before?: T) => T): (text: string, before?: T) => T {
  return (text, before) => {
    try {
      return check(text, before);
    } catch (error) {
      if (error instanceof VmmError) throw new InvalidArgumentError(`${error.message}.`);
      throw error;
    }
  };
}

/** The machines that a command may make. */
export const loadMachines = (): Promise<readonly LoadedMachine[]> =>
  Promise.all(machines.map((row) => loadMachine(row)));

/** Bytes of a file by which it is known, and of one under gzip. */
const headSize = 4096;

/** How a file begins, under gzip too; nothing where it cannot be read, which who loads it says. */
function headOf(path: string): Uint8Array {
  const head = new Uint8Array(headSize);
  try {
    const { fd: file } = openRegular(path);
    try {
      const bytes = head.subarray(0, readSync(file, head));
      return isGzip(bytes) ? gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }) : bytes;
    } finally {
      closeSync(file);
    }
  } catch {
    return new Uint8Array(0);
  }
}

/** The machine whose guests' kernel a file is. */
function machineOf(kernel: string | undefined, loaded: readonly LoadedMachine[]): LoadedMachine | undefined {
  if (kernel === undefined) return undefined;
  const head = headOf(kernel);
  return loaded.find(({ isKernel }) => isKernel(head));
}

/** The machine on which a guest of the project's own list boots. */
const machineOfName = (guest: string | undefined, loaded: readonly LoadedMachine[]): LoadedMachine | undefined =>
  guest === undefined ? undefined : loaded.find((machine) => machine.guest === machineOfGuest(guest));

/** `--guest`, of the project's own list. */
export const guestOption = (): Option =>
  new Option("--guest <name>", "which of Debian's is booted; fetched first if need be")
    .choices(guestNames)
    .argParser(parseGuest);

/** A guest's name as it was given. Throws what commander makes a usage error of. */
export function parseGuest(name: string): string {
  try {
    machineOfGuest(name);
    return name;
  } catch {
    throw new InvalidArgumentError(`There is ${guestNames.join(", ")}.`);
  }
}

/** Before the action: `--cpu` and `--memory` may stand before `--machine`, and are held against it when all are known. */
export const settleMachine =
  (loaded: readonly LoadedMachine[]) =>
  (command: Command): void =>
    void settledMachine(command, loaded);

/** The same, and gives it: what `--machine` says, else the one that the guest or the kernel needs. */
export function settledMachine(command: Command, loaded: readonly LoadedMachine[]): LoadedMachine {
  const given: {
    machine?: MachineChoice;
    cpu?: string;
    memory: Asked;
    kernel?: string;
    guest?: string;
  } = command.opts();
  const own = machineOfName(given.guest, loaded);
  const machine = own ?? machineOf(given.kernel, loaded) ?? loaded[0];
  const choice = given.machine ?? (machine && { machine, options: {} });
  if (!choice) throw new Error("there is no machine");
  if (own && own.name !== choice.machine.name) {
    const what = `Machine ${choice.machine.name} boots ${choice.machine.guests}; this guest needs ${own.name}`;
    command.error(`error: option '--guest <name>' argument '${given.guest}' is invalid. ${what}.`);
  }
  const settle = (name: string, flags: string, text: string, value: () => unknown): void => {
    try {
      command.setOptionValueWithSource(name, value(), command.getOptionValueSource(name));
    } catch (error) {
      if (!(error instanceof VmmError)) throw error;
      command.error(`error: option '${flags}' argument '${text}' is invalid. ${error.message}.`);
    }
  };
  const { cpu, memory } = given;
  if (command.options.some((option) => option.attributeName() === "machine")) command.setOptionValue("machine", choice);
  settle("memory", memoryFlags, memory.text, () => machineMemory(choice.machine, memory.size));
  if (cpu !== undefined) settle("cpu", cpuFlags, cpu, () => machineCpu(choice.machine, cpu));
  return choice.machine;
}
