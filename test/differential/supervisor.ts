/** Runs supervisor cases under qemu-system-ppc64 and on our engines: the same kernel image on both, records compared. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { type Difference, differences, notJudged, report } from "./compare.js";
import { staticElf } from "./elf.js";
import { engines } from "./engines.js";
import { type Case, CaseGenerator, candidates } from "./generate.js";
import { Machine } from "./machine.js";
import { Random } from "./random.js";
import { State } from "./record.js";
import { supervisorCases } from "./supervisor-cases.js";
import {
  buildKernel,
  casesAddress,
  kernelAddress,
  supervisorOffsets,
  supervisorRecordSize,
  swapSupervisorRecord,
} from "./supervisor-kernel.js";

const program = "qemu-system-ppc64";

/** The version line of the emulator, or undefined if it is not installed. */
export function qemuSystemVersion(): string | undefined {
  const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.split("\n")[0] : undefined;
}

/** What a kernel writes to its terminal. Throws an Error if it does not write so much within two minutes. */
async function terminalOfQemu(image: Uint8Array, length: number): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-supervisor-"));
  try {
    const [kernel, output] = [join(folder, "kernel"), join(folder, "output")];
    // QEMU adds the address at which it loads kernels.
    writeFileSync(kernel, staticElf(0, [{ address: 0, bytes: image, executable: true }], false));
    writeFileSync(output, "");
    const machine = ["-M", "pseries,x-vof=on", "-cpu", "power9", "-m", "256M", "-nodefaults", "-display", "none"];
    const qemu = spawn(program, [...machine, "-serial", `file:${output}`, "-kernel", kernel], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let complaint = "";
    qemu.stderr.on("data", (text: Buffer) => {
      complaint += text;
    });
    const ended = new Promise<void>((done) => qemu.once("exit", () => done()));
    try {
      for (let waited = 0; statSync(output).size < length && qemu.exitCode === null; waited += 50) {
        if (waited > 120_000) break;
        await sleep(50);
      }
    } finally {
      qemu.kill("SIGKILL");
      await ended;
    }
    const bytes = new Uint8Array(readFileSync(output));
    if (bytes.length < length) throw new Error(`${program} wrote ${bytes.length} of ${length} bytes: ${complaint}`);
    return bytes.subarray(0, length);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function statesOf(bytes: Uint8Array, count: number): State[] {
  return Array.from({ length: count }, (_, i) => {
    const record = bytes.slice(i * supervisorRecordSize, (i + 1) * supervisorRecordSize);
    swapSupervisorRecord(record);
    return new State(record);
  });
}

export interface SupervisorOptions {
  readonly seed: number;
  readonly count: number;
  readonly own: number;
  readonly engines: readonly string[];
  readonly only?: RegExp;
  readonly show?: number;
  readonly log: (line: string) => void;
}

/** Cases in one kernel. */
const batchSize = 3000;

function supervisorDifferences(one: Case, expected: State, actual: State): Difference[] {
  const found = differences(one, expected, actual, instructionSet());
  if (notJudged(one, expected, instructionSet())) return found;
  const vector = expected.get(supervisorOffsets.vector);
  for (const [register, offset] of Object.entries(supervisorOffsets)) {
    // An Alignment interrupt leaves DSISR undefined; QEMU puts bits of the instruction into it.
    if (register === "dsisr" && vector === 0x600n) continue;
    const [a, b] = [expected.get(offset), actual.get(offset)];
    if (a !== b) found.push({ register, expected: a, actual: b });
  }
  return found;
}

/** Runs everything the options ask for; failures per engine and mnemonic. */
export async function runSupervisor(
  options: SupervisorOptions,
): Promise<{ cases: number; failures: Map<string, number> }> {
  const failures = new Map<string, number>();
  const pool = candidates(instructionSet(), false).filter(
    (c) => !options.only || options.only.test(c.variant.mnemonic),
  );
  const makers = supervisorCases(pool, options.count, options.own);
  for (let first = 0; first < makers.length; first += batchSize) {
    const batch = makers.slice(first, first + batchSize);
    const generator = new CaseGenerator(new Random(options.seed + first), pool, casesAddress(batch.length));
    const cases = batch.map((make) => make(generator));
    const { image } = buildKernel(cases);
    const length = cases.length * supervisorRecordSize;
    const judged = statesOf(await terminalOfQemu(image, length), cases.length);
    for (const name of options.engines) {
      const load = engines[name];
      if (!load) throw new Error(`there is no engine ${name}`);
      const machine = new Machine(load(), false);
      const ours = statesOf(machine.terminal(image, kernelAddress, length), cases.length);
      cases.forEach((one, i) => {
        const found = supervisorDifferences(one, judged[i] as State, ours[i] as State);
        if (found.length === 0) return;
        const key = `${name} ${one.mnemonic}`;
        failures.set(key, (failures.get(key) ?? 0) + 1);
        if ((failures.get(key) ?? 0) > (options.show ?? 3)) return;
        const msr = one.initial.get(supervisorOffsets.msr).toString(16);
        options.log(
          `FAIL ${one.mnemonic} on ${name}, supervisor, seed ${options.seed}, MSR ${msr}\n${report(one, found, instructionSet())}`,
        );
      });
    }
  }
  return { cases: makers.length, failures };
}
