/** What `createVm` boots in Node.js: the default guest, a root on a disk under its kernel, or a kernel of the user's. */
import { fileURLToPath } from "node:url";
import { agentArchive, agentCommandLine, startArchive, startPath } from "../../guests/agent/index.js";
import { consoles, quietly } from "../../guests/consoles.js";
import { bootParts } from "../../guests/debian-parts.js";
import { GuestFile } from "../../guests/guest-file.js";
import {
  driversFor,
  ensureDefaultGuest,
  guestDrivers,
  isInitramfs,
  isTextFile,
  type OwnKernel,
  ownKernelFolders,
  unpackedKernel,
} from "../../guests/index.js";
import { notSupported, requireGuest, VmError } from "../api/error.js";
import { isGuestFile } from "../api/images.js";
import type { BootPlan } from "../api/platform.js";
import type { FileSource } from "../api/types.js";
import { readRegular } from "../base/node/regular-file.js";
import { gunzip, isGzip } from "../vmm/loaders/gzip.js";
import { loadMachine, machineForGuest } from "../vmm/machines/machines.js";
import type { BootFiles } from "../vmm/machines/start.js";
import { nodePlatform as snapshots } from "../vmm/snapshot/node/platform.js";

/** No file that a guest is booted with is larger. */
const mostFile = 2 ** 31;
/** Of a root on a disk. */
const fileSystems = ["ext4", "squashfs"];

/** `aliases`: of the machine's devices, by which the guest's kernel finds drivers. `root`: on the first disk. */
export function bootFiles(plan: BootPlan, aliases: readonly string[], root: boolean): Promise<BootFiles> {
  const { kernel, image } = plan.options;
  if (kernel !== undefined) return ownFiles(plan, kernel, aliases);
  if (image !== undefined && (typeof image !== "string" || isGuestFile(image))) return guestFiles(plan, image, aliases);
  return root ? diskFiles(plan, aliases) : defaultFiles(plan, aliases);
}

/** The default guest: its init loads the drivers and starts the agent. */
async function defaultFiles(plan: BootPlan, aliases: readonly string[]): Promise<BootFiles> {
  const { guest, fetching } = await fetched(plan);
  const wanted = withFileSystem(plan, aliases);
  const drivers = await guestDrivers(guest, wanted, fetching);
  const append = agentCommandLine(plan.options.guest, wanted);
  return {
    kernel: readFile(guest.kernel, "kernel"),
    kernelName: guest.kernel,
    initrd: Buffer.concat([readFile(guest.initrd, "initrd"), drivers, agentArchive(plan.options.guest)]),
    commandLine: [guest.append, append, plan.options.append].filter(Boolean).join(" "),
  };
}

/** What is on a disk is to be mounted: each default guest's modules have it. */
const withFileSystem = ({ options }: BootPlan, aliases: readonly string[]): readonly string[] =>
  options.disks?.length ? [...aliases, "ext4"] : aliases;

async function fetched({ options, progress, signal }: BootPlan) {
  const fetching = { signal, report: (line: string) => progress({ name: line, done: 0 }) };
  return { guest: await ensureDefaultGuest({ ...fetching, guest: options.guest }), fetching };
}

/** The default guest out of a file. */
async function guestFiles(plan: BootPlan, image: FileSource, aliases: readonly string[]): Promise<BootFiles> {
  const { options } = plan;
  const bytes = await readSource(image, "image");
  const source = {
    ...{ name: nameOf(image, "image"), size: bytes.length },
    read: async (at: number, length: number) => bytes.subarray(at, at + length),
  };
  const wanted = withFileSystem(plan, aliases);
  const { kernel, initrd, append, architecture } = await bootParts(await GuestFile.open(source, snapshots), wanted);
  requireGuest(architecture, source.name, options.guest);
  const more = agentCommandLine(options.guest, wanted);
  return {
    kernel,
    kernelName: source.name,
    initrd: Buffer.concat([initrd, agentArchive(options.guest)]),
    commandLine: [append, more, options.append].filter(Boolean).join(" "),
  };
}

