/**
 * `npm run bench:io`: a disk and a network as the guest's programs see them, under unikvm's implementations and under QEMU's
 * TCG: the same kernel, initial RAM disk, command line, raw file and servers, one vCPU, in turn.
 *
 *   npm run bench:io -- --guest amd64 --engines qemu,hv --rounds 3 --clock guest --rows disk
 *
 * The time is the CPU time of the engine's process with all its threads (`--clock guest`: the guest's clock), the best of all
 * rounds, in each of which a row runs twice, a second or so in QEMU each time; "of QEMU's" below 1 is faster. After the thousand connections the host's sockets are counted: what is left is leaked.
 */
import { spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cpio } from "../guests/cpio.js";
import { guestDrivers } from "../guests/index.js";
import { type BenchServers, benchServers } from "./io/servers.js";
import {
  architectureNamed,
  countOf,
  guestNames,
  oneOf,
  patternOf,
  runCommand,
  say,
  UsageError,
} from "./suite/command.js";
import { BenchUnavailable, compileStatically } from "./suite/compile.js";
import { engineNames, enginesOf, qemuName } from "./suite/engines.js";
import { cpuSeconds } from "./suite/process.js";
import { v86Name } from "./suite/v86.js";

const mebibyte = 1048576;
const diskSize = 128 * mebibyte;
const netSize = 64 * mebibyte;

interface IoRow {
  readonly name: string;
  /** What io.c is to do: its kind, then where and two numbers. */
  readonly work: (ports: BenchServers["ports"]) => string;
  readonly unit: "MB/s" | "/s";
}

const rows: readonly IoRow[] = [
  { name: "disk-read", work: () => `read /dev/vda ${diskSize} 16`, unit: "MB/s" },
  { name: "disk-write", work: () => `write /dev/vda ${diskSize} 8`, unit: "MB/s" },
  { name: "disk-read-cached", work: () => `buffered /dev/vda ${diskSize} 4`, unit: "MB/s" },
  { name: "disk-random-read", work: () => `scattered-read /dev/vda ${diskSize} 8192`, unit: "/s" },
  { name: "disk-random-write", work: () => `scattered-write /dev/vda ${diskSize} 8192`, unit: "/s" },
  { name: "net-down", work: ({ down }) => `down ${down} 0 0`, unit: "MB/s" },
  { name: "net-up", work: ({ up }) => `up ${up} ${netSize} 0`, unit: "MB/s" },
  { name: "net-1000", work: ({ echo }) => `many ${echo} 1000 0`, unit: "/s" },
];

const usage = `usage: npm run bench:io -- [options]
  --guest NAME     ${guestNames} (default: the first)
  --engines LIST   of qemu, hv, pr (default: all of them)
  --rows REGEXP    of ${rows.map(({ name }) => name).join(", ")}
  --rounds N       (default: 3)
  --clock NAME     guest or cpu (default: cpu)
  --timeout SECONDS  for one boot with all rows (default: 300)
`;

function parseOptions() {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      ...{ guest: text, engines: text, rounds: { ...text, default: "3" }, clock: { ...text, default: "cpu" } },
      ...{ rows: { ...text, default: "." }, timeout: { ...text, default: "300" } },
    },
  });
  const architecture = architectureNamed(values.guest);
  const names = engineNames(architecture, values.engines, []);
  if (names.includes(v86Name)) throw new UsageError("v86 is not given a disk and a network here");
  const pattern = patternOf("rows", values.rows);
  const chosen = rows.filter(({ name }) => pattern.test(name));
  if (chosen.length === 0) throw new UsageError(`no row matches ${pattern.source}`);
  const clock = oneOf("clock", values.clock, ["guest", "cpu"]);
  const [rounds, timeout] = [countOf("rounds", values.rounds), countOf("timeout", values.timeout)];
  return { architecture, names, chosen, clock, rounds, timeout };
}
type Options = ReturnType<typeof parseOptions>;

interface Measured {
  readonly guest: number;
  readonly cpu: number;
  readonly amount: number;
}

interface Files {
  readonly kernel: string;
  readonly initrd: string;
  readonly disk: string;
  readonly append: string;
}

const devicesOf = (name: string, { disk }: Files, { ports }: BenchServers): readonly string[] =>
  name === qemuName
    ? [
        ...["-drive", `file=${disk},format=raw,if=none,id=disk,cache=writeback`],
        ...["-device", "virtio-blk-pci,drive=disk,disable-legacy=on"],
        ...["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,disable-legacy=on,romfile="],
      ]
    : [
        ...["--disk", `${disk},format=raw`, "--stats"],
        ...["--network", `user,allow=127.0.0.1:${Object.values(ports).join(",,")}`],
      ];

