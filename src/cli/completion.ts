/** What may follow on a command line that is not complete, from the commands' own descriptions, and shells' scripts that ask. */
import type { Command, Option } from "commander";
import type { Described } from "./command.js";

/** A word that may stand there. */
export interface Candidate {
  readonly word: string;
  readonly description: string;
}

/** The first sentence, in one line. */
const short = (text: string): string => text.split(/\n|(?<=[.;]) /)[0]?.trim() ?? "";

/**
 * What the last of `words` may become: those behind the program's name, the last perhaps empty. None: a file, or what unikvm
 * does not know.
 */
export async function candidates(
  program: Command,
  described: Described,
  words: readonly string[],
): Promise<readonly Candidate[]> {
  const [first = "", ...others] = words;
  const partial = words.at(-1) ?? "";
  const fitting = (all: readonly Candidate[]) => all.filter(({ word }) => word.startsWith(partial));
  if (others.length === 0) return fitting([...commandsOf(program), ...optionsOf(program)]);
  let command = await described(first);
  if (!command || others.slice(0, -1).includes("--")) return [];
  let value: Option | undefined;
  for (const word of others.slice(0, -1)) {
    value = value ? undefined : takingValue(command, word);
    command = command.commands.find((one) => one.name() === word) ?? command;
  }
  if (value) return fitting((value.argChoices ?? []).map((word) => ({ word, description: "" })));
  if (partial.startsWith("-")) return fitting(optionsOf(command));
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
  return fitting([...commandsOf(command), ...choices.map((word) => ({ word, description: "" }))]);
}

const commandsOf = ({ commands }: Command): Candidate[] =>
  commands.map((one) => ({ word: one.name(), description: short(one.summary() || one.description()) }));

const optionsOf = (command: Command): Candidate[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, short: letter, description }) =>
      [long, letter].flatMap((word) => (word ? [{ word, description: short(description) }] : [])),
    );

/** The option that `word` is, if its value is the next word. */
const takingValue = ({ options }: Command, word: string): Option | undefined =>
  options.find((one) => (one.long === word || one.short === word) && (one.required || one.optional));

/** Each asks `unikvm completion words` when the user does, so that it always knows what this version takes. */
export const scripts = {
  bash: `# unikvm: eval "$(unikvm completion bash)", or this in a file of /etc/bash_completion.d
_unikvm() {
  local IFS=$'\n'
  COMPREPLY=($(unikvm completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1))
}
complete -o bashdefault -o default -F _unikvm unikvm
`,
  zsh: `#compdef unikvm
# unikvm: eval "$(unikvm completion zsh)", or this as the file _unikvm in a folder of $fpath
_unikvm() {
  local line word said
  local -a found
  for line in "\${(@f)$(unikvm completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    word=\${\${line%%$'\t'*}//:/\\\\:} said=\${line#*$'\t'}
    [[ -n $line ]] && found+=("$word\${said:+:$said}")
  done
  if (( $#found )); then _describe unikvm found; else _files; fi
}
if [[ $funcstack[1] == _unikvm ]]; then _unikvm "$@"; else compdef _unikvm unikvm; fi
`,
  fish: `# unikvm: unikvm completion fish | source, or this in ~/.config/fish/completions/unikvm.fish
function __unikvm_words
  set -l words (commandline -opc)
  set -e words[1]
  set -l partial (commandline -ct)
  # In quotes it is one word, though it be empty.
  set -l found (unikvm completion words -- $words "$partial" 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c unikvm -f -a '(__unikvm_words)'
`,
  powershell: `# unikvm: unikvm completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName unikvm -ScriptBlock {
  param($partial, $line, $position)
  $words = @($line.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  $more = if ($partial -eq '') { @('--empty') } else { @() }
  unikvm completion words @more -- @words 2>$null | ForEach-Object {
    $word, $description = $_ -split "\`t", 2
    [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', "$word $description")
  }
}
`,
} as const;
export type Shell = keyof typeof scripts;
