/** `unikvm completion`: scripts for shells, and the answers that they ask for. */
import { Argument, type Command } from "commander";
import { addExamples, type Described, type Finish } from "../command.js";
import { candidates, type Shell, scripts } from "../completion.js";

export function describe(command: Command, finish: Finish, described: Described): void {
  addExamples(
    command,
    'eval "$(unikvm completion bash)"           # in ~/.bashrc',
    'eval "$(unikvm completion zsh)"            # in ~/.zshrc, after compinit',
    "unikvm completion fish | source            # in ~/.config/fish/config.fish",
    "unikvm completion powershell | Out-String | Invoke-Expression",
  )
    .description("print a script by which a shell completes unikvm's commands and options")
    .addArgument(
      new Argument("<shell>", "which; words: what may follow the words behind --, for these scripts").choices([
        ...Object.keys(scripts),
        "words",
      ]),
    )
    .argument("[words...]", "of a command line that is not complete")
    .option("--empty", "with words: an empty one behind them, which some shells cannot give")
    .action(
      finish(async (shell: Shell | "words", words: readonly string[], { empty = false }: { empty?: boolean }) => {
        if (shell !== "words") {
          process.stdout.write(scripts[shell]);
          return;
        }
        const program = command.parent;
        if (!program) throw new Error("it is a command of a program");
        const found = await candidates(program, described, empty ? [...words, ""] : words);
        process.stdout.write(found.map(({ word, description }) => `${word}\t${description}\n`).join(""));
      }),
    );
}
