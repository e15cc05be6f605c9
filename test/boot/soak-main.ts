/**
 * `npm run soak -- [--guest NAME] [--cpus N] [--seconds N] [--type hv|pr] [--patience N]`: processors (default: four) under
 * parallel shell work, unplugged and plugged again all the time, for some time (default: five minutes of the guest) under each
 * implementation, and whether the guest's kernel complained: of a processor that did nothing for `patience` seconds, of an
 * oops, of a hung task.
 * `npm run soak -- --use [--guest NAME] [--seconds N] [--type hv|pr]`: instead, what programs do with a VM, mixed, for an hour
 * or so long, and whether anything of it grows.
 */
import { parseArgs } from "node:util";
import { architectureOfGuest } from "../../guests/index.js";
import { type Implementation, implementations, noGuestNamed } from "./booting.test-support.js";
import { soak } from "./soak.js";
import { useSoak } from "./use-soak.js";

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
const { guest } = values;
const noGuest = noGuestNamed(guest);
if (noGuest) throw new Error(noGuest);
for (const type of values.type as Implementation[]) {
  if (!implementations.includes(type)) throw new Error(`there is no implementation ${type}`);
  if (values.use) {
    const report = (line: string): void => console.log(`${type}: ${line}`);
    const wrong = await useSoak({
      type,
      guest: architectureOfGuest(guest),
      seconds: Number(values.seconds ?? 1800),
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
    cpus: Number(values.cpus),
    seconds: Number(values.seconds ?? 300),
    patience: Number(values.patience),
  });
  console.log(`${type}: ${rounds} rounds of work, a processor came back ${plugged} times`);
  if (faults.length === 0) continue;
  console.log(`${text}\n${type}: ${faults.join("; ")}`);
  process.exitCode = 1;
}
