/** `unikvm disk`: images of disks. */
import { type Command, Option } from "commander";
import { createImage, type ImageInfo, imageInfo } from "../../vmm/storage/node/image.js";
import { type DiskFormat, diskFormats } from "../../vmm/storage/node/open-disk.js";
import type { Finish } from "../command.js";
import { parsePath, parseSize } from "../sizes.js";

interface CreateOptions {
  readonly format?: DiskFormat;
  readonly backing?: string;
}

const formatOption = () =>
  new Option("--format <format>", "default: qcow2 for a name that ends with .qcow2, else raw").choices(diskFormats);

export function describe(command: Command, finish: Finish): void {
  command
    .command("create")
    .description(
      "make a disk of zeros, or an overlay of another; it takes room as it is written\n\n" +
        "  unikvm disk create data.qcow2 10G\n" +
        "  unikvm disk create today.qcow2 --backing data.qcow2",
    )
    .argument("<file>", "which; none that is there", parsePath)
    .argument("[size]", "of the disk, as 512M or 10G; an overlay's default is what it lies on", parseSize)
    .addOption(formatOption())
    .option("--backing <file>", "make an overlay of this file, which is only read from then on", parsePath)
    .action(
      finish((path: string, size: number | undefined, { format, backing }: CreateOptions) => {
        show(path, createImage({ path, size, format, backing }));
      }),
    );
  command
    .command("info")
    .description("say what an image is")
    .argument("<file>", "which", parsePath)
    .addOption(formatOption())
    .option("--json", "for programs")
    .action(
      finish((path: string, { format, json = false }: { format?: DiskFormat; json?: boolean }) => {
        const info = imageInfo(path, format);
        if (json) process.stdout.write(`${JSON.stringify({ file: path, ...info })}\n`);
        else show(path, info);
      }),
    );
}

function show(path: string, { format, size, used, version, clusterSize, backing, damage }: ImageInfo): void {
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
