/**
 * Every machine: one row each. The command line, createVm and the threads of vCPUs come here, and name none. A machine's own
 * code is loaded when it is asked for, a vCPU's thread loading only its side.
 */
import { ChoiceError, VmmError } from "../errors.js";
import type { CreateSide, MachineKind } from "./machine-kind.js";

export interface MachineRow {
  readonly name: string;
  /** What its guests are of, as `openKvm` is asked for a kvm that runs them. */
  readonly guest: string;
  /** What else they may be of. */
  readonly also?: readonly string[];
  /** Bytes that kvm takes for such a VM at most, and more for each of its vCPUs. */
  readonly kvmMemory: { readonly vm: number; readonly vcpu: number };
  readonly load: () => Promise<MachineKind>;
  readonly loadSide: () => Promise<CreateSide>;
}

const mebibyte = 1 << 20;

/** The first is the default. */
export const machines: readonly MachineRow[] = [
  {
    name: "pseries",
    guest: "ppc64le",
    kvmMemory: { vm: 4 * mebibyte, vcpu: 26 * mebibyte },
    load: async () => (await import("./pseries/kind.js")).pseries,
    loadSide: async () => (await import("./pseries/vcpu-side.js")).createPseriesVcpuSide,
  },
  {
    name: "pc",
    guest: "x86_64",
    also: ["i386"],
    kvmMemory: { vm: 4 * mebibyte, vcpu: 153 * mebibyte },
    load: async () => (await import("./pc/kind.js")).pc,
    loadSide: async () => (await import("./pc/vcpu-side.js")).createPcVcpuSide,
  },
];

/** A machine with its code loaded. */
export interface LoadedMachine extends MachineKind, Pick<MachineRow, "name" | "guest"> {}

/** By its name; undefined: the default. Throws VmmError listing the names there are. */
export function machineRow(name?: string, rows: readonly MachineRow[] = machines): MachineRow {
  const row = name === undefined ? rows[0] : rows.find((one) => one.name === name);
  if (row) return row;
  throw new VmmError(`there is no machine "${name}"; there is ${rows.map((one) => one.name).join(", ")}`);
}

/** The machine that such guests boot on. Throws VmmError listing the guests there are. */
export function machineForGuest(guest: string): MachineRow {
  const guestsOf = ({ guest, also = [] }: MachineRow): readonly string[] => [guest, ...also];
  const row = machines.find((one) => guestsOf(one).includes(guest));
  if (row) return row;
  throw new VmmError(`no machine boots guests of "${guest}"; there is ${machines.flatMap(guestsOf).join(", ")}`);
}

/** What kvm takes at most of the host's memory for a machine, bytes. */
export const kvmMemory = ({ kvmMemory: { vm, vcpu } }: MachineRow, cpus: number): number => vm + cpus * vcpu;

/** What a vCPU's thread makes its side of a machine with, by the machine's name. Throws VmmError: there is none. */
export const loadSide = (name?: string): Promise<CreateSide> => machineRow(name).loadSide();

export async function loadMachine(row: MachineRow = machineRow()): Promise<LoadedMachine> {
  return { name: row.name, guest: row.guest, ...(await row.load()) };
}

/** A machine and what was chosen of its options. */
export interface MachineChoice {
  readonly machine: LoadedMachine;
  readonly options: Readonly<Record<string, string>>;
}

/**
 * [MACHINE][,OPTION=VALUE...], of the machines that are loaded, the first of which is the default. Throws VmmError that lists
 * what there is.
 */
export function parseMachine(text: string, loaded: readonly LoadedMachine[]): MachineChoice {
  const [fallback] = loaded;
  const [first = "", ...rest] = text.split(",");
  const names = !first.includes("=") && !(first in (fallback?.options ?? {}));
  const machine = names ? loaded.find(({ name }) => name === first) : fallback;
  if (!machine) {
    throw new VmmError(`there is no machine "${first}"; there is ${loaded.map(({ name }) => name).join(", ")}`);
  }
  const options: Record<string, string> = {};
  for (const part of names ? rest : [first, ...rest]) {
    const [option = "", ...value] = part.split("=");
    options[option] = checkedOption(machine, option, value.join("="));
  }
  return { machine, options };
}

function checkedOption({ name, options }: LoadedMachine, option: string, value: string): string {
  const values = Object.hasOwn(options, option) ? options[option] : undefined;
  if (!values) {
    const there = Object.keys(options).join(", ");
    throw new VmmError(`machine ${name} has no option "${option}"; it has ${there || "none"}`);
  }
  if (!values.includes(value)) throw new VmmError(`${option} is ${values.join(" or ")}, not "${value}"`);
  return value;
}

/** For the help: MACHINE: OPTION=VALUE|VALUE. */
export const machineSyntax = (loaded: readonly LoadedMachine[]): string =>
  loaded
    .map(({ name, options }) => {
      const own = Object.entries(options).map(([option, values]) => `${option}=${values.join("|")}`);
      return own.length > 0 ? `${name} with ${own.join(", ")}` : name;
    })
    .join("; ");

/** The size of RAM for what was asked, in bytes. Throws VmmError: too little or too much. */
export function machineMemory({ name, memory }: LoadedMachine, wanted: number): number {
  const { minimum, maximum, granule } = memory;
  const inMebibytes = (size: number): string => `${size / 1048576}M`;
  if (wanted < minimum) throw new ChoiceError(`a guest of ${name} needs at least ${inMebibytes(minimum)} of memory`);
  if (wanted > maximum) throw new ChoiceError(`a guest of ${name} can have at most ${inMebibytes(maximum)} of memory`);
  return Math.floor(wanted / granule) * granule;
}

/** The processor's name as the machine has it. Throws VmmError listing those there are. */
export function machineCpu({ name, cpuModels }: LoadedMachine, wanted: string): string {
  const model = cpuModels.find((one) => one.toLowerCase() === wanted.toLowerCase());
  if (model !== undefined) return model;
  throw new ChoiceError(`machine ${name} has no CPU model "${wanted}"; it has ${cpuModels.join(", ")}`);
}
