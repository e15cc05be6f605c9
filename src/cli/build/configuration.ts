/** The configuration that a build is made of: our Kconfig files, and a .config. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { configure, formatConfig } from "../../kconfig/dotconfig.js";
import type { Evaluation } from "../../kconfig/evaluate.js";
import { tristateNames } from "../../kconfig/expression.js";
import { type Kconfig, readKconfig } from "../../kconfig/parser.js";
import { packageRoot } from "./package-root.js";

const configsFolder = join(packageRoot, "configs");
const ending = "_defconfig";

/** The names of the configurations that come along, as `make NAME_defconfig` has them. */
export const defconfigs = (): string[] =>
  readdirSync(configsFolder)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();

export const defconfigPath = (name: string): string => join(configsFolder, `${name}${ending}`);

/** What an option came to. */
export type Setting = (typeof tristateNames)[number];

export interface BuildConfiguration {
  setting(option: string): Setting;
  /** As a .config. */
  readonly text: string;
  /** Lines that ask for options that we do not have. */
  readonly unknown: readonly string[];
}

/** Our Kconfig files, from the package's folder. */
export const readOurKconfig = (root: string): Kconfig =>
  readKconfig("Kconfig", { readFile: (path) => readFileSync(join(root, path), "utf8") });

/** Throws KconfigError for a malformed line, ContradictionError for what cannot be. */
export function buildConfiguration(root: string, text: string, file: string): BuildConfiguration {
  const kconfig = readOurKconfig(root);
  const { evaluation, unknown } = configure(kconfig, text, file);
  const setting = (option: string): Setting => settingOf(kconfig, evaluation, option);
  return { setting, text: formatConfig(evaluation), unknown };
}

function settingOf(kconfig: Kconfig, evaluation: Evaluation, option: string): Setting {
  const symbol = kconfig.symbols.get(option);
  if (!symbol?.type) throw new Error(`CONFIG_${option} is in no Kconfig file`);
  return tristateNames[evaluation.tristate(symbol)];
}
