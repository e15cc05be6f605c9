/**
 * Drivers of the default guest's kernel that are modules, from the package that the kernel is from: fetched when they are
 * first asked for, and kept beside the guests.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { GuestUnavailable, PrivateApt } from "./apt.js";
import { type Guest, guestFolder, type Report } from "./cache.js";
import { architecture, only, unpack } from "./debian.js";
import { withLock } from "./lock.mjs";

/** What is kept of the package's modules. */
const kept = ["uio", "vfio", "virtio", "char/hw_random", "block/virtio_blk.ko*", "net/virtio_net.ko*"].map(
  (place) => `./lib/modules/*/kernel/drivers/${place}`,
);

function kernelPackage({ name, packages }: Guest): string {
  const found = Object.keys(packages).find((one) => one.startsWith("linux-image-"));
  if (found === undefined) throw new GuestUnavailable(`the guest ${name} has no kernel of Debian's`);
  return found;
}

const place = (guest: Guest): string => join(dirname(guestFolder()), "kernel-modules", kernelPackage(guest));

/** The folder of the modules if they are there. */
export function findKernelModules(guest: Guest): string | undefined {
  return existsSync(place(guest)) ? place(guest) : undefined;
}

/** The folder, fetched first if need be; it appears whole. Throws GuestUnavailable. */
export async function ensureKernelModules(guest: Guest, report: Report): Promise<string> {
  const there = place(guest);
  const parent = dirname(there);
  mkdirSync(parent, { recursive: true });
  return withLock(
    join(parent, ".lock"),
    async () => {
      if (existsSync(there)) return there;
      for (const name of readdirSync(parent)) {
        if (name.startsWith(".partial-")) rmSync(join(parent, name), { recursive: true, force: true });
      }
      const work = join(parent, `.partial-${randomUUID()}`);
      try {
        mkdirSync(work);
        await fetch(kernelPackage(guest), work, report);
        renameSync(join(work, "unpacked"), there);
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
      return there;
    },
    (pid) => report(`waiting for process ${pid}, which is fetching the kernel's modules`),
  );
}

async function fetch(name: string, work: string, report: Report): Promise<void> {
  const apt = new PrivateApt(work, architecture);
  report(`fetching the modules of ${name}`);
  await apt.update();
  await apt.download([name]);
  await unpack(only(work, /^linux-image-.*\.deb$/), kept, join(work, "unpacked"));
}

/** The file of a module in the folder, as the package has it (perhaps compressed): name with its ending, and contents. */
export function readKernelModule(folder: string, module: string): { readonly file: string; readonly data: Uint8Array } {
  const pattern = new RegExp(`(?:^|/)${module.replaceAll(/[-_]/g, "[-_]")}\\.ko(?:\\.\\w+)?$`);
  const found = readdirSync(folder, { recursive: true, encoding: "utf8" }).find((path) => pattern.test(path));
  if (found === undefined) throw new GuestUnavailable(`there is no module ${module} in ${folder}`);
  return { file: basename(found), data: readFileSync(join(folder, found)) };
}
