/** What `unikvm run` boots: files of the user's, or the default guest with what its devices and other commands need. */
import { agentArchive } from "../../guests/agent/index.js";
import {
  architectureOfGuest,
  type Guest as DefaultGuest,
  ensureDefaultGuest,
  GuestUnavailable,
  guestDrivers,
  guestOfMachine,
  isTextFile,
  unpackedKernel,
} from "../../guests/index.js";
import { collectGarbageSoon } from "../base/garbage.js";
import { readRegular } from "../base/node/regular-file.js";
import { VmmError } from "../vmm/errors.js";
import type { ElfImage } from "../vmm/loaders/elf.js";
import type { KernelFormat } from "../vmm/loaders/kernel-image.js";
import { GuestAgent } from "./guest-agent.js";
import type { MachineOptionValues } from "./machine-options.js";

/** As the command's options have them. */
export interface GuestChoices extends Pick<MachineOptionValues, "machine" | "memory"> {
  readonly guest?: string;
  readonly kernel?: string;
  readonly kernelFormat?: KernelFormat;
  readonly initrd?: string;
  readonly append?: string;
  readonly guestModule?: readonly string[];
}

/** What is booted. */
interface Files {
  readonly kernel: ElfImage;
  readonly initrd: Uint8Array | undefined;
  readonly append: string;
}

/** The files of a guest until it starts: afterwards their bytes, 46 MB and more, are only in its memory. */
export class Guest {
  #files: Files | undefined;
  readonly #again: () => Promise<Guest>;
  /** Why it brings no agent; undefined: it does. */
  readonly withoutAgent: string | undefined;

  /** `again` reads them once more. */
  constructor(files: Files, withoutAgent: string | undefined, again: () => Promise<Guest>) {
    this.#files = files;
    this.withoutAgent = withoutAgent;
    this.#again = again;
  }

  /** Before each start. Rejects with VmmError: it has started before, and its files cannot be read again. */
  async ready(): Promise<void> {
    this.#files ??= (await this.#again()).take();
  }

  /** What the guest starts with, once after each `ready`. */
  take(): Files {
    const files = this.#files;
    if (!files) throw new Error("the guest's files are not ready");
    this.#files = undefined;
    collectGarbageSoon();
    return files;
  }
}

/** `drivers`: what its devices need, for the default guest, by alias. `signal` ends what is fetched for it. */
export async function loadGuest(
  options: GuestChoices,
  drivers: readonly string[],
  signal: AbortSignal,
): Promise<Guest> {
  if (options.kernel === undefined && options.kernelFormat === "flat") {
    throw new VmmError("--kernel-format flat says what the file of --kernel is, and none was given");
  }
  const again = (): Promise<Guest> => loadGuest(options, drivers, new AbortController().signal);
  const guest = options.guest ?? guestOfMachine(options.machine.machine.guest);
  const known =
    options.kernel === undefined
      ? await ensureDefaultGuest({ signal, ...(guest === undefined ? {} : { guest }) })
      : undefined;
  const kernelFile = options.kernel ?? known?.kernel ?? "";
  const say = (line: string): void => void process.stderr.write(`unikvm: ${line}\n`);
  const image = await unpackedKernel(readFile(kernelFile, "kernel"), options.memory, kernelFile, say);
  const kernel = await options.machine.machine.loadKernel(image, options.memory, kernelFile, options.kernelFormat);
  const initrdFile = options.initrd ?? known?.initrd;
  const initrd = initrdFile === undefined ? undefined : readFile(initrdFile, "initrd");
  if (initrd?.length === 0) throw new VmmError(`the initrd ${initrdFile} is empty`);
  // A kernel of multiboot's is given it as a file, which may be anything; Linux takes the image of a file system, too.
  if (initrd && !kernel.multiboot && isTextFile(initrd)) {
    throw new VmmError(
      `the initrd ${initrdFile} is a text file, and no archive or file system that a kernel could begin with`,
    );
  }
  // What the kernel has to say of its boot, dmesg has, too; a panic it says all the same.
  const append =
    options.append ?? [known?.append, known && options.initrd === undefined ? "quiet" : ""].filter(Boolean).join(" ");
  if (!known || !initrd) return new Guest({ kernel, initrd, append }, bringsNoAgent, again);
  const modules = [...drivers, ...(options.guestModule ?? [])];
  const how = { modules, agent: options.initrd === undefined, guest, signal };
  const { archives, withoutAgent } = await additions(known, how);
  const words = [
    append,
    ...(modules.length > 0 ? [`unikvm.modules=${modules.join(",")}`] : []),
    ...(withoutAgent === undefined ? ["unikvm.agent"] : []),
  ];
  const files = { kernel, initrd: Buffer.concat([initrd, ...archives]), append: words.join(" ") };
  return new Guest(files, withoutAgent, again);
}

const bringsNoAgent =
  "its kernel or initial RAM disk is not unikvm's own and brings no agent, which cp and exec --pid need; unikvm shell --kernel FILE --initrd FILE adds one";

/** What is added to the default guest's initial RAM disk: modules, and the agent with its drivers. */
async function additions(
  known: DefaultGuest,
  {
    modules,
    agent,
    guest,
    signal,
  }: { modules: readonly string[]; agent: boolean; guest?: string | undefined; signal: AbortSignal },
): Promise<{ readonly archives: readonly Uint8Array[]; readonly withoutAgent: string | undefined }> {
  const drivers = async (names: readonly string[]): Promise<Uint8Array[]> =>
    names.length > 0 ? [await guestDrivers(known, names, { signal })] : [];
  if (!agent) return { archives: await drivers(modules), withoutAgent: bringsNoAgent };
  try {
    const archives = await drivers([...modules, ...GuestAgent.drivers]);
    return { archives: [...archives, agentArchive(architectureOfGuest(guest))], withoutAgent: undefined };
  } catch (error) {
    // What was asked for is needed; without the agent the guest boots all the same.
    if (!(error instanceof GuestUnavailable) || modules.length > 0) throw error;
    return { archives: [], withoutAgent: `its guest has no agent: ${error.message}` };
  }
}

/** A kernel with all that a debugger wants to know is large; what is larger than this is none. */
const maxImageSize = 2 ** 31;

function readFile(path: string, what: string): Uint8Array {
  try {
    return readRegular(path, maxImageSize);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // What Node puts in the place of bytes that are no UTF-8, in an argument.
    const absent = path.includes("\ufffd")
      ? "its name is not UTF-8, which Node.js cannot open; give it another"
      : "there is no such file";
    const why = { ENOENT: absent, EISDIR: "it is a folder", EACCES: "access is denied" }[code ?? ""];
    throw new VmmError(`the ${what} ${path} cannot be read: ${why ?? message}`);
  }
}
