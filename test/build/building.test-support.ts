/** Builds configurations into a folder of their own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Metafile } from "esbuild";
import { type Bundle, bundle, packageRoot } from "../../src/cli/build/bundle.js";
import { buildConfiguration } from "../../src/cli/build/configuration.js";
import type { Platform } from "../../src/cli/build/plugin.js";

/** .config files, as a user writes them: what is not said has its default. */
const powerOnly = "# CONFIG_KVM_INTEL is not set\n# CONFIG_KVM_AMD is not set\n";
export const configs = {
  everything: "",
  x86BuiltIn: "# CONFIG_KVM_BOOK3S_64 is not set\nCONFIG_KVM_INTEL=m\nCONFIG_KVM_AMD=y\n",
  both: powerOnly,
  /** Of both architectures, with the self-test. */
  pages: "# CONFIG_KVM_AMD is not set\n",
  pagesAmd: "# CONFIG_KVM_INTEL is not set\n",
  hv: `${powerOnly}# CONFIG_KVM_BOOK3S_PR_POSSIBLE is not set\n`,
  pr: `${powerOnly}# CONFIG_KVM_BOOK3S_HV_POSSIBLE is not set\n`,
  prSelftest: `${powerOnly}# CONFIG_KVM_BOOK3S_HV_POSSIBLE is not set\nCONFIG_SELFTEST=y\nCONFIG_DISASSEMBLER=y\n`,
  builtIn: `${powerOnly}CONFIG_KVM_BOOK3S_64=y\nCONFIG_VFIO=y\n`,
  mixed: `${powerOnly}CONFIG_KVM_BOOK3S_64=m\nCONFIG_VFIO=y\nCONFIG_HOST_PCI=m\n`,
  noModules: "# CONFIG_MODULES is not set\n",
  small: ["KVM_INTEL", "KVM_AMD", "KVM_BOOK3S_HV_POSSIBLE", "VFIO", "KVM_XICS", "KVM_XIVE"]
    .map((option) => `# CONFIG_${option} is not set\n`)
    .join(""),
} as const;

export interface Built extends Bundle {
  readonly folder: string;
  /** Source files that are part of it, from dist/. */
  readonly inputs: ReadonlySet<string>;
}

/** Removed with everything in it when the test process ends. */
const root = mkdtempSync(join(tmpdir(), "unikvm-build-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
const known = new Map<string, Promise<Built>>();

export function built(name: keyof typeof configs, platform: Platform): Promise<Built> {
  const key = `${name}-${platform}`;
  const present = known.get(key) ?? make(configs[name], platform, join(root, key));
  known.set(key, present);
  return present;
}

/** Another one, for one test. */
export const builtOf = (name: string, config: string, platform: Platform): Promise<Built> =>
  make(config, platform, join(root, `${name}-${platform}`));

async function make(config: string, platform: Platform, folder: string): Promise<Built> {
  const result = await bundle(buildConfiguration(packageRoot, config, ".config"), platform, folder);
  return { ...result, folder, inputs: inputsOf(result.metafile, Object.keys(result.metafile.outputs)) };
}

/** Sources with code in these outputs. */
function inputsOf(metafile: Metafile, outputs: readonly string[]): Set<string> {
  const all = outputs.flatMap((output) => Object.entries(metafile.outputs[output]?.inputs ?? {}));
  return new Set(all.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([input]) => input));
}

/** Sources that are loaded along with an entry, without any import on demand. */
export function loadedWith(build: Bundle, entry: string): Set<string> {
  const { outputs } = build.metafile;
  const output = Object.keys(outputs).find((path) => path.endsWith(`/${entry}.js`) && outputs[path]?.entryPoint);
  if (output === undefined) throw new Error(`no entry ${entry}`);
  return inputsOf(build.metafile, closure(build, [output]));
}

/** Files that are loaded along with those that are made of these sources, without any further import on demand. */
export function outputsLoadedWith(build: Bundle, sources: readonly RegExp[]): string[] {
  const made = Object.entries(build.metafile.outputs).flatMap(([path, { entryPoint = "" }]) => {
    return sources.some((wanted) => wanted.test(entryPoint)) ? [path] : [];
  });
  return closure(build, made);
}

function closure({ metafile: { outputs } }: Bundle, from: readonly string[]): string[] {
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path)) return;
    found.add(path);
    for (const { path: next, kind } of outputs[path]?.imports ?? []) {
      if (kind === "import-statement" && outputs[next]) visit(next);
    }
  };
  for (const path of from) visit(path);
  return [...found];
}
