/** Compiles bench/guest/ for the guest and for the host, and puts it behind the guest's initial RAM disk. */
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type CpioEntry, cpio } from "../../guests/cpio.js";
import type { Guest } from "../../guests/index.js";
import { Unavailable } from "../../tools/own-command.js";
import type { Architecture } from "./architectures.js";
import { hashOf, type Output } from "./protocol.js";
import type { Row } from "./rows.js";

const sources = fileURLToPath(new URL("../../../bench/guest", import.meta.url));
const agentSource = "agent.c";

/** The rows' program, and the agent that runs it. */
export interface Programs {
  readonly rows: string;
  readonly agent: string;
}

/** What keeps the bench from running, with what the user can do. */
export class BenchUnavailable extends Unavailable {
  override name = "BenchUnavailable";
}

function compile(compiler: string, options: readonly string[], files: readonly string[], to: string): void {
  const { error, status, stderr } = spawnSync(
    compiler,
    ["-O2", "-std=gnu11", ...options, "-o", to, ...files.map((file) => resolve(sources, file)), "-lm"],
    { encoding: "utf8" },
  );
  if (error) throw new BenchUnavailable(`the compiler ${compiler} cannot be run: ${error.message}`);
  if (status !== 0) throw new BenchUnavailable(`${compiler} could not compile ${files.join(", ")}:\n${stderr}`);
}

const rowSources = (): string[] => readdirSync(sources).filter((file) => file.endsWith(".c") && file !== agentSource);

/** Into `folder`. */
export function compileForGuest(architecture: Architecture, folder: string): Programs {
  const programs = { rows: join(folder, "rows"), agent: join(folder, "agent") };
  mkdirSync(folder, { recursive: true });
  compileStatically(architecture, rowSources(), programs.rows);
  compileStatically(architecture, [agentSource], programs.agent);
  return programs;
}

/** For the guest, which need not have a library. Files are those of bench/guest, or absolute. */
export function compileStatically(architecture: Architecture, files: readonly string[], to: string): void {
  try {
    compile(architecture.compiler, ["-static", ...architecture.compilerOptions], files, to);
  } catch (error) {
    if (!(error instanceof BenchUnavailable)) throw error;
    throw new BenchUnavailable(`${error.message}\nDebian has it in: apt-get install ${architecture.compilerPackage}`);
  }
}

/** The output that each row has on this machine. Throws BenchUnavailable if there is no compiler. */
export function nativeOutputs(rows: readonly Row[], folder: string): Map<string, Output> {
  const outputs = new Map<string, Output>();
  const wanted = rows.filter(({ native }) => native);
  if (wanted.length === 0) return outputs;
  mkdirSync(folder, { recursive: true });
  const program = join(folder, "rows");
  compile("cc", [], rowSources(), program);
  for (const row of wanted) {
    const { status, stdout, stderr } = spawnSync(program, row.command.split(" ").slice(1));
    if (status !== 0) throw new BenchUnavailable(`${row.command} failed on the host: ${stderr}`);
    outputs.set(row.name, { bytes: stdout.length, hash: hashOf(stdout) });
  }
  return outputs;
}

/** What every disk has for its rows: the programs, the scripts, the sources for the compiler in the guest. */
export function benchFiles(programs: Programs): CpioEntry[] {
  const file = (path: string, from: string, mode = 0o644): CpioEntry => ({
    path: `bench/${path}`,
    type: "file",
    mode,
    data: readFileSync(from),
  });
  const all = (folder: string, from: string): CpioEntry[] => [
    { path: `bench/${folder}`, type: "directory" },
    ...readdirSync(from, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => file(`${folder}/${name}`, join(from, name))),
  ];
  return [
    { path: "bench", type: "directory" },
    file("rows", programs.rows, 0o755),
    file("agent", programs.agent, 0o755),
    ...all("programs", join(sources, "programs")),
    ...all("source", sources),
  ];
}

/** The guest's own initial RAM disk with these behind it, as a file. */
export function writeInitrd(guest: Guest, entries: readonly CpioEntry[], to: string): void {
  writeFileSync(to, readFileSync(guest.initrd));
  appendFileSync(to, cpio(entries));
}
