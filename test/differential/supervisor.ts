/** Runs supervisor cases under qemu-system-ppc64 and on our engines: the same kernel image on both, records compared. */
import { instructionSet } from "../../src/arch/powerpc/isa/instruction-set.js";
import { type Comparison, compare, report } from "./compare.js";
import { engines } from "./engines.js";
import { Machine } from "./machine.js";
import { addresses, State } from "./record.js";
import { SetAside } from "./set-aside.js";
import { type Draw, drawName, parseDraw, SupervisorCases } from "./supervisor-cases.js";
import { contextText } from "./supervisor-describe.js";
import { notCompared } from "./supervisor-exceptions.js";
import {
  buildKernel,
  type KernelKind,
  kernelAddress,
  recordsAddress,
  type SupervisorCase,
  slotAddress,
} from "./supervisor-kernel.js";
import { memoryUnderQemu } from "./supervisor-qemu.js";
import {
  beforeSize,
  patchCount,
  patchSize,
  savedSprs,
  supervisorOffsets,
  supervisorRecordSize,
  swapSupervisorRecord,
} from "./supervisor-record.js";

export interface SupervisorOptions {
  readonly seed: number;
  /** Cases of each instruction that users have too. */
  readonly count: number;
  /** Cases of each other kind. */
  readonly own: number;
  readonly engines: readonly string[];
  /** Only kinds with such names. */
  readonly only?: RegExp;
  /** This case alone (drawName). */
  readonly case?: string;
  /** Failures shown of a kind. */
  readonly show?: number;
  readonly log: (line: string) => void;
}

export interface SupervisorResult {
  readonly cases: number;
  /** Cases by kind. */
  readonly drawn: ReadonlyMap<string, number>;
  /** Failures by engine and kind. */
  readonly failures: ReadonlyMap<string, number>;
  /** Cases in which QEMU was not the judge of all that differed. */
  readonly setAside: SetAside;
}

function statesOf(bytes: Uint8Array, count: number, littleEndian: boolean): State[] {
  return Array.from({ length: count }, (_, i) => {
    const record = bytes.slice(i * supervisorRecordSize, (i + 1) * supervisorRecordSize);
    if (!littleEndian) swapSupervisorRecord(record);
    return new State(record);
  });
}

const compared: readonly (readonly [register: string, offset: number])[] = [
  ...(["vector", "srr0", "srr1", "msr", "cfar"] as const).map((name) => [name, supervisorOffsets[name]] as const),
  ...savedSprs.map(([name], n) => [name, supervisorOffsets.sprs + 8 * n] as const),
  ...Array.from(
    { length: patchCount },
    (_, n) => [`entry ${n}`, supervisorOffsets.patches + n * patchSize + 8] as const,
  ),
  ...Array.from(
    { length: beforeSize / 8 },
    (_, n) => [`memory${8 * n - beforeSize}`, supervisorOffsets.before + 8 * n] as const,
  ),
];

function compareSupervisor(one: SupervisorCase, expected: State, actual: State): Comparison {
  // By real address: the case may run at another one.
  const interruptedAt = expected.get(supervisorOffsets.srr0) & 0xff_ffffn;
  const happened = interruptedAt !== BigInt(slotAddress(one.slot));
  const users = compare(one, expected, actual, instructionSet(), happened);
  if (users.whole) return users;
  const found = [...users.found];
  for (const [register, offset] of compared) {
    const [a, b] = [expected.get(offset), actual.get(offset)];
    if (a !== b) found.push({ register, expected: a, actual: b });
  }
  if (found.length === 0) return users;
  const { left, reasons, whole } = notCompared({ one, expected, actual }, found);
  return { found: left, setAside: new Set([...users.setAside, ...reasons]), whole };
}

/** Runs everything the options ask for. */
export async function runSupervisor(options: SupervisorOptions): Promise<SupervisorResult> {
  const source = new SupervisorCases(options.seed);
  const failures = new Map<string, number>();
  const drawn = new Map<string, number>();
  const setAside = new SetAside();
  const single = options.case === undefined ? undefined : parseDraw(options.case);
  const batches: { kernel: KernelKind; draws: Draw[] }[] = single
    ? [{ kernel: source.kernelFor(single), draws: [single] }]
    : source.batches(options.count, options.own, options.only);
  let count = 0;
  for (const [k, { kernel, draws }] of batches.entries()) {
    count += draws.length;
    for (const { kind } of draws) drawn.set(kind, (drawn.get(kind) ?? 0) + 1);
    const cases = draws.map((draw) => source.draw(draw));
    const image = buildKernel(cases, kernel);
    const length = cases.length * supervisorRecordSize;
    /** How far a kernel has come, by its memory. */
    const progress = (read: (at: number, size: number) => Uint8Array): string => {
      // Where the handler finds the record; the top bits are quadrant 3's.
      const view = new DataView(read(addresses.current, 8).buffer);
      const record = Number(BigInt.asUintN(60, view.getBigUint64(0, kernel.littleEndian)));
      const draw = draws[(record - recordsAddress) / supervisorRecordSize];
      return draw ? `it is at --seed ${options.seed} --case "${drawName(draw)}"` : "it has not come to the first";
    };
    const judging = memoryUnderQemu(image, recordsAddress, length, progress);
    const results = options.engines.map((name) => {
      const load = engines[name];
      if (!load) throw new Error(`there is no engine ${name}; there are ${Object.keys(engines).join(", ")}`);
      const machine = new Machine(load(), false);
      const of = (littleEndian: boolean) =>
        cases.filter((one) => one.littleEndian === littleEndian).map(({ address }) => address);
      machine.loadKernel(image, kernelAddress, [of(false), of(true)]);
      const memory = machine.runKernel(kernelAddress, (why, read) => `${name}: ${why}: ${progress(read)}`);
      return { name, states: statesOf(memory.subarray(recordsAddress), cases.length, kernel.littleEndian) };
    });
    const judged = statesOf(await judging, cases.length, kernel.littleEndian);
    for (const { name, states } of results) {
      cases.forEach((one, i) => {
        const { found, setAside: reasons } = compareSupervisor(one, judged[i] as State, states[i] as State);
        setAside.add(`${k} ${i}`, reasons);
        if (found.length === 0) return;
        const key = `${name} ${one.mnemonic}`;
        failures.set(key, (failures.get(key) ?? 0) + 1);
        if ((failures.get(key) ?? 0) > (options.show ?? 3)) return;
        const again = `--supervisor --seed ${options.seed} --case "${drawName(draws[i] as Draw)}"`;
        options.log(
          `FAIL ${one.mnemonic} on ${name}: npm run differential -- ${again}\n${contextText(one, kernel, judged[i] as State)}\n${report(one, found, instructionSet())}`,
        );
      });
    }
  }
  return { cases: count, drawn, failures, setAside };
}
export { qemuSystemVersion } from "./supervisor-qemu.js";
