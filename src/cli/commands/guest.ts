/** `unikvm guest`: the guests that can be booted without bringing a kernel. */
import { Argument, type Command } from "commander";
import {
  exportGuest,
  fetchGuest,
  guestFolder,
  guestNames,
  importGuest,
  listGuests,
  removeGuest,
} from "../../../guests/index.js";
import { addExamples, ExitStatus, type Finish } from "../command.js";
import { interruptible } from "../interrupt.js";
import { parseGuest } from "../machine-options.js";
import { parsePath } from "../sizes.js";

const defaultName = guestNames[0] ?? "";
const which = `which (${guestNames.join(", ")})`;

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
const report = (line: string): void => void process.stderr.write(`unikvm: ${line}\n`);

const guestArgument = (): Argument =>
  new Argument("[name]", which).choices(guestNames).argParser(parseGuest).default(defaultName);

export function describe(command: Command, finish: Finish): void {
  addExamples(
    command,
    "unikvm guest fetch",
    "unikvm guest fetch amd64",
    "unikvm guest list",
    "unikvm guest export debian.guest",
  );
  addExamples(command.command("fetch"), "unikvm guest fetch", "unikvm guest fetch --if-missing")
    .description("fetch a guest into the cache, also if it is there already")
    .addArgument(guestArgument())
    .option("--if-missing", "leave one that is there whole alone")
    .option("--json", "for programs")
    .action(
      finish(async (name: string, { ifMissing = false, json = false }: { ifMissing?: boolean; json?: boolean }) => {
        const guest = await interruptible((signal) => fetchGuest(name, { again: !ifMissing, signal }));
        process.stdout.write(json ? `${JSON.stringify(guest)}\n` : `${guest.description}, in ${guest.folder}\n`);
      }),
    );
  addExamples(command.command("list"), "unikvm guest list", "unikvm guest list --json")
    .description("list the guests and whether they are cached")
    .option("--json", "for programs")
    .action(
      finish(({ json = false }: { json?: boolean }) => {
        if (json) {
          const rows = listGuests().map(({ name, architecture, guest }) => {
            return { name, architecture, cached: !("missing" in guest), ...guest };
          });
          process.stdout.write(`${JSON.stringify(rows)}\n`);
          return;
        }
        for (const { port, guest } of listGuests()) {
          const state =
            "missing" in guest ? guest.missing : `${guest.description}, ${megabytes(guest.size)} in ${guest.folder}`;
          process.stdout.write(`${port}: ${state}\n`);
        }
      }),
    );
  addExamples(
    command.command("export"),
    "unikvm guest export debian.guest",
    "unikvm guest export debian-amd64.guest amd64",
  )
    .description("write a guest into one file, for a host that has no apt, and for pages; fetched first if need be")
    .argument("<file>", "which file; it is there whole or as it was before", parsePath)
    .addArgument(guestArgument())
    .option("--json", "for programs")
    .action(
      finish(async (path: string, name: string, { json = false }: { json?: boolean }) => {
        const { guest, size, digest } = await interruptible((signal) => exportGuest(path, report, signal, name));
        if (json) process.stdout.write(`${JSON.stringify({ name: guest.name, file: path, size, digest })}\n`);
        else process.stdout.write(`${path}: ${guest.description}, ${megabytes(size)}\n`);
      }),
    );
  addExamples(command.command("import"), "unikvm guest import debian.guest")
    .description("put the guest of such a file into the cache, in the place of the one that is there")
    .argument("<file>", "which", parsePath)
    .option("--json", "for programs")
    .action(
      finish(async (path: string, { json = false }: { json?: boolean }) => {
        const guest = await interruptible((signal) => importGuest(path, report, signal));
        if (json) process.stdout.write(`${JSON.stringify(guest)}\n`);
        else process.stdout.write(`${guest.description}, in ${guest.folder}\n`);
      }),
    );
  addExamples(command.command("rm"), "unikvm guest rm")
    .description("remove a guest from the cache")
    .addArgument(guestArgument())
    .action(
      finish(async (name: string) => {
        if (await interruptible((signal) => removeGuest(name, signal))) return ExitStatus.done;
        throw new Error(`the guest ${name} is not in ${guestFolder()}`);
      }),
    );
}
