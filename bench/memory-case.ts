/**
 * One row of memory.ts, in a process of its own, so that what it takes can be told from the rest:
 *
 *   node memory-case.js vms|machines|reboots shared|unshared COUNT MEBIBYTES
 *
 * `vms` makes COUNT VMs through the interface one after the other, without ever waiting, writes to each page of their memory
 * and closes them. `machines` does the same with machines whose guest does the writing: with shared memory, each on a thread
 * of its own. `reboots` is `unikvm run` with a guest that reboots when it has written to its memory. Prints as JSON the most
 * bytes that were resident, and how many there were before the first.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assemble } from "../src/arch/powerpc/isa/assembler.js";
import { openKvm } from "../src/kernel.js";
import { spawnVcpuThread } from "../src/node/index.js";
import { createPseries, createPseriesVcpuSide, loadKernelImage, runMachine } from "../src/vmm/index.js";

export const kinds = ["vms", "machines", "reboots"] as const;
export type Kind = (typeof kinds)[number];

export interface Residence {
  readonly before: number;
  readonly most: number;
}

const mebi = 1048576;
const page = 4096;

/** Writes to the pages from 1 MiB on, puts one character on the console, and reboots through RTAS. */
const writer = (bytes: number): string => `
          lis 20, 0x10
          lis 21, ${bytes >> 16}
  again:  std 20, 0(20)
          addi 20, 20, ${page}
          cmpd 20, 21
          blt again
          li 3, 0x58
          li 4, 0
          li 5, 1
          lis 6, 0x5200
          sldi 6, 6, 32
          sc 1
          li 24, 0x800
          li 21, 0
          stw 21, 4(24)
          li 21, 1
          stw 21, 8(24)
          lis 21, 0
          ori 21, 21, 0x2004
          stw 21, 0(24)
          lis 3, 0
          ori 3, 3, 0xf000
          mr 4, 24
          sc 1
  stay:   b stay
          .space 4096
`;
const kernelOf = (bytes: number): Uint8Array => assemble(writer(bytes), { littleEndian: false }).bytes;

async function vms(shared: boolean, count: number, size: number): Promise<Residence> {
  const kvm = await openKvm({ memory: shared ? "shared" : "unshared" });
  const before = process.memoryUsage.rss();
  let most = before;
  for (let i = 0; i < count; i++) {
    const vm = kvm.createVm(0, { shared, memoryLimit: 2 * size + 64 * mebi });
    const address = vm.allocate(size);
    const bytes = new Uint8Array(vm.memory.buffer, address, size);
    for (let at = 0; at < size; at += page) bytes[at] = 1;
    most = Math.max(most, process.memoryUsage.rss());
    vm.close();
  }
  return { before, most };
}

async function machines(shared: boolean, count: number, size: number): Promise<Residence> {
  const kvm = await openKvm({ memory: shared ? "shared" : "unshared" });
  const kernel = await loadKernelImage(kernelOf(size), size, "the guest", "flat");
  const before = process.memoryUsage.rss();
  let most = before;
  const sample = (): void => {
    most = Math.max(most, process.memoryUsage.rss());
  };
  const timer = setInterval(sample, 5);
  for (let i = 0; i < count; i++) {
    const run = await runMachine({
      createMachine: (control) =>
        createPseries({ kvm, type: 0, shared, kernel, commandLine: "", memorySize: size, cpus: 1 }, control),
      createSide: createPseriesVcpuSide,
      spawn: shared ? spawnVcpuThread : undefined,
      output: () => undefined,
    });
    const { outcome } = await run.ended;
    if (outcome.kind !== "reboot") throw new Error(`the guest ended with ${JSON.stringify(outcome)}`);
    sample();
  }
  clearInterval(timer);
  return { before, most };
}

/** Resident bytes of another process; Linux only. */
function residentOf(pid: number | undefined): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

async function reboots(shared: boolean, count: number, size: number): Promise<Residence> {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-memory-"));
  const kernel = join(folder, "kernel");
  writeFileSync(kernel, kernelOf(size));
  const main = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));
  const args = [
    main,
    "run",
    "--kernel",
    kernel,
    "--kernel-format",
    "flat",
    "--memory",
    `${size / mebi}M`,
    "--threads",
    shared ? "worker" : "single",
  ];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  let most = 0;
  let seen = 0;
  const before = process.memoryUsage.rss();
  const timer = setInterval(() => {
    most = Math.max(most, residentOf(child.pid));
  }, 5);
  child.stdout.on("data", (bytes: Uint8Array) => {
    seen += bytes.length;
    // Ctrl-A X.
    if (seen >= count) child.stdin.write("\x01x");
  });
  const status = await new Promise((resolve) => child.on("close", resolve));
  clearInterval(timer);
  rmSync(folder, { recursive: true, force: true });
  if (status !== 0 || seen < count)
    throw new Error(`unikvm run ended with ${status} after ${seen} of ${count} reboots`);
  return { before, most };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kind, memory, count, mebibytes] = process.argv.slice(2);
  const measure = { vms, machines, reboots }[kind as Kind];
  const result = await measure(memory === "shared", Number(count), Number(mebibytes) * mebi);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
