/** The default guests: Debian's kernel and busybox of an architecture, by package name. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../src/base/errors.js";
import { unpackKernel } from "../src/vmm/loaders/kernel-image.js";
import { PrivateApt } from "./apt.js";
import type { GuestRecipe } from "./cache.js";
import { keepModulesOf } from "./debian-modules.js";
import { howToBringAFile, only, unpack } from "./debian-package.js";
import { commandLineOf, type DebianGuest, debianParts } from "./debian-parts.js";
import { initramfs } from "./init.js";
import { GuestUnavailable } from "./unavailable.js";

const userlandPackage = "busybox-static";
/** No kernel is larger, unpacked. */
const mostKernel = 1 << 30;

const howToBringYourOwn = (guest: DebianGuest): string =>
  `${howToBringAFile} A kernel of your own does, too: unikvm run --kernel VMLINUX --initrd INITRD ` +
  `--append "console=${guest.console} rdinit=/init", with any Linux kernel for ${guest.architecture}.`;

/** The package that the metapackage stands for: the one dependency with the same start of its name. */
function realKernel(kernelPackage: string, depends: string): string {
  const names = depends.split(",").map((one) => one.trim().split(/[ (:|]/)[0] ?? "");
  const name = names.find((one) => one.startsWith("linux-image-"));
  if (name === undefined) throw new GuestUnavailable(`${kernelPackage} depends on no linux-image: ${depends}`);
  return name;
}

const megabytes = (bytes: string | undefined) => `${Math.ceil(Number(bytes ?? 0) / 1e6)} MB`;

async function fetch(
  guest: DebianGuest,
  folder: string,
  report: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<{ description: string; packages: Record<string, string> }> {
  const { name, port, kernelPackage } = guest;
  const work = join(folder, "work");
  mkdirSync(work);
  const apt = new PrivateApt(work, port, signal);
  report("reading the package lists (apt-get, with state of its own)");
  await apt.update();
  const kernelName = realKernel(kernelPackage, (await apt.show(kernelPackage)).get("Depends") ?? "");
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
  const kernelFile = only(work, /^linux-image-.*\.deb$/);
  await unpack(kernelFile, ["./boot/vmlinu*"], unpacked, signal);
  await unpack(only(work, /^busybox-static_.*\.deb$/), ["./*bin/busybox"], unpacked, signal);
  await placeKernel(only(join(unpacked, "boot"), /^vmlinu[xz]-/), join(folder, debianParts.kernel));
  const bin = readdirSync(unpacked).includes("bin") ? "bin" : "usr/bin";
  renameSync(join(unpacked, bin, "busybox"), join(folder, debianParts.busybox));
  await keepModulesOf({ name, packages }, kernelFile, report, signal).catch((error: unknown) => {
    // A guest without devices boots all the same, and who needs them fetches them.
    if (!(error instanceof GuestUnavailable)) throw error;
    report(error.message);
  });
  rmSync(work, { recursive: true, force: true });
  return { description: `Debian's Linux ${kernelName.replace("linux-image-", "")} with busybox`, packages };
}

/** The kernel as it is loaded: what unpacks itself takes a guest longer than all the rest of its boot. Throws GuestUnavailable. */
async function placeKernel(image: string, place: string): Promise<void> {
  const bytes = readFileSync(image);
  let kernel: Uint8Array;
  try {
    kernel = await unpackKernel(bytes, mostKernel, "the kernel of the package");
  } catch (error) {
    throw new GuestUnavailable(messageOf(error), { cause: error });
  }
  if (kernel === bytes) renameSync(image, place);
  else writeFileSync(place, kernel);
}

const assembly = (): string => createHash("sha256").update(initramfs(new Uint8Array())).digest("hex");

/** How the guest is made. */
export const debianRecipe = (guest: DebianGuest): GuestRecipe => ({
  name: guest.name,
  architecture: guest.architecture,
  append: commandLineOf(guest),
  kernel: debianParts.kernel,
  initrd: "initrd",
  assembly: assembly(),
  async fetch(folder, report, signal) {
    try {
      return await fetch(guest, folder, report, signal);
    } catch (error) {
      if (!(error instanceof GuestUnavailable)) throw error;
      const why = `the guest ${guest.port} could not be fetched: ${error.message}`;
      throw new GuestUnavailable(`${why}\n${howToBringYourOwn(guest)}`);
    }
  },
  assemble(folder, report) {
    report("assembling the initial RAM disk");
    writeFileSync(join(folder, "initrd"), initramfs(readFileSync(join(folder, debianParts.busybox))));
  },
});
