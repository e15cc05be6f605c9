/**
 * `npm run bench -- --quick|--all`: the same guest, with the same command line and one vCPU, under each of unikvm's
 * implementations and under QEMU's TCG or v86, in turn. docs/benchmarks.md tells what is measured and how to read it.
 */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { architectureNamed, countOf, guestNames, patternOf, runCommand, say, UsageError } from "./suite/command.js";
import { BenchUnavailable, benchFiles, compileForGuest, nativeOutputs, writeInitrd } from "./suite/compile.js";
import { debianFiles } from "./suite/debian.js";
import { engineNames, enginesOf, peersOf, threadModes } from "./suite/engines.js";
import { measureDisk } from "./suite/measure.js";
import type { Output } from "./suite/protocol.js";
import { type Report, toJson, troubles } from "./suite/report.js";
import { clocks, type RowResult } from "./suite/results.js";
import { bootRow, type Row, rowSets, smallPrograms } from "./suite/rows.js";
import { toSvg } from "./suite/svg.js";
import { toTable } from "./suite/table.js";

const usage = `usage: npm run bench -- [--quick | --all] [options]
  --quick            the small programs, two runs each (the default)
  --all              these and Debian's own programs, three runs each
  --guest NAME       ${guestNames} (default: the first)
  --rows REGEXP      only rows whose names match, of all there are
  --engines LIST     of qemu, v86 (of i386), hv, pr; the others are held to the first of qemu and v86
                     (default: qemu,hv,pr)
  --node PATH        hv once more on another Node.js, and v86 if it is wanted; can be given again
  --rounds N         fresh guests for each engine, one after the other (default: 1)
  --runs N           runs of each row in a guest
  --passes N         all rows so often in a guest, and what its process holds after each (default: 1)
  --threads MODE     of unikvm's: worker or single, as for unikvm run
  --clock NAME       whose time counts: guest (the default), host, or cpu, which a busy machine disturbs least
  --timeout SECONDS  for one run (default: 300)
  --out FOLDER       for results.json, hv.svg and what was built (default: build/bench)
`;

function parseOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      all: { type: "boolean", default: false },
      guest: { type: "string" },
      rows: { type: "string" },
      engines: { type: "string" },
      node: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: "1" },
      runs: { type: "string" },
      passes: { type: "string", default: "1" },
      threads: { type: "string" },
      clock: { type: "string", default: "guest" },
      timeout: { type: "string", default: "300" },
      out: { type: "string", default: "build/bench" },
    },
  });
  if (values.quick && values.all) throw new UsageError("--quick and --all exclude each other");
  const clock = clocks.find((name) => name === values.clock);
  if (!clock) throw new UsageError(`--clock is ${clocks.join(", ")}, not "${values.clock}"`);
  const architecture = architectureNamed(values.guest);
  const threads = threadModes.find((mode) => mode === values.threads);
  if (values.threads !== undefined && !threads)
    throw new UsageError(`--threads is ${threadModes.join(" or ")}, not "${values.threads}"`);
  return {
    architecture,
    rows: values.rows === undefined ? undefined : patternOf("rows", values.rows),
    all: values.all || (values.rows !== undefined && !values.quick),
    names: engineNames(architecture, values.engines, []),
    nodes: values.node,
    rounds: countOf("rounds", values.rounds),
    runs: countOf("runs", values.runs ?? (values.all ? "3" : "2")),
    passes: countOf("passes", values.passes),
    threads,
    clock,
    timeout: countOf("timeout", values.timeout),
    out: values.out,
  };
}

/** Appears whole or not at all. */
function write(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, `${name}.partial`), text);
  renameSync(join(folder, `${name}.partial`), join(folder, name));
}

function nativeOrNothing(rows: readonly Row[], folder: string): Map<string, Output> {
  try {
    return nativeOutputs(rows, folder);
  } catch (error) {
    if (!(error instanceof BenchUnavailable)) throw error;
    say(`SKIPPED the comparison with the host's outputs: ${error.message}`);
    return new Map();
  }
}

