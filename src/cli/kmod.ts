/** What the commands about modules have in common: kmod's words and statuses, and asking the running instance. */
import type { Command } from "commander";
import { type ErrnoName, messageOf } from "../base/errors.js";
import { errorText, Messages, Priority } from "../modules/node/messages.js";
import { ask } from "./control/client.js";
import type { Answer, Failure, Parameters, Request } from "./control/protocol.js";
import { parseCount } from "./sizes.js";

/** kmod's programs know success and failure; where none runs that could be asked is told apart. */
export const KmodStatus = { done: 0, failed: 1, noInstance: 3 } as const;

export const kmodMessages = (program: string, level?: number): Messages =>
  new Messages(program, (text) => process.stderr.write(text), level);

export const addPidOption = (command: Command): Command =>
  command.option("--pid <n>", "the process of unikvm that is meant, if several run", parseCount(1));

/** Asks the running instance; if there is none, or it does not answer, says so and gives the status. */
export async function askOrSay(
  messages: Messages,
  request: Request,
  pid: number | undefined,
): Promise<Answer | number> {
  try {
    const answer = await ask(request, pid);
    if (!answer) messages.say(Priority.critical, "no instance of unikvm is running; start one with unikvm run");
    else for (const line of answer.log) messages.info(line);
    return answer ?? KmodStatus.noInstance;
  } catch (error) {
    messages.say(Priority.critical, messageOf(error));
    return KmodStatus.noInstance;
  }
}

/** "name=value" and "name" as the kernel's command line has them. */
export function parseParameters(texts: readonly string[]): Parameters {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** Parameters after a module's path, a value with blanks in quotes. */
export const formatParameters = (texts: readonly string[]): string =>
  texts.map((text) => (/\s/.test(text) ? text.replace(/=(.*)$/s, '="$1"') : text)).join(" ");

/** What kmod's programs say of an errno that the kernel gave when it loaded a module, instead of the errno's own words. */
export type InsertionWords = Partial<Readonly<Record<ErrnoName, string>>>;

/** How the kernel says what these words are for. The errno alone may as well be what the module's own init answered. */
const kernelsOwn: InsertionPatterns = {
  ENOENT: /: Unknown symbol /,
  EINVAL: /: `.*' invalid for parameter `/,
};
type InsertionPatterns = Partial<Readonly<Record<ErrnoName, RegExp>>>;

export function insertionText({ code, message }: Failure, words: InsertionWords): string {
  const own = kernelsOwn[code]?.test(message) ?? true;
  return (own ? words[code] : undefined) ?? errorText({ code, message });
}
