/** One of several processors of a VM, on a thread of its own: runs a program and tells when it is over. */
import { parentPort, workerData } from "node:worker_threads";
import { ExitCode } from "../../../src/arch/x86/engines/layout.js";
import { type Beside, Processor } from "./processor.js";

const { beside, ramSize, translate, pc, general } = workerData as {
  beside: Beside;
  ramSize: number;
  translate: boolean;
  pc: bigint;
  general: readonly (readonly [number, bigint])[];
};
const p = new Processor(ramSize, { translate, beside });
p.longMode({ tables: 0x1000n, cpl: 0, code: 8, data: 16 });
p.set64("features", -1n);
p.flags = 2n;
for (const [number, value] of general) p.set64("general", value, number);
p.reset();
if (translate) p.translator.translateNow([pc]);
p.set64("pc", pc);
let exit: number = ExitCode.none;
while (exit === ExitCode.none) exit = p.run(1000);
parentPort?.postMessage({ exit, regions: p.translator.stats()["regions"] });
