/** How much of the host a guest may take, as options of the commands that run one. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { mostProcesses } from "../api/processes.js";
import type { Limits } from "../api/types.js";
import { leastCores, mostCores } from "../vmm/core/cpu-limit.js";
import { parseCount, parseSize } from "./sizes.js";

export interface LimitChoices {
  /** Processors of the host. */
  readonly limitCpu?: number;
  /** Bytes. */
  readonly limitDisk?: number;
  /** Of programs in the guest, where `exec` or `shell` runs them. */
  readonly limitProcesses?: number;
}

/** As createVm takes them. */
export const limitsOf = ({ limitCpu, limitDisk, limitProcesses }: LimitChoices): Limits => ({
  ...(limitCpu === undefined ? {} : { cpu: limitCpu }),
  ...(limitDisk === undefined ? {} : { disk: limitDisk }),
  ...(limitProcesses === undefined ? {} : { processes: limitProcesses }),
});

function parseCores(text: string): number {
  const cores = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (cores >= leastCores && cores <= mostCores) return cores;
  throw new InvalidArgumentError(
    `"${text}" is no number of processors from ${leastCores} to ${mostCores}; write it as 0.5 or 2.`,
  );
}

/** Of commands that run programs in a guest. */
export const describeProcessLimit = (command: Command): Command =>
  command.addOption(
    new Option(
      "--limit-processes <n>",
      "how many processes its programs may be, all together, threads counted",
    ).argParser(parseCount(1, mostProcesses)),
  );

/** They are `limits` of createVm; that of its lifetime is --timeout. */
export const describeLimits = (command: Command): Command =>
  command
    .addOption(
      new Option(
        "--limit-cpu <cores>",
        "how many of the host's processors its own may take, all together, as 0.5",
      ).argParser(parseCores),
    )
    .addOption(
      new Option(
        "--limit-disk <size>",
        "how much of the host what it writes to disks may take, in memory and in qcow2 images; beyond that it has I/O errors",
      ).argParser(parseSize),
    );
