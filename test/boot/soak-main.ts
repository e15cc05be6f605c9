/**
 * `npm run soak -- [--guest NAME] [--cpus N] [--seconds N] [--type hv|pr] [--patience N]`: processors (default: four) under
 * parallel shell work, unplugged and plugged again all the time, for some time (default: five minutes of the guest) under each
 * implementation, and whether the guest's kernel complained: of a processor that did nothing for `patience` seconds, of an
 * oops, of a hung task.
 * `npm run soak -- --use [--guest NAME] [--seconds N] [--type hv|pr]`: instead, what programs do with a VM, mixed, for an hour
 * or so long, and whether anything of it grows.
 */
import { parseArgs } from "node:util";
import { guestNames } from "../../guests/index.js";
import { mostCpus } from "../../src/cli/machine-options.js";
import { chosen, countOf, guestArchitectureOf, oneOf } from "../../tools/own-command.js";
import { implementations, requireGuest } from "./booting.test-support.js";
import { soak } from "./soak.js";
import { useSoak } from "./use-soak.js";

const usage = `usage: npm run soak -- [options]
  --guest NAME   ${guestNames.join(" or ")} (default: the first)
  --use          what programs do with a VM, instead of parallel shell work
  --cpus N       not with --use (default: 4)
  --patience N   seconds for which a processor may do nothing, not with --use (default: 10)
  --seconds N    under each implementation (default: 300, with --use 1800)
  --type NAME    hv or pr; can be given again (default: both)
`;
const { guest, architecture, use, types, cpus, patience, seconds } = chosen({ name: "soak", usage }, () => {
  const { values } = parseArgs({
    options: {
      guest: { type: "string" },
      cpus: { type: "string", default: "4" },
      seconds: { type: "string" },
      use: { type: "boolean", default: false },
      patience: { type: "string", default: "10" },
      type: { type: "string", multiple: true, default: [...implementations] },
    },
  });
  const { guest, use } = values;
  const choices = {
    ...{ guest, use, architecture: guestArchitectureOf(guest) },
    types: values.type.map((type) => oneOf("type", type, implementations)),
    cpus: countOf("cpus", values.cpus, 1, mostCpus),
    patience: countOf("patience", values.patience),
    seconds: countOf("seconds", values.seconds ?? (use ? "1800" : "300")),
  };
  requireGuest(guest);
  return choices;
});
for (const type of types) {
  if (use) {
    const report = (line: string): void => console.log(`${type}: ${line}`);
    const wrong = await useSoak({
      type,
      guest: architecture,
      seconds,
      report,
    });
    for (const fault of wrong) report(fault);
    if (wrong.length > 0) process.exitCode = 1;
    continue;
  }
  const {
    faults,
    rounds,
    plugged,
    console: text,
  } = await soak({
    ...{ type, guest },
    ...{ cpus, seconds, patience },
  });
  console.log(`${type}: ${rounds} rounds of work, a processor came back ${plugged} times`);
  if (faults.length === 0) continue;
  console.log(`${text}\n${type}: ${faults.join("; ")}`);
  process.exitCode = 1;
}