/** The default guest's kernel; the root is on the first disk, and nothing of busybox is there. */
async function diskFiles(plan: BootPlan, aliases: readonly string[]): Promise<BootFiles> {
  const { guest, fetching } = await fetched(plan);
  const image = readFile(guest.kernel, "kernel");
  const folders = await ownKernelFolders(guest, fetching);
  const { archive, modules } = await driversFor({ path: guest.kernel, image, folders }, aliases, fileSystems);
  return {
    kernel: image,
    kernelName: guest.kernel,
    initrd: Buffer.concat([archive, startArchive(plan.options.guest, modules, "vda")]),
    commandLine: [guest.append, `${quietly[plan.options.guest]} rdinit=${startPath}`, plan.options.append]
      .filter(Boolean)
      .join(" "),
  };
}

/** A kernel of the user's: what it lacks of drivers is loaded, then the agent is its first program. */
async function ownFiles(
  { options, progress }: BootPlan,
  source: FileSource,
  aliases: readonly string[],
): Promise<BootFiles> {
  const path = nameOf(source, "kernel");
  const report = (line: string): void => progress({ name: line, done: 0 });
  const kernel = await unpackedKernel(await readSource(source, "kernel"), options.memory, path, report);
  const machine = await loadMachine(machineForGuest(options.guest));
  // What is no kernel is said before anything is looked for in it.
  await machine.loadKernel(kernel, options.memory, path);
  const image = isGzip(kernel) ? await gunzip(kernel, options.memory, path) : kernel;
  const initrd = options.initrd === undefined ? undefined : await ownInitrd(options.initrd);
  const own: OwnKernel = { path, image, folders: await ownKernelFolders(), ...(initrd ? { initrd } : {}) };
  const { archive, modules } = await driversFor(own, aliases);
  return {
    kernel,
    kernelName: path,
    initrd: Buffer.concat([padded(initrd?.bytes ?? new Uint8Array()), archive, startArchive(options.guest, modules)]),
    commandLine: [`console=${consoles[options.guest]} ${quietly[options.guest]}`, `rdinit=${startPath}`, options.append]
      .filter(Boolean)
      .join(" "),
  };
}

async function ownInitrd(source: FileSource): Promise<NonNullable<OwnKernel["initrd"]>> {
  const bytes = await readSource(source, "initrd");
  const path = nameOf(source, "initrd");
  if (bytes.length === 0) throw new VmError("EINVAL", `the initrd ${path} is empty`);
  if (isInitramfs(bytes) && !isTextFile(bytes)) return { path, bytes };
  const what = `the initrd ${path} is neither a cpio archive nor one that is compressed`;
  throw new VmError("EINVAL", `${what}; a disk with a root is given as image`);
}

/** The kernel finds another archive behind the first only at a multiple of four bytes. */
const padded = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes, new Uint8Array(-bytes.length & 3)]);

const complaints: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  EACCES: "access is denied",
};

/** For sentences; also where modules may lie beside. */
function nameOf(source: FileSource, what: string): string {
  if (source instanceof URL) return source.protocol === "file:" ? fileURLToPath(source) : source.href;
  return typeof source === "string" ? source : `the ${what}`;
}

async function readSource(source: FileSource, what: string): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  if (typeof source === "string") return readFile(source, what);
  if (source.protocol === "file:") return readFile(fileURLToPath(source), what);
  throw notSupported(`createVm: the option ${what} with ${source.href} in Node.js`, "give it as a file or its bytes");
}

function readFile(path: string, what: string): Uint8Array {
  try {
    return readRegular(path, mostFile);
  } catch (error) {
    const { code = "BOOT_FAILED", message } = error as NodeJS.ErrnoException;
    throw new VmError(code, `the ${what} ${path} cannot be read: ${complaints[code] ?? message}`, { cause: error });
  }
}
