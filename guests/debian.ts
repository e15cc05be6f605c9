/** The default guest: Debian's kernel and busybox for ppc64el, by package name. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GuestUnavailable, PrivateApt } from "./apt.js";
import type { GuestRecipe } from "./cache.js";
import { initramfs } from "./init.js";

export const architecture = "ppc64el";
/** Depends on whatever the current kernel package is called. */
const kernelPackage = "linux-image-powerpc64le";
const userlandPackage = "busybox-static";

const howToBringYourOwn =
  "A guest can also be brought: unikvm run --kernel VMLINUX --initrd INITRD " +
  '--append "console=hvc0 rdinit=/init", with any 64-bit POWER Linux kernel.';

/** Unpacks the files of a .deb that match any of `patterns` (tar's wildcards, from "./") into `into`. */
export async function unpack(deb: string, patterns: readonly string[], into: string): Promise<void> {
  mkdirSync(into, { recursive: true });
  const archive = spawn("dpkg-deb", ["--fsys-tarfile", deb], { stdio: ["ignore", "pipe", "inherit"] });
  const tar = spawn(
    "tar",
    ["--extract", "--file=-", "--no-same-owner", "--wildcards", `--directory=${into}`, ...patterns],
    {
      stdio: [archive.stdout, "ignore", "inherit"],
    },
  );
  archive.stdout.destroy(); // tar has it now.
  const ended = await Promise.all([once(archive, "exit"), once(tar, "exit")]).catch((error: Error) => {
    throw new GuestUnavailable(`unpacking ${deb} needs dpkg-deb and tar: ${error.message}`);
  });
  if (ended.some(([status]) => status !== 0)) throw new GuestUnavailable(`${deb} could not be unpacked`);
}

export function only(folder: string, start: RegExp): string {
  const found = readdirSync(folder).filter((name) => start.test(name));
  if (found.length !== 1 || found[0] === undefined) {
    throw new GuestUnavailable(`expected one file ${start.source} in ${folder}, found ${found.length}`);
  }
  return join(folder, found[0]);
}

/** The package that the metapackage stands for: the one dependency with the same start of its name. */
function realKernel(depends: string): string {
  const names = depends.split(",").map((one) => one.trim().split(/[ (:|]/)[0] ?? "");
  const name = names.find((one) => one.startsWith("linux-image-"));
  if (name === undefined) throw new GuestUnavailable(`${kernelPackage} depends on no linux-image: ${depends}`);
  return name;
}

const megabytes = (bytes: string | undefined) => `${Math.ceil(Number(bytes ?? 0) / 1e6)} MB`;

async function fetch(
  folder: string,
  report: (line: string) => void,
): Promise<{ description: string; packages: Record<string, string> }> {
  const work = join(folder, "work");
  mkdirSync(work);
  const apt = new PrivateApt(work, architecture);
  report("reading the package lists (apt-get, with state of its own)");
  await apt.update();
  const kernelName = realKernel((await apt.show(kernelPackage)).get("Depends") ?? "");
  const kernel = await apt.show(kernelName);
  const userland = await apt.show(userlandPackage);
  const packages = {
    [kernelName]: kernel.get("Version") ?? "",
    [userlandPackage]: userland.get("Version") ?? "",
  };
  for (const [name, fields] of [
    [kernelName, kernel],
    [userlandPackage, userland],
  ] as const) {
    report(`downloading ${name} ${fields.get("Version")} (${megabytes(fields.get("Size"))})`);
    await apt.download([name]);
  }
  report("unpacking");
  const unpacked = join(work, "unpacked");
  await unpack(only(work, /^linux-image-.*\.deb$/), ["./boot/vmlinu*"], unpacked);
  await unpack(only(work, /^busybox-static_.*\.deb$/), ["./*bin/busybox"], unpacked);
  renameSync(only(join(unpacked, "boot"), /^vmlinu[xz]-/), join(folder, "vmlinux"));
  const bin = readdirSync(unpacked).includes("bin") ? "bin" : "usr/bin";
  renameSync(join(unpacked, bin, "busybox"), join(folder, "busybox"));
  rmSync(work, { recursive: true, force: true });
  return { description: `Debian's Linux ${kernelName.replace("linux-image-", "")} with busybox`, packages };
}

export const debianGuest: GuestRecipe = {
  name: "debian",
  append: "console=hvc0 rdinit=/init",
  kernel: "vmlinux",
  initrd: "initrd",
  assembly: createHash("sha256").update(initramfs(new Uint8Array())).digest("hex"),
  async fetch(folder, report) {
    try {
      return await fetch(folder, report);
    } catch (error) {
      if (!(error instanceof GuestUnavailable)) throw error;
      throw new GuestUnavailable(`the default guest could not be fetched: ${error.message}\n${howToBringYourOwn}`);
    }
  },
  assemble(folder, report) {
    report("assembling the initial RAM disk");
    writeFileSync(join(folder, "initrd"), initramfs(readFileSync(join(folder, "busybox"))));
  },
};
