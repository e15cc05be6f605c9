/** `unikvm lsmod`: the modules of the running instance. Source: lsmod(8). */
import type { Command } from "commander";
import { addExamples, type Finish } from "../command.js";
import { ask } from "../control/client.js";
import { addPidOption, KmodStatus } from "../kmod.js";

export function describe(command: Command, finish: Finish): void {
  addExamples(command, "unikvm lsmod", "unikvm lsmod --pid 4711              # of several that run");
  addPidOption(command)
    .allowExcessArguments(false)
    .action(
      finish(async ({ pid }: { readonly pid?: number }) => {
        const answer = await ask({ command: "lsmod" }, pid);
        const rows = (answer?.modules ?? []).map(({ name, size, references, users }) => {
          const by = users.length > 0 ? ` ${users.join(",")}` : "";
          return `${name.padEnd(19)} ${String(size).padStart(8)}  ${references}${by}\n`;
        });
        process.stdout.write(`Module                  Size  Used by\n${rows.join("")}`);
        return KmodStatus.done;
      }),
    );
}
