/** `--disk`: files that a guest has as disks. */
import type { GuestDisk } from "../node/disks.js";
import { VmmError } from "../vmm/errors.js";
import { type DiskFile, diskFormats } from "../vmm/storage/node/open-disk.js";
import { propertiesOf } from "./properties.js";

/** For the help. */
export const diskSyntax = `<file|URL>[,format=${diskFormats.join("|")}][,readonly|overlay][,backing=FILE]`;

/** A file on a web server; else the name is a file's of the host. */
const isRemote = (path: string): boolean => /^https?:\/\//i.test(path);

/** Adds one option's value; in a file's name two commas stand for one. What is elsewhere is never written to. Throws VmmError. */
export function parseDisk(text: string, before: readonly GuestDisk[] = []): readonly GuestDisk[] {
  const [path = "", ...properties] = propertiesOf(text);
  if (path === "") throw new VmmError(`"${text}" names no file; a disk is ${diskSyntax}`);
  let format: DiskFile["format"];
  let [readOnly, overlay] = [false, false];
  const backing: string[] = [];
  for (const property of properties) {
    const [name, value] = [property.split("=", 1)[0] ?? "", property.slice(property.indexOf("=") + 1)];
    if (property === "readonly") readOnly = true;
    else if (property === "overlay") overlay = true;
    else if (name === "backing" && property.includes("=") && value !== "") backing.push(value);
    else if (name === "format") {
      format = diskFormats.find((known) => known === value);
      if (!format) throw new VmmError(`a disk's format is ${diskFormats.join(" or ")}, not "${value}"`);
    } else throw new VmmError(`a disk has no property "${property}"; it has format=, readonly, overlay and backing=`);
  }
  if (readOnly && overlay) throw new VmmError(`a disk is readonly, or an overlay takes what is written: not both`);
  if (!isRemote(path)) return [...before, { path, format, readOnly, overlay, backing }];
  if (!URL.canParse(path)) throw new VmmError(`"${path}" is no address of a disk, as https://example.org/disk.qcow2`);
  const from = new URL(path);
  const name = from.origin + from.pathname;
  return [...before, { path: name, from, format, readOnly, overlay: !readOnly, backing }];
}
