/** The guests' architectures that can be measured: one entry each; nothing else in the bench names one. */
import { ensureDefaultGuest, type Guest } from "../../guests/index.js";

/** Files and the command line of a guest; the same for every engine. */
export interface Images {
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  /** MB. */
  readonly memory: number;
  /** vCPUs, if not one. */
  readonly cpus?: number;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

export interface Architecture {
  readonly name: string;
  /** Debian's name for it. */
  readonly debian: string;
  /** Compiles and links C for the guest, and Debian's package that has it. */
  readonly compiler: string;
  readonly compilerPackage: string;
  /** What more the compiler is told. */
  readonly compilerOptions: readonly string[];
  /** The values of `unikvm run --type`. */
  readonly types: readonly string[];
  /** What more `unikvm run` is told, so that the guest sees what it sees under QEMU. */
  readonly options: readonly string[];
  /** What more the kernel is told, by every engine. */
  readonly append: string;
  /** Brings the kernel, and an initial RAM disk whose /init understands unikvm.run. */
  guest(): Promise<Guest>;
  /** QEMU's TCG, the console on its standard streams. */
  qemu(images: Images): Command;
  /** Whether the emulator v86 runs the guest, too. */
  readonly v86: boolean;
  /**
   * Which of `unikvm run --stats`' counters tells of instructions, and how many of it one is. x86's counts bytes, and one for what
   * jumps; what one is, on the way to /init, was found in some million instructions of QEMU's, stepped through at random moments.
   */
  readonly counter: { readonly name: string; readonly each: number };
}

const forAllOfQemu = ({ kernel, initrd, append, memory, cpus = 1 }: Images): string[] => [
  ...["-accel", cpus > 1 ? "tcg,thread=multi" : "tcg", "-smp", String(cpus), "-m", `${memory}M`],
  ...["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"],
  ...["-kernel", kernel, "-initrd", initrd, "-append", append],
];

const ppc64el: Architecture = {
  name: "ppc64el",
  debian: "ppc64el",
  compiler: "powerpc64le-linux-gnu-gcc",
  compilerPackage: "gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross",
  compilerOptions: [],
  types: ["hv", "pr"],
  options: [],
  append: "",
  guest: ensureDefaultGuest,
  qemu: (images) => ({
    program: "qemu-system-ppc64",
    args: ["-M", "pseries,x-vof=on", "-cpu", "power9", ...forAllOfQemu(images)],
  }),
  v86: false,
  counter: { name: "instructions", each: 1 },
};

/** What guests of a PC have in common; `cpu` is QEMU's name for the level. */
const pc = (cpu: string): Pick<Architecture, "types" | "append" | "qemu"> => ({
  types: ["hv", "pr"],
  // QEMU's processor says that it is vulnerable and unikvm's that it is not: the same code on both.
  append: " mitigations=off",
  qemu: (images) => ({
    program: "qemu-system-x86_64",
    args: ["-M", "q35", "-cpu", cpu, ...forAllOfQemu(images)],
  }),
});

const amd64: Architecture = {
  name: "amd64",
  debian: "amd64",
  compiler: "x86_64-linux-gnu-gcc",
  compilerPackage: "gcc-x86-64-linux-gnu libc6-dev-amd64-cross",
  compilerOptions: [],
  ...pc("Nehalem"),
  options: ["--cpu", "x86-64-v2"],
  guest: () => ensureDefaultGuest({ guest: "amd64" }),
  v86: false,
  counter: { name: "codeBytesRun", each: 3.5 },
};

/** The level is the one that comes nearest to v86's processor, which has no more than SSE3. */
const i386: Architecture = {
  name: "i386",
  debian: "i386",
  compiler: "i686-linux-gnu-gcc",
  compilerPackage: "gcc-i686-linux-gnu libc6-dev-i386-cross",
  // Floating point as on every other machine: the x87 rounds otherwise.
  compilerOptions: ["-march=i686", "-msse2", "-mfpmath=sse"],
  ...pc("qemu64,-pni,-cx16,-svm"),
  options: ["--cpu", "x86-64-v1"],
  guest: () => ensureDefaultGuest({ guest: "i386" }),
  v86: true,
  counter: { name: "codeBytesRun", each: 3.0 },
};

/** The default one first. */
export const architectures: readonly Architecture[] = [ppc64el, amd64, i386];
