/** `--module`: what is loaded for a guest. */
import { InvalidArgumentError, Option } from "commander";
import type { ModuleChoice } from "./instance.js";
import { parseParameters } from "./kmod.js";

/** MODULE[,NAME=VALUE...]. */
function parseModule(text: string, before: readonly ModuleChoice[]): readonly ModuleChoice[] {
  const [module = "", ...parameters] = text.split(",");
  if (!module) throw new InvalidArgumentError("It needs a name or a file.");
  return [...before, { module, parameters: parseParameters(parameters) }];
}

export const moduleOption = (): Option =>
  new Option(
    "--module <module>",
    "load a module: one of unikvm's own or a file, and after commas name=value for parameters; may be repeated",
  )
    .argParser(parseModule)
    .default([], "none");
