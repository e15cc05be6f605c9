/** What V8 is told before guests run. */
import { setFlagsFromString } from "node:v8";
import { setOptimiser } from "../optimiser.js";
import { enableRelaxedSimd } from "./relaxed-simd.js";

/** The optimiser of V8 11 takes twice the time of newer ones. */
const isOld = Number.parseInt(process.versions.v8, 10) < 12;

/** Branch hints are on by themselves from V8 13.6 on; a flag that there is no more would be complained of. */
const needsFlagForHints = Number.parseFloat(process.versions.v8) < 13.6;

/**
 * Of functions of which nothing else is known. By default 1.8 million (Node 20) or 13 million (Node 26): less than a
 * millisecond, for which V8 spends five to ten milliseconds of another thread. Regions come by the thousand, and on two cores
 * that thread takes the time from the guest.
 */
const usualBudget = isOld ? 300_000_000 : 30_000_000;
/** Of regions, whose code is known to be hot. */
const leastBudget = 30_000_000;
/** V8 keeps budgets in an int32. */
const mostBudget = 2_000_000_000;

/** Regions are compiled once more, many together, and optimised at once (decision 11), unless the variable says not to. */
export const gathers = process.env["UNIKVM_GATHER"] !== "0";

function setBudget(budget: number): void {
  setFlagsFromString(`--wasm-tiering-budget=${Math.min(Math.round(budget), mostBudget)}`);
}

/**
 * For modules compiled from now on, on all threads: a fused multiply-add in one instruction and branch hints, which Node 20 has
 * behind flags; and functions optimised later.
 */
export function prepareV8(): void {
  enableRelaxedSimd();
  if (needsFlagForHints) setFlagsFromString("--experimental-wasm-branch-hinting");
  // What a deoptimised function goes on in is quickly made code, which optimised modules have none of.
  if (gathers && !needsFlagForHints) setFlagsFromString("--no-wasm-deopt");
  setBudget(usualBudget);
}

/** No quickly made code, everything at once, and two threads on it: the vCPU's is to have a processor meanwhile. */
const optimising = ["--no-liftoff", "--no-wasm-lazy-compilation", "--wasm-num-compilation-tasks=1"];
const usual = ["--liftoff", "--wasm-lazy-compilation", "--wasm-num-compilation-tasks=128"];

function setFlags(flags: readonly string[]): void {
  for (const flag of flags) setFlagsFromString(flag);
}

function optimised<T>(compile: () => T): T {
  setFlags(optimising);
  try {
    return compile();
  } finally {
    setFlags(usual);
  }
}

/** Lets this thread say when what it compiles is optimised; with `gather` also that it is optimised at once. */
export function prepareOptimiser(gather = gathers): void {
  setOptimiser({
    least: leastBudget,
    within: (budget, compile) => {
      setBudget(budget);
      try {
        return compile();
      } finally {
        setBudget(usualBudget);
      }
    },
    optimised: gather ? optimised : undefined,
  });
}
