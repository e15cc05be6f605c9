/** `unikvm build`: bundles what a .config asks for, for Node.js and for pages. */
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { makeFolder, withLock } from "../../../guests/lock.mjs";
import { messageOf } from "../../base/errors.js";
import { readRegularText } from "../../base/node/regular-file.js";
import { writeWhole } from "../../base/node/whole-file.js";
import { VmmError } from "../../vmm/errors.js";
import { bundle, packageRoot } from "../build/bundle.js";
import { type BuildConfiguration, buildConfiguration, defconfigPath, defconfigs } from "../build/configuration.js";
import type { Platform } from "../build/plugin.js";
import { addExamples, type Finish } from "../command.js";
import { reasonOf } from "../output.js";
import { parsePath } from "../sizes.js";

interface Options {
  readonly config?: string;
  readonly defconfig?: string;
  readonly output: string;
  readonly platform: Platform | "both";
  readonly minify: boolean;
  readonly command?: true;
}

export function describe(command: Command, finish: Finish): void {
  command
    .description(
      "Bundles what a .config asks for, as ES modules: DIR/node and DIR/browser.\n" +
        "Without a .config, everything with its default. Needs the package esbuild.",
    )
    .option("--config <file>", "options in Kconfig's words, as the kernel's tools write them", parsePath)
    .addOption(
      new Option("--defconfig <name>", "one of the configurations that come along")
        .choices(defconfigs())
        .conflicts("config"),
    )
    .option(
      "--output <dir>",
      "where the files go; its folders node and browser are replaced if they are of an earlier build",
      parsePath,
      "build",
    )
    .addOption(
      new Option("--platform <name>", "only for this one").choices(["node", "browser", "both"]).default("both"),
    )
    .option("--no-minify", "leave the code readable")
    .option(
      "--command",
      "only the command line, each of its threads in one file, which begins sooner; for Node.js, with this package beside it",
    )
    .allowExcessArguments(false)
    .action(finish(build));
  addExamples(
    command,
    "unikvm build                              # build/node and build/browser, with everything",
    "unikvm build --defconfig x86              # guests of x86 only",
    "unikvm build --config .config --platform browser --output public/unikvm",
  );
}

async function build(options: Options): Promise<void> {
  const file = options.config ?? (options.defconfig === undefined ? undefined : defconfigPath(options.defconfig));
  const text = file === undefined ? "" : readConfigFile(file);
  const configuration = buildConfiguration(packageRoot, text, file ?? "the default configuration");
  for (const line of configuration.unknown) process.stderr.write(`unikvm: ${line} is no option of ours: left out\n`);
  const output = resolve(options.output);
  if (options.command && options.platform === "browser") {
    throw new VmmError("--command is for Node.js: a page has no command line");
  }
  const both = options.command ? (["node"] as const) : (["node", "browser"] as const);
  const platforms = options.platform === "both" ? both : [options.platform];
  for (const platform of platforms) checkReplaceable(join(output, platform));
  makeOutput(output);
  const waiting = (pid: number): void =>
    void process.stderr.write(`unikvm: waiting for process ${pid}, which builds in ${options.output}\n`);
  // Each begins by emptying what the other fills.
  await withLock(join(output, ".building"), () => buildInto(output, platforms, configuration, options), waiting);
}

async function buildInto(
  output: string,
  platforms: readonly Platform[],
  configuration: BuildConfiguration,
  options: Options,
): Promise<void> {
  await writeText(join(output, ".config"), configuration.text);
  for (const platform of platforms) {
    const { sizes, metafile } = await bundle(configuration, platform, join(output, platform), options);
    await writeText(join(output, `${platform}.metafile.json`), JSON.stringify(metafile));
    const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
    process.stdout.write(`${join(options.output, platform)}: ${sizes.length} files, ${total} bytes\n`);
    for (const { file, bytes } of sizes.filter((size) => size.bytes > 1024)) {
      process.stdout.write(`${String(bytes).padStart(9)}  ${file}\n`);
    }
  }
}

const writeText = (path: string, text: string): Promise<void> =>
  writeWhole(path, 0o644, (write) => write(Buffer.from(text)));

/** Throws VmmError. */
function makeOutput(folder: string): void {
  try {
    makeFolder(folder);
  } catch (cause) {
    throw new VmmError(`the output's folder ${folder} cannot be made: ${reasonOf(cause)}`, { cause });
  }
}

/** A folder is replaced only if it is empty or holds an earlier build. Throws VmmError. */
function checkReplaceable(folder: string): void {
  if (!existsSync(folder)) return;
  if (existsSync(join(folder, "vcpu-worker.js")) || readdirSync(folder).length === 0) return;
  throw new VmmError(
    `${folder} holds something else than a build of unikvm's, and would be replaced: choose another --output`,
  );
}

function readConfigFile(path: string): string {
  try {
    return readRegularText(path);
  } catch (cause) {
    throw new VmmError(`the configuration ${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
}
