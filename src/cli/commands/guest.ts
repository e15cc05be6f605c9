/** `unikvm guest`: the guests that can be booted without bringing a kernel. */
import type { Command } from "commander";
import { fetchGuest, guestFolder, guestNames, listGuests, removeGuest } from "../../../guests/index.js";
import { ExitStatus, type Finish } from "../command.js";
import { interruptible } from "../interrupt.js";

const defaultName = guestNames[0] ?? "";

function knownGuest(name: string): string {
  if (!guestNames.includes(name)) throw new Error(`no guest is called ${name}; there is ${guestNames.join(", ")}`);
  return name;
}

export function describe(command: Command, finish: Finish): void {
  command
    .command("fetch")
    .description("fetch a guest into the cache, also if it is there already")
    .argument("[name]", "which", defaultName)
    .option("--if-missing", "leave one that is there whole alone")
    .action(
      finish(async (name: string, { ifMissing = false }: { ifMissing?: boolean }) => {
        const known = knownGuest(name);
        const guest = await interruptible((signal) => fetchGuest(known, { again: !ifMissing, signal }));
        process.stdout.write(`${guest.name}: ${guest.description}\n`);
      }),
    );
  command
    .command("list")
    .description("list the guests and whether they are cached")
    .action(
      finish(() => {
        for (const { name, guest } of listGuests()) {
          const state =
            "missing" in guest
              ? guest.missing
              : `${guest.description}, ${Math.round(guest.size / 1e6)} MB in ${guest.folder}`;
          process.stdout.write(`${name}: ${state}\n`);
        }
      }),
    );
  command
    .command("rm")
    .description("remove a guest from the cache")
    .argument("[name]", "which", defaultName)
    .action(
      finish(async (name: string) => {
        const known = knownGuest(name);
        if (await interruptible((signal) => removeGuest(known, signal))) return ExitStatus.done;
        throw new Error(`the guest ${name} is not in ${guestFolder()}`);
      }),
    );
}
