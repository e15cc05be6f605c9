/** The page's part of a machine's disks: what they may be. Loaded by those who have one. */
import { notSupported, VmError } from "../api/error.js";
import type { Disk } from "../api/types.js";
import type { SentDisk } from "./disks.js";

/** What the worker opens it by. VmError, EINVAL, NOT_SUPPORTED: a page has no such disk. */
export function sentDisk({ source, format, readOnly, mode, backing }: Disk): SentDisk {
  if (backing) throw notSupported("createVm: the option disks.backing in a page", "give one image with all of it");
  if (source instanceof URL) throw notSupported("createVm: a disk that is a URL in a page", "fetch it as a Blob");
  if (typeof source !== "string" && !(source instanceof Blob)) {
    throw new VmError("EINVAL", "createVm: a disk's source is the path of a file of the origin's, or a Blob");
  }
  if (source instanceof Blob && mode === "write") {
    throw new VmError(
      "EINVAL",
      'createVm: nobody can write to a Blob; leave mode "write" out, or give a file of the origin\'s',
    );
  }
  return { source, format, readOnly, mode };
}
