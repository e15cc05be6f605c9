/** The guests' architectures that can be measured: one entry each; nothing else in the bench names one. */
import { ensureDefaultGuest, type Guest } from "../../guests/index.js";

/** Files and the command line of a guest; the same for every engine. */
export interface Images {
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  /** MB. */
  readonly memory: number;
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
  /** The values of `unikvm run --type`. */
  readonly types: readonly string[];
  /** What more `unikvm run` is told, so that the guest sees what it sees under QEMU. */
  readonly options: readonly string[];
  /** What more the kernel is told, by every engine. */
  readonly append: string;
  /** Brings the kernel, and an initial RAM disk whose /init understands unikvm.run. */
  guest(): Promise<Guest>;
  /** QEMU's TCG with one vCPU, the console on its standard streams. */
  qemu(images: Images): Command;
}

const ppc64el: Architecture = {
  name: "ppc64el",
  debian: "ppc64el",
  compiler: "powerpc64le-linux-gnu-gcc",
  compilerPackage: "gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross",
  types: ["hv", "pr"],
  options: [],
  append: "",
  guest: ensureDefaultGuest,
  qemu: ({ kernel, initrd, append, memory }) => ({
    program: "qemu-system-ppc64",
    args: [
      ...["-M", "pseries,x-vof=on", "-accel", "tcg", "-cpu", "power9", "-smp", "1", "-m", `${memory}M`],
      ...["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"],
      ...["-kernel", kernel, "-initrd", initrd, "-append", append],
    ],
  }),
};

const amd64: Architecture = {
  name: "amd64",
  debian: "amd64",
  compiler: "x86_64-linux-gnu-gcc",
  compilerPackage: "gcc-x86-64-linux-gnu libc6-dev-amd64-cross",
  types: ["hv", "pr"],
  options: ["--cpu", "x86-64-v2"],
  // QEMU's processor says that it is vulnerable and unikvm's that it is not: the same code on both.
  append: " mitigations=off",
  guest: () => ensureDefaultGuest({ guest: "amd64" }),
  qemu: ({ kernel, initrd, append, memory }) => ({
    program: "qemu-system-x86_64",
    args: [
      ...["-M", "q35", "-accel", "tcg", "-cpu", "Nehalem", "-smp", "1", "-m", `${memory}M`],
      ...["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"],
      ...["-kernel", kernel, "-initrd", initrd, "-append", append],
    ],
  }),
};

/** The default one first. */
export const architectures: readonly Architecture[] = [ppc64el, amd64];
