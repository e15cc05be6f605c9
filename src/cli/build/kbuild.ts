/**
 * Which files an option decides over: what `obj-$(CONFIG_X)` and the stubs of a header's `#else` are in the kernel.
 * Paths are those of the built files, from dist/. An option of Kconfig's files that is to change the build is one row here.
 */

import { moduleList } from "../../kernel/module-list.js";

export interface KbuildRow {
  readonly option: string;
  /** What stands in place of each file where the option is n. */
  readonly absent?: Readonly<Record<string, string>>;
  /** What stands in place of each file where the option is not n. */
  readonly present?: Readonly<Record<string, string>>;
  /** Files whose own imports on demand become part of them where the option is y. */
  readonly linked?: readonly string[];
  /**
   * The file that declares the module. Where the option is n there is nothing of it but undefined names; where it is m and
   * `linked` does not say which files import its code, that is imported when the module is loaded.
   */
  readonly module?: string;
  /** What modules export besides where the option is not n: `exported` of a file. */
  readonly exports?: { readonly file: string; readonly modules: readonly string[] };
  /** The file that others import or start, by its name in bundle.ts, which is there only if the option is not n. */
  readonly entry?: string;
}

/** Stands for a command that a build does not have. */
export function refusedCommand(why: string): string {
  return `export const describe = (command, finish) => command.allowUnknownOption().allowExcessArguments().action(
    finish(() => { throw new Error(${JSON.stringify(why)}); }));`;
}

const powerpc = "src/arch/powerpc";
const x86 = "src/arch/x86";

export const kbuild: readonly KbuildRow[] = [
  ...moduleList().map(
    ({ option, source, loaders }): KbuildRow => ({
      option,
      module: source,
      ...(loaders ? { linked: loaders } : {}),
    }),
  ),
  {
    option: "KVM_BOOK3S_HV_POSSIBLE",
    absent: { [`${powerpc}/engines/hv.js`]: "export const hv = undefined;" },
  },
  {
    option: "KVM_BOOK3S_PR_POSSIBLE",
    absent: { [`${powerpc}/engines/pr.js`]: "export const pr = undefined;" },
  },
  { option: "KVM_X86_HV_POSSIBLE", absent: { [`${x86}/engines/hv.js`]: "export const hv = undefined;" } },
  { option: "KVM_X86_PR_POSSIBLE", absent: { [`${x86}/engines/pr.js`]: "export const pr = undefined;" } },
  {
    option: "KVM_EXTERNAL_WRITE_TRACKING",
    present: {
      [`${x86}/module/untracked.js`]: 'export * from "./write-tracking.js";',
      [`${x86}/module/untracked-symbols.js`]: 'export { exported } from "./tracking-symbols.js";',
    },
    exports: { file: `${x86}/module/tracking-symbols.js`, modules: ["kvm_intel", "kvm_amd"] },
  },
  {
    option: "DISASSEMBLER",
    absent: {
      [`${powerpc}/isa/disassembler.js`]:
        'export const disassemble = (word) => ".long 0x" + (word >>> 0).toString(16).padStart(8, "0");',
    },
  },
  {
    option: "SELFTEST",
    absent: { "src/cli/commands/selftest.js": refusedCommand("this build has no self-test: CONFIG_SELFTEST was n") },
    entry: "selftest",
  },
  {
    option: "KVM_XICS",
    absent: {
      [`${powerpc}/devices/xics-device.js`]: "export const xicsDevices = [];",
      [`${powerpc}/papr/xics-hcalls.js`]: "export const xicsHcalls = {};",
      [`${powerpc}/papr/rtas/list.js`]: "export const rtasCalls = [], rtasByName = new Map();",
      [`${powerpc}/interrupts/xics/xics.js`]: "export class Xics {}",
    },
  },
  {
    option: "KVM_XIVE",
    absent: {
      [`${powerpc}/devices/xive-device.js`]: "export const xiveDevices = [];",
      [`${powerpc}/interrupts/xive/xive.js`]: "export class Xive {}",
      [`${powerpc}/interrupts/xive/pages.js`]: "export const loadPage = undefined, storePage = undefined;",
    },
  },
  {
    option: "KVM_VFIO",
    absent: {
      [`${powerpc}/devices/vfio-device.js`]: "export const vfioDevices = [];",
      [`${x86}/devices/vfio-device.js`]: "export const vfioDevices = [];",
    },
  },
];

const x86Implementations = ["hv", "pr"].map((name) => `${x86}/engines/${name}.js`);
/** By the option of their module, which decides whether their code is part of its file: the implementations'. */
export const implementationFiles: Readonly<Record<string, readonly string[]>> = {
  KVM_BOOK3S_64: ["hv", "pr"].map((name) => `${powerpc}/engines/${name}.js`),
  KVM_INTEL: x86Implementations,
  KVM_AMD: x86Implementations,
};
