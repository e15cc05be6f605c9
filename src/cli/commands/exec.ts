/** `unikvm exec`: one command in a VM of its own, as if it ran here. */
import { constants } from "node:os";
import { Readable } from "node:stream";
import type { Command } from "commander";
import type { Process, SignalName } from "../../api/types.js";
import { VmmError } from "../../vmm/errors.js";
import { addExamples, type Finish } from "../command.js";
import { type Input, watchInput } from "../input.js";
import { endingSignals } from "../interrupt.js";
import { bring } from "../output.js";
import { openRemoteGuest } from "../remote.js";
import { parseCount } from "../sizes.js";
import {
  describeVm,
  programOptions,
  RunnerStatus,
  statusOf,
  statusOfFailure,
  useVm,
  type VmChoices,
} from "../vm-options.js";

export async function describe(command: Command, finish: Finish): Promise<void> {
  command
    .description(
      "Runs a command in a Linux VM of its own. Its stdin, stdout, stderr and exit status are this program's, and so are\n" +
        "the signals that this program gets; progress is said on stderr.\n" +
        "Ends with the command's status, 128+N if signal N ended it, 124 at the time limit, 125 if unikvm could not do it\n" +
        "or was called wrongly, 126 if the command cannot be run, 127 if the guest has none of that name.",
    )
    .argument("<command...>", "the program and its arguments, after --")
    .passThroughOptions();
  await describeVm(command);
  command.option("--pid <n>", "run it in the guest of that process of unikvm, which has an agent", parseCount(1));
  addExamples(
    command,
    "unikvm exec -- uname -a",
    "echo 'print the sum' | unikvm exec -- sh -c 'cat; echo $((40 + 2))'",
    "unikvm exec --disk data.qcow2 -- mke2fs /dev/vda   # once: a new disk has no file system",
    "unikvm exec --disk data.qcow2 --timeout 60 -- sh -c 'mkdir /mnt && mount /dev/vda /mnt && ls /mnt'",
    "unikvm exec --guest amd64 -- uname -m  # x86-64",
    "unikvm exec --pid 4711 -- ps            # in the guest of a unikvm run or shell",
    "unikvm exec --snapshot prepared -- ls      # where a unikvm shell stood when it was saved",
    "unikvm exec --network user -- wget -qO- http://example.org",
  );
  command.action(finish(run));
}

function run(
  command: readonly string[],
  choices: VmChoices & { readonly pid?: number },
  self: Command,
): Promise<number> {
  const { pid } = choices;
  if (pid !== undefined)
    return withInput((input) =>
      runThere(pid, command, choices, input, (name) => self.getOptionValueSource(name) === "cli"),
    );
  return withInput((input) =>
    useVm(choices, async (vm, limit) =>
      attend(await vm.spawn(command, { ...programOptions(choices), stdin: input.stream, ...limit }), input),
    ),
  );
}

async function withInput(work: (input: Input) => Promise<number>): Promise<number> {
  try {
    return await work(watchInput());
  } catch (error) {
    return statusOfFailure(error);
  }
}

/** What the VM is, its process has said; none of these options is of the command. */
const ofAnotherVm = [
  ...["guest", "image", "snapshot", "kernel", "initrd", "append", "type", "cpu", "disk", "network"],
  ...["memory", "cpus", "limitCpu", "limitDisk", "limitProcesses"],
] as const satisfies readonly (keyof VmChoices)[];

/** "limitCpu" is --limit-cpu. */
const optionName = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** `named`: whether an option was on the command line. */
async function runThere(
  pid: number,
  command: readonly string[],
  choices: VmChoices,
  own: Input,
  named: (option: string) => boolean,
): Promise<number> {
  const { user, cwd, env = {}, timeout } = choices;
  try {
    const wrong = ofAnotherVm.find(named);
    if (wrong) throw new VmmError(`${optionName(wrong)} is of a VM that is to be made, and --pid names one that runs`);
    const guest = await openRemoteGuest(pid);
    try {
      const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      const input = Readable.toWeb(own.stream) as ReadableStream<Uint8Array>;
      return await attend(await guest.spawn({ command, env: variables, cwd, user }, { input, timeout }), own);
    } finally {
      guest.close();
    }
  } catch (error) {
    return statusOfFailure(error);
  }
}

/**
 * Brings its output here and this program's signals there, until it ends, and whoever else it has left its output to; a signal that
 * finds only these ends the waiting. Throws VmmError: it had not all of its input.
 */
async function attend(program: Process, input: Input): Promise<number> {
  let running = true;
  const over = (): void => {
    running = false;
  };
  program.exited.then(over, over);
  let leave: (signal: NodeJS.Signals) => void = () => undefined;
  const left = new Promise<NodeJS.Signals>((resolve) => {
    leave = resolve;
  });
  const onSignal = (signal: NodeJS.Signals): void => {
    if (running) void program.kill(signal as SignalName);
    else leave(signal);
  };
  for (const signal of endingSignals) process.on(signal, onSignal);
  try {
    const output = Promise.all([bring(program.stdout, process.stdout), bring(program.stderr, process.stderr)]);
    const signal = await Promise.race([left, output.then(() => undefined)]);
    if (signal !== undefined) return RunnerStatus.signal + constants.signals[signal];
    const ended = await program.exited;
    const failure = input.failure();
    // Who has half of an input is killed; who ended before did not need the rest.
    if (failure && ended.exitCode === null) throw failure;
    return statusOf(ended, constants.signals);
  } finally {
    for (const signal of endingSignals) process.off(signal, onSignal);
  }
}
