/** Debian's trees of kernel modules, for comparisons with kmod: fetched through apt once and kept in the cache. */
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { PrivateApt } from "../../guests/apt.js";
import { guestFolder } from "../../guests/index.js";
import { GuestUnavailable } from "../../guests/unavailable.js";

/** A root with `lib/modules/VERSION`, which depmod has not seen. */
export interface DebianTree {
  readonly root: string;
  readonly version: string;
}

/** Metapackages that depend on whatever the kernel is called. */
export const metapackages = { ppc64el: "linux-image-powerpc64le", amd64: "linux-image-amd64" } as const;
export type Architecture = keyof typeof metapackages;

/** Whether the installed kmod can unpack what the tree is packed with. */
export function kmodReads(tree: DebianTree): boolean {
  const features = spawnSync("depmod", ["--version"], { encoding: "utf8" }).stdout;
  const names = readdirSync(join(tree.root, "lib/modules", tree.version), { recursive: true, encoding: "utf8" });
  const packed = (ending: string) => names.some((name) => name.endsWith(`.ko.${ending}`));
  const formats = { xz: "+XZ", zst: "+ZSTD", gz: "+ZLIB" };
  return Object.entries(formats).every(([ending, feature]) => features.includes(feature) || !packed(ending));
}

/** The tree, fetched first if need be. A string: why it cannot be had. */
export async function debianTree(architecture: Architecture): Promise<DebianTree | string> {
  const place = join(dirname(guestFolder()), "module-trees", architecture);
  if (!existsSync(place)) {
    const partial = join(dirname(place), `.partial-${randomUUID()}`);
    try {
      mkdirSync(partial, { recursive: true });
      await fetch(architecture, partial);
      renameSync(join(partial, "root"), place);
    } catch (error) {
      // Another process may have been quicker.
      if (error instanceof GuestUnavailable) return error.message;
      if (!existsSync(place)) throw error;
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  }
  const [version] = readdirSync(join(place, "lib/modules"));
  return version === undefined ? `there is no tree in ${place}` : { root: place, version };
}

async function fetch(architecture: Architecture, work: string): Promise<void> {
  const apt = new PrivateApt(work, architecture);
  await apt.update();
  const depends = (await apt.show(metapackages[architecture])).get("Depends") ?? "";
  const name = /\blinux-image-[\w.+-]+/.exec(depends)?.[0];
  if (name === undefined) throw new GuestUnavailable(`${metapackages[architecture]} depends on no kernel: ${depends}`);
  await apt.download([name]);
  const deb = readdirSync(work).find((file) => file.endsWith(".deb")) ?? "";
  const { status } = spawnSync("dpkg-deb", ["--extract", join(work, deb), join(work, "all")]);
  if (status !== 0)
    throw new GuestUnavailable("the kernel's package could not be unpacked: is there dpkg-deb (Debian: dpkg)?");
  const merged = existsSync(join(work, "all/usr/lib/modules"));
  mkdirSync(join(work, "root/lib"), { recursive: true });
  renameSync(join(work, "all", merged ? "usr" : "", "lib/modules"), join(work, "root/lib/modules"));
}
