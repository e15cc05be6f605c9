/** Who runs the guest: unikvm's implementations, each on one Node or more, and QEMU, which the others are held to. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Architecture, Command, Images } from "./architectures.js";

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
    command: ({ kernel, initrd, append, memory }) => ({
      program: node,
      args: [
        ...[main, "run", "--type", type, "--memory", `${memory}M`, "--no-reboot", "--stats", ...options],
        ...(threads === undefined ? [] : ["--threads", threads]),
        ...["--kernel", kernel, "--initrd", initrd, "--append", append],
      ],
    }),
  };
}

/**
 * The engines of these names, QEMU first. Each path in `nodes` adds the first of unikvm's once more, on that Node.
 * Throws RangeError for a name that is none, or a Node that does not run.
 */
export function enginesOf(
  architecture: Architecture,
  names: readonly string[],
  nodes: readonly string[],
  skipped: (sentence: string) => void,
  threads?: ThreadMode,
): Engine[] {
  const known = [qemuName, ...architecture.types];
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined) throw new RangeError(`no engine is called "${wrong}"; there are ${known.join(", ")}`);
  const engines: Engine[] = [];
  if (names.includes(qemuName)) {
    const { qemu } = architecture;
    const { program } = qemu({ kernel: "", initrd: "", append: "", memory: 0 });
    const version = versionOf(program);
    if (version !== undefined) engines.push({ name: qemuName, version, command: qemu });
    else skipped(`${program} cannot be run: there is nothing to compare with`);
  }
  const types = architecture.types.filter((type) => names.includes(type));
  const { options } = architecture;
  for (const type of types)
    engines.push(unikvm({ type, node: process.execPath, version: process.version, name: type, threads, options }));
  for (const node of nodes) {
    const version = versionOf(node);
    if (version === undefined) throw new RangeError(`${node} is no Node.js that runs`);
    const type = types[0];
    const name = `${type}, Node ${version.split(".")[0]?.slice(1)}`;
    if (type !== undefined) engines.push(unikvm({ type, node, version, name, threads, options }));
  }
  return engines;
}
