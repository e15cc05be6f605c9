/** What a machine has to be, to stand in the table of machines.ts. */
import type { Kvm } from "../../kvm/uapi.js";
import type {
  Machine,
  MachineState,
  PlacedRam,
  RunControl,
  TraceSink,
  VcpuSide,
  VcpuSideHost,
} from "../core/machine.js";
import type { SparseImage } from "../core/sparse-image.js";
import type { PciDevice } from "../devices/pci/device.js";
import type { Assignment, AssignmentHost } from "../devices/vfio-pci/assignment.js";
import type { ElfImage } from "../loaders/elf.js";
import type { KernelFormat } from "../loaders/kernel-image.js";

/** Makes a machine's side on a vCPU's thread. */
export type CreateSide = (cpu: number, shared: unknown, host: VcpuSideHost) => VcpuSide;

/** What any machine is made of. */
export interface MachineOptions {
  readonly kvm: Kvm;
  /** Default: the better that is loaded. */
  readonly implementation?: Implementation | undefined;
  /** Whether each vCPU is to have its thread. Default: if the platform allows. */
  readonly shared?: boolean | undefined;
  /** Most bytes of generated code, as for KVM_CREATE_VM. */
  readonly codeLimit?: number | undefined;
  readonly kernel: ElfImage;
  readonly initrd?: Uint8Array | undefined;
  readonly commandLine: string;
  /** Bytes; what is no whole granule is left out. */
  readonly memorySize: number;
  readonly cpus: number;
  /** One of `cpuModels`, in any case. Default: the machine's best. */
  readonly cpuModel?: string | undefined;
  /** Of the machine's own options, those that are given, checked. */
  readonly options?: Readonly<Record<string, string>> | undefined;
  readonly pciDevices?: readonly PciDevice[] | undefined;
  readonly assign?: ((host: AssignmentHost) => Assignment) | undefined;
}

export type Implementation = "hv" | "pr";

/** Makes the machine, again for each reboot. Throws VmmError or KvmError; nothing is left behind then. */
export type MakeMachine = (options: MachineOptions, control: RunControl, trace?: TraceSink) => Machine;

/** What a machine is made of that goes on where another stood. */
export interface RestoreOptions
  extends Pick<MachineOptions, "kvm" | "implementation" | "shared" | "codeLimit" | "pciDevices"> {
  /** What `Machine.save` gave, of a machine of this kind. Each of `pciDevices` was made from its own part of it. */
  readonly state: MachineState;
  /** The contents of RAM, or what `place` gave, filled. */
  readonly ram: SparseImage | PlacedRam;
}

/** RAM, bytes, for a machine that is restored later with the same options. Throws VmmError. */
export type PlaceRam = (
  options: Pick<RestoreOptions, "kvm" | "implementation" | "shared" | "codeLimit">,
  size: number,
) => PlacedRam;

/** Throws VmmError, or KvmError with EINVAL that says what of the state cannot be; nothing is left behind then. */
export type RestoreMachine = (options: RestoreOptions, control: RunControl, trace?: TraceSink) => Machine;

/** What a machine is, and its code. */
export interface MachineKind {
  /** What it boots, for the help. */
  readonly guests: string;
  readonly cpuModels: readonly string[];
  /** Its own options, and the values of each. */
  readonly options: Readonly<Record<string, readonly string[]>>;
  /** Bytes of RAM that make sense; it is a whole number of granules. */
  readonly memory: { readonly minimum: number; readonly maximum: number; readonly granule: number };
  /** Whether a file that begins so is a kernel of its guests. */
  readonly isKernel: (head: Uint8Array) => boolean;
  /** The kernel of a file's bytes. Throws VmmError for what is none. */
  readonly loadKernel: (file: Uint8Array, memorySize: number, name: string, format?: KernelFormat) => Promise<ElfImage>;
  /** For one run: what has a battery keeps its contents from one of its machines to the next. */
  readonly maker: () => MakeMachine;
  readonly restore: RestoreMachine;
  readonly place: PlaceRam;
  readonly createSide: CreateSide;
}
