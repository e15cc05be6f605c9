/** `--machine`, and the options that mean what the machine has: `--cpu`, `--memory`. Several commands have them. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { VmmError } from "../vmm/errors.js";
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
import { parseSize } from "./sizes.js";

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

/** What can be said at once where there is one machine; where there are several, `settleMachine` does. */
function ifOnly(loaded: readonly LoadedMachine[], check: (machine: LoadedMachine) => void): void {
  const [only, second] = loaded;
  if (only && !second) check(only);
}

const asked = (text: string): Asked => ({ text, size: parseSize(text) });

export function memoryOption(usual: string, loaded: readonly LoadedMachine[]): Option {
  const parse = checked((text: string) => {
    const value = asked(text);
    ifOnly(loaded, (machine) => machineMemory(machine, value.size));
    return value;
  });
  return new Option(memoryFlags, "RAM, as 512M or 1G").argParser(parse).default(asked(usual), usual);
}

export function cpuOption(loaded: readonly LoadedMachine[]): Option {
  const [only, second] = loaded.map(({ name, cpuModels }) => ({ name, models: cpuModels.join(", ") }));
  const all = loaded.map(({ name, cpuModels }) => `${cpuModels.join(", ")} (${name})`).join("; ");
  const parse = checked((text: string) => {
    ifOnly(loaded, (machine) => machineCpu(machine, text));
    return text;
  });
  return new Option(cpuFlags, `processor: ${second ? all : only?.models}`).argParser(parse);
}

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

/** Before the action: `--cpu` and `--memory` may stand before `--machine`, and are held against it when all are known. */
export function settleMachine(loaded: readonly LoadedMachine[]): (command: Command) => void {
  return (command) => {
    const given: { machine?: MachineChoice; cpu?: string; memory: Asked } = command.opts();
    const [machine] = loaded;
    const choice = given.machine ?? (machine && { machine, options: {} });
    if (!choice) throw new Error("there is no machine");
    const settle = (name: string, flags: string, text: string, value: () => unknown): void => {
      try {
        command.setOptionValue(name, value());
      } catch (error) {
        if (!(error instanceof VmmError)) throw error;
        command.error(`error: option '${flags}' argument '${text}' is invalid. ${error.message}.`);
      }
    };
    const { cpu, memory } = given;
    if (command.options.some((option) => option.attributeName() === "machine"))
      command.setOptionValue("machine", choice);
    settle("memory", memoryFlags, memory.text, () => machineMemory(choice.machine, memory.size));
    if (cpu !== undefined) settle("cpu", cpuFlags, cpu, () => machineCpu(choice.machine, cpu));
  };
}
