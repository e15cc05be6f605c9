/** `unikvm guest`: the guests that can be booted without bringing a kernel. */
import { type Command, InvalidArgumentError } from "commander";
import { fetchGuest, guestFolder, guestNames, listGuests, removeGuest } from "../../../guests/index.js";
import { ExitStatus, type Finish } from "../command.js";
import { interruptible } from "../interrupt.js";

const defaultName = guestNames[0] ?? "";

function knownGuest(name: string): string {
  if (guestNames.includes(name)) return name;
  throw new InvalidArgumentError(`There is ${guestNames.join(", ")}.`);
}

export function describe(command: Command, finish: Finish): void {
  command
    .command("fetch")
    .description("fetch a guest into the cache, also if it is there already")
    .argument("[name]", "which", knownGuest, defaultName)
    .option("--if-missing", "leave one that is there whole alone")
    .action(
      finish(async (name: string, { ifMissing = false }: { ifMissing?: boolean }) => {
        const guest = await interruptible((signal) => fetchGuest(name, { again: !ifMissing, signal }));
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
    .argument("[name]", "which", knownGuest, defaultName)
    .action(
      finish(async (name: string) => {
        if (await interruptible((signal) => removeGuest(name, signal))) return ExitStatus.done;
        throw new Error(`the guest ${name} is not in ${guestFolder()}`);
      }),
    );
}
