/** `unikvm insmod`: loads one file's module into the running instance, and nothing that it needs. Source: insmod(8). */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { addExamples, type Finish } from "../command.js";
import {
  addPidOption,
  askOrSay,
  type InsertionWords,
  insertionText,
  KmodStatus,
  kmodMessages,
  parseParameters,
} from "../kmod.js";

interface Options {
  readonly force?: boolean;
  readonly pid?: number;
}

const words: InsertionWords = {
  ENOEXEC: "Invalid module format",
  ENOENT: "Unknown symbol in module",
  EINVAL: "Invalid parameters",
};

export function describe(command: Command, finish: Finish): void {
  addExamples(command, "unikvm insmod ./my-module.js", "unikvm insmod ./my-module.js verbose=1");
  addPidOption(command)
    .argument("[file]", "a JavaScript module whose default export is what defineModule gave")
    .argument("[parameters...]", "name=value")
    .option("-f, --force", "though it was made for another version of unikvm")
    .action(
      finish(async (file: string | undefined, parameters: string[], { force = false, pid }: Options) => {
        const messages = kmodMessages("insmod");
        if (file === undefined) {
          messages.error("missing filename.");
          return KmodStatus.failed;
        }
        if (!existsSync(file)) {
          messages.error(`could not load module ${file}: No such file or directory`);
          return KmodStatus.failed;
        }
        const request = {
          command: "insmod",
          file: resolve(file),
          parameters: parseParameters(parameters),
          force,
        } as const;
        const answer = await askOrSay(messages, request, pid);
        if (typeof answer === "number") return answer;
        if (!answer.failure) return KmodStatus.done;
        messages.error(`could not insert module ${file}: ${insertionText(answer.failure, words)}`);
        messages.error(answer.failure.message);
        return KmodStatus.failed;
      }),
    );
}
