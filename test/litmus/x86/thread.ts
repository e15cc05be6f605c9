/** One processor of litmus tests, on a thread of its own: told a round, it runs it and says so. */
import { parentPort, workerData } from "node:worker_threads";
import { ExitCode } from "../../../src/arch/x86/engines/layout.js";
import { type Beside, Processor } from "../../engines/x86/processor.js";
import { area, batch, ramSize } from "./guest.js";

export interface Round {
  /** Where its program begins, and whether it is the first round that runs it. */
  readonly at: number;
  readonly isFirst: boolean;
  /** Tries before. */
  readonly tries: number;
}

export interface RoundDone {
  readonly halted: boolean;
  /** It was entered in a region. */
  readonly translated: boolean;
}

const { beside, translate, seed } = workerData as { beside: Beside; translate: boolean; seed: number };
const p = new Processor(ramSize, { translate, beside });
p.longMode({ tables: BigInt(area.tables), cpl: 0, code: 8, data: 16 });
p.set64("features", -1n);
p.flags = 2n;
const set = (register: number, value: number) => p.set64("general", BigInt(value), register);
set(3, area.steps);
set(4, area.stacks + area.stack * beside.index + 0x8000);
set(8, (seed + 7919 * beside.index) & 0x7fff_ffff);
p.reset();
parentPort?.on("message", ({ at, isFirst, tries }: Round) => {
  const pc = BigInt(at);
  set(5, tries);
  set(12, area.x);
  set(13, area.y);
  set(14, area.loaded);
  set(15, batch);
  if (translate && isFirst) p.translator.translateNow([pc]);
  const before = p.regionRuns;
  p.set64("pc", pc);
  let exit: number = ExitCode.none;
  while (exit === ExitCode.none) exit = p.run(1000);
  parentPort?.postMessage({ halted: exit === ExitCode.halt, translated: p.regionRuns > before } satisfies RoundDone);
});