/** One boot with all rows. Rejects with what the guest last said. */
function measure(program: string, args: readonly string[], seconds: number): Promise<[row: string, Measured][]> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const results: [string, Measured][] = [];
    let [said, partial, before, ended] = ["", "", 0, false];
    const timer = setTimeout(() => child.kill("SIGKILL"), seconds * 1000);
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-8000);
    });
    child.stdout.setEncoding("latin1").on("data", (text: string) => {
      said = (said + text).slice(-8000);
      const lines = (partial + text).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) {
        const [what, name = "", guest, amount] = line.trim().split(" ");
        if (what === "@begin") before = cpuSeconds(child.pid);
        if (what === "@end") {
          const cpu = cpuSeconds(child.pid) - before;
          results.push([name, { guest: Number(guest), amount: Number(amount), cpu }]);
        }
        ended ||= line.includes("unikvm.run: exit status 0");
      }
    });
    child.on("error", reject);
    child.on("close", () => {
      clearTimeout(timer);
      if (process.env["UNIKVM_DEBUG"]) process.stderr.write(`${said}\n`);
      if (ended) resolve(results);
      else reject(new BenchUnavailable(`${program} did not do all rows: ${said.slice(-1500)}`));
    });
  });
}

/** No connection of the guest's is open any more; what is, after a while, is leaked. */
async function left(servers: BenchServers): Promise<number> {
  for (let tries = 0; tries < 200 && servers.open() > 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  return servers.open();
}

function print(
  { chosen, clock, rounds }: Options,
  engines: readonly string[],
  best: (engine: string, row: string) => number[],
): void {
  const column = clock === "guest" ? 0 : 1;
  const table = [["", ...engines.flatMap((name) => (name === qemuName ? [name] : [name, "of QEMU's"]))]];
  for (const { name, unit } of chosen) {
    const cells = engines.flatMap((engine) => {
      const measured = best(engine, name);
      const [time = Number.NaN, amount = Number.NaN] = [measured[column], measured[2]];
      const speed =
        unit === "/s" ? `${(amount / time).toFixed(0)} /s` : `${(amount / mebibyte / time).toFixed(0)} MB/s`;
      const cell = `${time.toFixed(2)} s ${speed.padStart(11)}`;
      const ratio = time / (best(qemuName, name)[column] ?? Number.NaN);
      return engine === qemuName ? [cell] : [cell, ratio > 0 ? `${ratio.toFixed(2)} x` : ""];
    });
    table.push([name, ...cells]);
  }
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of table) {
    const cells = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)));
    console.log(cells.join("  "));
  }
  console.log(
    `(${clock === "guest" ? "the guest's clock" : "CPU time of the engine's process"}; the best of ${rounds})`,
  );
}

async function main(): Promise<number> {
  const options = parseOptions();
  const { architecture, names, chosen } = options;
  const engines = await enginesOf(architecture, { names, report: say });
  const folder = mkdtempSync(join(tmpdir(), "unikvm-bench-io-"));
  const servers = await benchServers(netSize);
  const results = new Map<string, Measured[]>();
  let leaked = 0;
  try {
    const guest = await architecture.guest();
    const program = join(folder, "io");
    compileStatically(architecture, [fileURLToPath(new URL("../../bench/io/io.c", import.meta.url))], program);
    const modules = ["virtio_pci", "virtio_blk", "virtio_net"];
    const files: Files = {
      kernel: guest.kernel,
      initrd: join(folder, "initrd"),
      disk: join(folder, "disk"),
      append: `${guest.append}${architecture.append} quiet unikvm.modules=${modules.join(",")} unikvm.run="ulimit -n 4096; /io /rows"`,
    };
    writeFileSync(files.initrd, readFileSync(guest.initrd));
    appendFileSync(files.initrd, await guestDrivers(guest, modules));
    // Twice: the second time the guest's code has been translated.
    const lines = chosen.map(({ name, work }) => `${name} ${work(servers.ports)}\n`.repeat(2)).join("");
    const entries = [
      { path: "io", type: "file", mode: 0o755, data: readFileSync(program) },
      { path: "rows", type: "file", mode: 0o644, data: Buffer.from(lines) },
    ] as const;
    appendFileSync(files.initrd, cpio(entries));
    writeFileSync(files.disk, Buffer.alloc(diskSize, "z"));
    for (let round = 0; round < options.rounds; round++) {
      for (const engine of engines) {
        const { program: run, args } = engine.command({ ...files, memory: 512 });
        const measured = await measure(run, [...args, ...devicesOf(engine.name, files, servers)], options.timeout);
        for (const [row, one] of measured) {
          const key = `${engine.name} ${row}`;
          results.set(key, [...(results.get(key) ?? []), one]);
        }
        const open = await left(servers);
        leaked += open;
        say(`round ${round + 1} ${engine.name}: done, ${open} connections left`);
      }
    }
  } finally {
    servers.close();
    rmSync(folder, { recursive: true, force: true });
  }
  print(
    options,
    engines.map(({ name }) => name),
    (engine, row) => {
      const all = results.get(`${engine} ${row}`) ?? [];
      return [
        Math.min(...all.map(({ guest }) => guest)),
        Math.min(...all.map(({ cpu }) => cpu)),
        all[0]?.amount ?? Number.NaN,
      ];
    },
  );
  return leaked === 0 ? 0 : 1;
}

await runCommand(usage, main);
