/** `unikvm shell`: a terminal in a VM of its own. */
import { constants } from "node:os";
import type { Command } from "commander";
import type { Process, TerminalSize, Vm } from "../../api/types.js";
import { addExamples, type Finish } from "../command.js";
import { escapeHelp, escapes } from "../escape.js";
import { endingSignals } from "../interrupt.js";
import { bring } from "../output.js";
import { RawMode } from "../raw-mode.js";
import { describeVm, programOptions, statusOf, statusOfFailure, useVm, type VmChoices } from "../vm-options.js";

export async function describe(command: Command, finish: Finish): Promise<void> {
  command
    .description(
      "Gives a terminal in a Linux VM of its own: a shell, or the program that is named. Every key goes there, Ctrl-C\n" +
        "included; when it ends, so does the VM. Ctrl-A X ends it at once, Ctrl-A H helps.\n" +
        "While it runs, `unikvm cp` copies files into it and out of it, and `unikvm exec --pid` runs commands in it.\n" +
        "Ends with the program's status, as `unikvm exec` does.",
    )
    .argument("[command...]", "the program and its arguments (default: a login shell)")
    .passThroughOptions();
  await describeVm(command);
  addExamples(
    command,
    "unikvm shell",
    "unikvm shell --disk data.qcow2 --network user",
    "unikvm shell --guest amd64     # x86-64",
    "unikvm shell -- top",
    "unikvm shell --snapshot prepared",
  );
  command.action(finish(run));
}

async function run(command: readonly string[], choices: VmChoices): Promise<number> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    return statusOfFailure(new Error("shell needs a terminal as its stdin and stdout; for pipes there is unikvm exec"));
  }
  const use = async (vm: Vm, limit: { timeout?: number }): Promise<number> => {
    const program = await vm.spawn(command.length > 0 ? command : ["sh", "-l"], {
      ...programOptions({ ...choices, env: { ...ownTerminal(), ...choices.env } }),
      pty: sizeHere(),
      ...limit,
    });
    return attach(program);
  };
  return useVm(choices, use, { served: true });
}

/** What kind of terminal this is, is so in the guest, too. */
const ownTerminal = (): Record<string, string> => (process.env["TERM"] ? { TERM: process.env["TERM"] } : {});

const sizeHere = (): TerminalSize => ({ rows: process.stdout.rows || 24, columns: process.stdout.columns || 80 });

/** What a program wrote before it ended has come when nothing has for so long; but it ends that long afterwards. Milliseconds. */
const [silence, atMost] = [200, 2000] as const;

/** Brings its output here. `quiet` resolves when that has ended, or nothing more of a program that ended is to be expected. */
function show(program: Process): { readonly quiet: () => Promise<void> } {
  let heard = performance.now();
  let over = false;
  const all = bring(program.stdout, process.stdout, () => {
    heard = performance.now();
  }).finally(() => {
    over = true;
  });
  // Who waits for the program's end hears of it.
  all.catch(() => undefined);
  const quiet = async (): Promise<void> => {
    const begin = performance.now();
    heard = begin;
    while (!over && performance.now() - heard < silence && performance.now() - begin < atMost) {
      await Promise.race([all, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
  };
  return { quiet };
}

/** Has this terminal be the program's until it ends. */
async function attach(program: Process): Promise<number> {
  const { stdin, stdout, stderr } = process;
  const input = program.stdin.getWriter();
  const raw = new RawMode(stdin);
  let running = true;
  let leave = (): void => undefined;
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const kill = (): void => {
    if (running) void program.kill("SIGKILL");
    else leave();
  };
  const resize = (): void => void program.resize(sizeHere());
  const onData = escapes({
    send: (bytes) => {
      stdin.pause();
      // A program that has ended reads no more.
      void input.write(bytes).then(
        () => stdin.resume(),
        () => undefined,
      );
    },
    leave: kill,
    help: () => void stderr.write(`\r\n${escapeHelp.join("\r\n")}\r\n`),
  });
  for (const signal of endingSignals) process.on(signal, kill);
  process.on("exit", () => raw.leave());
  stdout.on("resize", resize);
  stdin.on("data", onData);
  stdin.on("end", kill);
  raw.enter();
  stdin.resume();
  try {
    const output = show(program);
    const ended = await program.exited;
    running = false;
    // What it has left in the background has the terminal, too, and is no reason to stay.
    await Promise.race([output.quiet(), left]);
    return statusOf(ended, constants.signals);
  } finally {
    raw.leave();
    stdin.off("data", onData);
    stdin.off("end", kill);
    stdin.pause();
    stdout.off("resize", resize);
    for (const signal of endingSignals) process.off(signal, kill);
  }
}
