/** `unikvm disk`: images of disks. */
import { type Command, Option } from "commander";
import { createImage, type ImageInfo, imageInfo } from "../../vmm/storage/node/image.js";
import { type DiskFormat, diskFormats } from "../../vmm/storage/node/open-disk.js";
import { addExamples, type Finish } from "../command.js";
import { parsePath, parseSize } from "../sizes.js";

interface CreateOptions {
  readonly format?: DiskFormat;
  readonly backing?: string;
  readonly json?: boolean;
}

const formatOption = () =>
  new Option("--format <format>", "default: qcow2 for a name that ends with .qcow2, else raw").choices(diskFormats);

export function describe(command: Command, finish: Finish): void {
  const createExamples = ["unikvm disk create data.qcow2 10G", "unikvm disk create today.qcow2 --backing data.qcow2"];
  addExamples(command, ...createExamples, "unikvm disk info data.qcow2");
  addExamples(command.command("create"), ...createExamples)
    .description("make a disk of zeros, or an overlay of another; it takes room as it is written")
    .argument("<file>", "which; none that is there", parsePath)
    .argument("[size]", "of the disk, as 512M or 10G; an overlay's default is what it lies on", parseSize)
    .addOption(formatOption())
    .option("--backing <file>", "make an overlay of this file, which is only read from then on", parsePath)
    .option("--json", "for programs")
    .action(
      finish((path: string, size: number | undefined, { format, backing, json = false }: CreateOptions) => {
        show(path, createImage({ path, size, format, backing }), json);
      }),
    );
  addExamples(command.command("info"), "unikvm disk info data.qcow2", "unikvm disk info --json data.qcow2")
    .description("say what an image is")
    .argument("<file>", "which", parsePath)
    .addOption(formatOption())
    .option("--json", "for programs")
    .action(
      finish((path: string, { format, json = false }: { format?: DiskFormat; json?: boolean }) => {
        show(path, imageInfo(path, format, "say --format qcow2, or --format raw if it is none"), json);
      }),
    );
}

function show(path: string, info: ImageInfo, json: boolean): void {
  if (json) return void process.stdout.write(`${JSON.stringify({ file: path, ...info })}\n`);
  const { format, size, used, version, clusterSize, backing, damage } = info;
  const kind =
    version === undefined ? format : `${format}, version ${version}, clusters of ${inUnits(clusterSize ?? 0)}`;
  const lines = [`${path}: ${kind}; a disk of ${inUnits(size)}, ${inUnits(used)} of it on the host's disk`];
  // Quoted, since whoever made the image chose it.
  if (backing !== undefined) lines.push(`an overlay of ${JSON.stringify(backing)}`);
  if (damage !== undefined) lines.push(`it ${damage}, and can only be read; "qemu-img check -r all" may mend it`);
  process.stdout.write(`${lines.join("\n")}\n`);
}

function inUnits(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let [value, unit] = [bytes, 0];
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${Number(value.toFixed(1))} ${units[unit]}`;
}