async function bench(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  const { architecture } = options;
  const { names, nodes, threads } = options;
  const engines = await enginesOf(architecture, { names, nodes, threads, report: say });
  const isThere = (name: string): boolean => engines.some((engine) => engine.name === name);
  const reference = names.find((name) => peersOf(architecture).includes(name) && isThere(name));
  const wanted = (name: string): boolean => options.rows?.test(name) ?? true;
  const sets = options.all ? rowSets : [smallPrograms];
  const chosen = sets.flatMap((set) =>
    set.disks
      .map((disk, index) => ({
        set,
        disk,
        rows: disk.rows.filter(({ name }) => wanted(name)),
        boot: set === smallPrograms && index === 0 && wanted(bootRow),
      }))
      .filter(({ rows, boot }) => rows.length > 0 || boot),
  );
  if (chosen.length === 0) {
    const rows = sets.flatMap(({ disks }) => disks.flatMap((disk) => disk.rows));
    throw new UsageError(
      `no row matches ${options.rows?.source}; there are ${[bootRow, ...rows.map(({ name }) => name)].join(", ")}`,
    );
  }

  const load = loadavg()[0] ?? 0;
  if (load > cpus().length / 2) say(`the machine is busy (load ${load.toFixed(1)}): figures of a quiet one are better`);
  const guest = await architecture.guest();
  const built = join(options.out, architecture.name);
  const programs = compileForGuest(architecture, built);
  const append = `${guest.append}${architecture.append} unikvm.run=/bench/agent`;
  const results: RowResult[] = [];
  const besideMemory: Record<string, Readonly<Record<string, number>>> = {};
  const afterPasses: Record<string, Readonly<Record<string, readonly number[]>>> = {};
  const longestStop: Record<string, Readonly<Record<string, number>>> = {};
  for (const { set, disk, rows, boot } of chosen) {
    const initrd = join(built, `initrd-${disk.name}`);
    writeInitrd(guest, [...(await debianFiles(architecture, disk, say)), ...benchFiles(programs)], initrd);
    const measured = await measureDisk({
      ...{ set: set.name, rows, boot, engines, progress: say },
      images: { kernel: guest.kernel, initrd, append, memory: disk.memory },
      expected: nativeOrNothing(rows, join(options.out, "host")),
      ...{ rounds: options.rounds, runs: options.runs, passes: options.passes, timeout: options.timeout },
    });
    results.push(...measured.rows);
    besideMemory[disk.name] = measured.besideMemory;
    afterPasses[disk.name] = measured.afterPasses;
    longestStop[disk.name] = measured.longestStop;
  }
  const report: Report = {
    format: 1,
    date: new Date().toISOString(),
    architecture: architecture.name,
    host: { processor: cpus()[0]?.model ?? "", processors: cpus().length, load },
    clock: options.clock,
    append,
    engines: engines.map(({ name, version }) => ({ name, version })),
    reference,
    besideMemory,
    afterPasses,
    longestStop,
    sets: sets
      .map((set) => ({
        name: set.name,
        title: set.title,
        disks: chosen.filter((one) => one.set === set).map(({ disk }) => disk.name),
      }))
      .filter(({ disks }) => disks.length > 0),
    rows: results,
  };
  mkdirSync(options.out, { recursive: true });
  write(options.out, "results.json", toJson(report));
  for (const type of architecture.types) {
    if (isThere(type)) write(options.out, `${type}.svg`, toSvg(report, type));
  }
  process.stdout.write(`${toTable(report)}\n`);
  const wrong = troubles(report);
  for (const sentence of wrong) say(sentence);
  say(`results are in ${options.out}`);
  return wrong.length > 0 ? 1 : 0;
}

await runCommand(usage, () => bench(process.argv.slice(2)));
