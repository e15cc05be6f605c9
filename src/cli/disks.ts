/** `--disk`: files that a guest has as disks. */
import { VmmError } from "../vmm/errors.js";
import { type DiskFile, diskFormats } from "../vmm/storage/node/open-disk.js";
import { propertiesOf } from "./properties.js";

/** For the help. */
export const diskSyntax = `<file>[,format=${diskFormats.join("|")}][,readonly][,backing=FILE]`;

/** Adds one option's value; in a file's name two commas stand for one. Throws VmmError. */
export function parseDisk(text: string, before: readonly DiskFile[] = []): readonly DiskFile[] {
  const [path = "", ...properties] = propertiesOf(text);
  if (path === "") throw new VmmError(`"${text}" names no file; a disk is ${diskSyntax}`);
  let format: DiskFile["format"];
  let readOnly = false;
  const backing: string[] = [];
  for (const property of properties) {
    const [name, value] = [property.split("=", 1)[0] ?? "", property.slice(property.indexOf("=") + 1)];
    if (property === "readonly") readOnly = true;
    else if (name === "backing" && property.includes("=") && value !== "") backing.push(value);
    else if (name === "format") {
      format = diskFormats.find((known) => known === value);
      if (!format) throw new VmmError(`a disk's format is ${diskFormats.join(" or ")}, not "${value}"`);
    } else throw new VmmError(`a disk has no property "${property}"; it has format=, readonly and backing=`);
  }
  return [...before, { path, format, readOnly, backing }];
}
