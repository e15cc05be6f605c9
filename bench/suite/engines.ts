/** Who runs the guest: unikvm's implementations, each on one Node or more, and the peers that they are held to: QEMU, v86. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Architecture, Command, Images } from "./architectures.js";
import { UsageError } from "./command.js";
import { BenchUnavailable } from "./compile.js";
import { ensureV86, v86Command, v86Name, v86Version } from "./v86.js";

export interface Engine {
  /** Stands at the head of its columns. */
  readonly name: string;
  /** Of the program behind it. */
  readonly version: string;
  command(images: Images): Command;
}

export const qemuName = "qemu";

const main = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

/** The first line that a program says of its version, or undefined if it cannot be run. */
function versionOf(program: string): string | undefined {
  const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.split("\n")[0] : undefined;
}

/** Whether each vCPU has a thread; `unikvm run --threads`. */
export const threadModes = ["worker", "single"] as const;
export type ThreadMode = (typeof threadModes)[number];

interface Ours {
  readonly type: string;
  readonly node: string;
  readonly version: string;
  readonly name: string;
  readonly threads: ThreadMode | undefined;
  readonly options: readonly string[];
}

function unikvm({ type, node, version, name, threads, options }: Ours): Engine {
  return {
    name,
    version: `Node.js ${version}`,
    command: ({ kernel, initrd, append, memory, cpus = 1 }) => ({
      program: node,
      args: [
        ...[main, "run", "--type", type, "--memory", `${memory}M`, "--no-reboot", "--stats", ...options],
        ...["--cpus", String(cpus)],
        ...(threads === undefined ? [] : ["--threads", threads]),
        ...["--kernel", kernel, "--initrd", initrd, "--append", append],
      ],
    }),
  };
}

/** The peers that there are of such a guest, by name. */
export const peersOf = ({ v86 }: Architecture): readonly string[] => (v86 ? [qemuName, v86Name] : [qemuName]);

/** Those that a command is to use: of a list separated by commas, or all but v86, without some. Throws UsageError. */
export function engineNames(architecture: Architecture, list: string | undefined, skip: readonly string[]): string[] {
  const known = [...peersOf(architecture), ...architecture.types];
  const names = list?.split(",") ?? [qemuName, ...architecture.types];
  const wrong = [...names, ...skip].find((name) => !known.includes(name));
  if (wrong !== undefined) {
    throw new UsageError(`no engine of ${architecture.name} is called "${wrong}"; there are ${known.join(", ")}`);
  }
  return names.filter((name) => !skip.includes(name));
}

export interface EngineOptions {
  /** As `engineNames` gives them. */
  readonly names: readonly string[];
  /** Paths of Node.js: each adds the first of unikvm's once more, and v86 if that is wanted, on it. */
  readonly nodes?: readonly string[];
  readonly threads?: ThreadMode | undefined;
  /** Told of peers that are wanted and not there, and of what is fetched. */
  readonly report: (sentence: string) => void;
}

/** Peers first. Rejects with UsageError: a Node does not run. */
export async function enginesOf(
  architecture: Architecture,
  { names, nodes = [], threads, report }: EngineOptions,
): Promise<Engine[]> {
  const { options, qemu } = architecture;
  const others = nodes.map((node) => {
    const version = versionOf(node);
    if (version === undefined) throw new UsageError(`${node} is no Node.js that runs`);
    return { node, version, suffix: `, Node ${version.split(".")[0]?.slice(1)}` };
  });
  const everyNode = [{ node: process.execPath, version: process.version, suffix: "" }, ...others];
  const engines: Engine[] = [];
  if (names.includes(qemuName)) {
    const { program } = qemu({ kernel: "", initrd: "", append: "", memory: 0 });
    const version = versionOf(program);
    if (version !== undefined) engines.push({ name: qemuName, version, command: qemu });
    else report(`SKIPPED ${qemuName}: ${program} cannot be run: there is nothing to compare with`);
  }
  if (names.includes(v86Name)) {
    try {
      const folder = await ensureV86(report);
      for (const { node, version, suffix } of everyNode) {
        const what = `${v86Version} on Node.js ${version}`;
        engines.push({ name: `${v86Name}${suffix}`, version: what, command: v86Command(folder, node) });
      }
    } catch (error) {
      if (!(error instanceof BenchUnavailable)) throw error;
      report(`SKIPPED ${v86Name}: ${error.message}`);
    }
  }
  const types = architecture.types.filter((type) => names.includes(type));
  for (const type of types)
    engines.push(unikvm({ type, node: process.execPath, version: process.version, name: type, threads, options }));
  for (const type of types.slice(0, 1)) {
    for (const { node, version, suffix } of others)
      engines.push(unikvm({ type, node, version, name: `${type}${suffix}`, threads, options }));
  }
  return engines;
}
