/**
 * The long run: `npm run differential -- [--count N] [--seed N] [--only MNEMONIC] [--engine NAME] [--big-endian]
 * [--sequences N] [--show N]`. Without options: 200 cases an instruction, a seed from the clock, every engine, both byte
 * orders. `--supervisor`: the supervisor's side, `--count` cases of each kind, or with `--case NAME` one.
 */
import { parseArgs } from "node:util";
import { chosen, countOf, oneOf, patternOf, Unavailable } from "../../tools/own-command.js";
import { engines } from "./engines.js";
import { qemuVersion } from "./qemu.js";
import { type RunResult, runDifferential } from "./run.js";
import { summary } from "./set-aside.js";
import { qemuSystemVersion, runSupervisor, type SupervisorResult } from "./supervisor.js";

const own = {
  name: "differential",
  usage: `usage: npm run differential -- [options]
  --count N         cases of each instruction, or of each kind (default: 200)
  --seed N          repeats a run
  --only REGEXP     instructions, or kinds, whose names match as a whole
  --engine NAME     ${Object.keys(engines).join(" or ")}; can be given again (default: all)
  --big-endian, --little-endian   one byte order alone
  --sequences N     programs of several instructions
  --show N          cases of each that are shown (default: 2)
  --supervisor      the supervisor's side
  --case NAME       of that, one
`,
};
/** The options that both kinds of run share, and those of one. */
const { common, sequences, ...values } = chosen(own, () => {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "200" },
      seed: { type: "string", default: String(Date.now() % 2 ** 31) },
      only: { type: "string" },
      engine: { type: "string", multiple: true, default: Object.keys(engines) },
      sequences: { type: "string" },
      show: { type: "string", default: "2" },
      "big-endian": { type: "boolean" },
      "little-endian": { type: "boolean" },
      supervisor: { type: "boolean" },
      case: { type: "string" },
    },
  });
  const common = {
    seed: countOf("seed", values.seed, 0),
    count: countOf("count", values.count),
    engines: values.engine.map((name) => oneOf("engine", name, Object.keys(engines))),
    show: countOf("show", values.show, 0),
    log: (line: string) => console.log(line),
    ...(values.only === undefined ? {} : { only: patternOf("only", `^(?:${values.only})$`) }),
  };
  if (values.supervisor && !qemuSystemVersion()) {
    throw new Unavailable("qemu-system-ppc64 is not installed: nothing can be compared");
  }
  const sequences = values.sequences === undefined ? undefined : countOf("sequences", values.sequences, 0);
  return { ...values, common, sequences };
});
const { seed } = common;

/** The result: what differs, and why QEMU was not the judge of how many cases. */
function tell(what: string, version: string, result: RunResult | SupervisorResult): void {
  console.log(`${what}: ${summary(result)}, seed ${seed}, against ${version}`);
  for (const [why, count] of result.setAside.reasons()) console.log(`  set aside ${count}: ${why}`);
  for (const [name, count] of result.failures) console.log(`  ${name}: ${count} differ`);
}

if (values.supervisor) {
  const version = qemuSystemVersion() ?? "";
  const result = await runSupervisor({
    ...common,
    own: common.count,
    ...(values.case === undefined ? {} : { case: values.case }),
  });
  tell("supervisor", version, result);
  process.exit(result.failures.size === 0 ? 0 : 1);
}

const orders = values["big-endian"] ? [false] : values["little-endian"] ? [true] : [true, false];
let failed = 0;
for (const littleEndian of orders) {
  const version = qemuVersion(littleEndian);
  if (!version) {
    console.log(`qemu-ppc64${littleEndian ? "le" : ""} is not installed: nothing was compared`);
    failed++;
    continue;
  }
  for (const level of ["3.0", "3.1"] as const) {
    const result = runDifferential({
      ...common,
      littleEndian,
      level,
      ...(sequences === undefined ? {} : { sequences }),
    });
    tell(`v${level}, ${littleEndian ? "little-endian" : "big-endian"}`, version, result);
    failed += result.failures.size;
  }
}
process.exitCode = failed === 0 ? 0 : 1;
