/** A cache folder that has the user's guests and modules and nothing else: VMs that were kept are the test's own. */
import { mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { guestFolder } from "../../guests/index.js";

/** Makes it in this folder, for XDG_CACHE_HOME. Returns where VMs are kept. */
export function ownCache(folder: string): string {
  const own = join(folder, "unikvm");
  mkdirSync(own, { recursive: true });
  const guests = dirname(guestFolder());
  for (const name of ["guests", "modules"]) symlinkSync(join(guests, name), join(own, name));
  return join(own, "snapshots");
}
