/** `unikvm cp`: files and trees into the guest of a unikvm that runs, and out of it. */
import { randomBytes } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, posix, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { VmFs } from "../../api/types.js";
import { packTree } from "../../node/pack-tree.js";
import { unpackTree } from "../../node/unpack-tree.js";
import { VmmError } from "../../vmm/errors.js";
import { addExamples, type Finish } from "../command.js";
import { interruptible } from "../interrupt.js";
import { addPidOption } from "../kmod.js";
import { reasonOf, writeAll } from "../output.js";
import { openRemoteGuest } from "../remote.js";

/** One of the two is in the guest. */
interface Place {
  readonly inGuest: boolean;
  readonly path: string;
  /** It ends with a slash, and so is a folder that is there. */
  readonly folder: boolean;
}

/** Begins with a colon: in the guest, from its root on. */
function parsePlace(text: string): Place {
  const inGuest = text.startsWith(":");
  const path = inGuest ? text.slice(1) : text;
  if (path === "" || path.includes("\0")) throw new InvalidArgumentError("It needs a path.");
  return { inGuest, path: inGuest ? posix.resolve("/", path) : resolve(path), folder: path.endsWith("/") };
}

export function describe(command: Command, finish: Finish): void {
  command
    .description(
      "Copies a file or a folder into the guest of a unikvm that runs (`unikvm run`, `unikvm shell`), or out of it. A path in the guest\n" +
        "begins with a colon. Where the target is a folder, the copy goes into it, under its own name; a file that is there\n" +
        "is replaced, when the new one is whole, and a folder is not. Permissions, times and symbolic links are kept; what goes\n" +
        "in belongs to root, what comes out to you. Devices, pipes and sockets are left out.",
    )
    .argument("<source>", "what is copied: a path, or :PATH in the guest", parsePlace)
    .argument("<target>", "where to: a path, or :PATH in the guest", parsePlace);
  addExamples(
    command,
    "unikvm shell                              # in one terminal",
    "unikvm cp project :/root                  # in another: /root/project",
    "unikvm cp notes.txt :/root/today.txt",
    "unikvm cp :/root/project/out .            # ./out",
    "unikvm cp --pid 4711 :/etc/passwd here    # of several that run",
  );
  command.hook("preAction", ({ processedArgs: [source, target] }) => {
    if ((source as Place).inGuest !== (target as Place).inGuest) return;
    command.error("error: one of the two is to be in the guest, and begin with a colon: unikvm cp HOST :GUEST");
  });
  addPidOption(command).action(
    finish(async (source: Place, target: Place, { pid }: { pid?: number }) => {
      const guest = await openRemoteGuest(pid);
      try {
        const copy = target.inGuest ? copyIn : copyOut;
        await interruptible((signal) => copy(source.path, target, guest.fs, signal));
      } finally {
        guest.close();
      }
    }),
  );
}

/** Beside the target, so that it can be renamed to it; nobody else's. */
const temporary = (): string => `.unikvm-cp-${randomBytes(6).toString("hex")}`;

/** Undefined: it is not there. */
const ifThere = <T>(found: Promise<T>): Promise<T | undefined> =>
  found.catch((error: unknown) => {
    if ((error as { code?: unknown }).code === "ENOENT") return undefined;
    throw error;
  });

/** What has no file to be copied to. */
const leftOut = (path: string): void =>
  void process.stderr.write(`unikvm: ${JSON.stringify(path)} is a device, a pipe or a socket, and left out\n`);

/**
 * An error of the work, in words that somebody knows who does not know what the copy is called until it is whole: `unfinished`.
 * What was not there before it began, and is now, another copy has made.
 */
function explained(error: unknown, unfinished: string, target: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  // The system's words for a call that knows no name.
  if (/^E\w+: [^,]+, (write|close|fchmod|futime)$/.test(message)) {
    return new VmmError(`${target} cannot be written: ${reasonOf(error)}`, { cause: error });
  }
  if (code === undefined || !message.includes(unfinished)) return error;
  if (/\brename\b/.test(message) && ["ENOTEMPTY", "EEXIST", "EISDIR", "ENOTDIR"].includes(code)) return isThere(target);
  return new VmmError(message.replaceAll(unfinished, dirname(unfinished)), { cause: error });
}

async function copyIn(
  from: string,
  { path: to, folder: intoFolder }: Place,
  fs: VmFs,
  signal: AbortSignal,
): Promise<void> {
  const source = statSync(from, { throwIfNoEntry: false });
  if (!source) throw isNotThere(from);
  const there = await ifThere(fs.stat(to));
  if (intoFolder && !there?.isDirectory()) throw isNoFolder(`:${to}`);
  const target = there?.isDirectory() ? posix.join(to, basename(from)) : to;
  const own = there?.isDirectory() ? await ifThere(fs.lstat(target)) : there;
  refuseFolder(`:${target}`, own, source.isDirectory());
  const folder = posix.dirname(target);
  if (!(await ifThere(fs.stat(folder)))?.isDirectory()) throw isNoFolder(`:${folder}`);
  // A file, too, gets its name when it is whole: whoever is killed halfway leaves none that looks so.
  const unfinished = posix.join(folder, temporary());
  try {
    if (source.isDirectory()) {
      await fs.upload(counted(packTree(from, { leftOut })), unfinished, { signal });
      return await fs.rename(unfinished, target);
    }
    const name = posix.basename(target);
    await fs.upload(counted(packTree(from, { name })), unfinished, { signal });
    await fs.rename(posix.join(unfinished, name), target);
  } catch (error) {
    throw explained(error, unfinished, `:${target}`);
  } finally {
    await fs.rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function copyOut(
  from: string,
  { path: to, folder: intoFolder }: Place,
  fs: VmFs,
  signal: AbortSignal,
): Promise<void> {
  const source = await ifThere(fs.stat(from));
  if (!source) throw isNotThere(`:${from}`);
  const there = statSync(to, { throwIfNoEntry: false });
  if (intoFolder && !there?.isDirectory()) throw isNoFolder(to);
  const target = there?.isDirectory() ? join(to, posix.basename(from)) : to;
  refuseFolder(target, lstatSync(target, { throwIfNoEntry: false }), source.isDirectory());
  const folder = dirname(target);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw isNoFolder(folder);
  const unfinished = join(folder, temporary());
  try {
    await unpackTree(counted(fs.download(from, { signal })), unfinished, { leftOut });
    try {
      if (source.isDirectory()) return renameSync(unfinished, target);
      // The guest says what came: it is to be the one file that it said it is.
      const [name, ...others] = readdirSync(unfinished);
      const file = name === undefined ? undefined : join(unfinished, name);
      if (file === undefined || others.length > 0 || !lstatSync(file).isFile()) {
        throw new VmmError(`:${from} is no file, nor a folder`);
      }
      if (source.size === 0) await readOut(from, file, fs, signal);
      renameSync(file, target);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  } catch (error) {
    throw explained(error, unfinished, target);
  }
}

/** What the kernel makes when it is read, as /proc/cpuinfo, has no size, and so nothing in a tar. */
async function readOut(from: string, file: string, fs: VmFs, signal: AbortSignal): Promise<void> {
  let to: number | undefined;
  try {
    for await (const bytes of counted(fs.createReadStream(from, { signal }))) {
      to ??= openAnew(file);
      writeAll(to, bytes);
    }
  } finally {
    if (to !== undefined) closeSync(to);
  }
}

/** One that nobody may write to is written to, too. */
function openAnew(file: string): number {
  const { mode } = lstatSync(file);
  rmSync(file);
  return openSync(file, "wx", mode & 0o777);
}

/** A folder is neither replaced nor does it replace anything. */
function refuseFolder(target: string, there: { isDirectory(): boolean } | undefined, folder: boolean): void {
  if (!there || (!folder && !there.isDirectory())) return;
  throw isThere(target);
}

const isThere = (target: string): VmmError =>
  new VmmError(`${target} is there already; remove it, or choose another name`);

const isNotThere = (source: string): VmmError => new VmmError(`${source} is not there`);

const isNoFolder = (target: string): VmmError => new VmmError(`${target} is no folder that is there`);

/** Says on a terminal how much it was, where that lasts longer than a second. */
function counted(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  if (!process.stderr.isTTY) return stream;
  let count = 0;
  let said = false;
  const say = (): void => {
    said = true;
    process.stderr.write(`\r${(count / 1048576).toFixed(1)} MiB`);
  };
  const timer = setInterval(say, 1000);
  timer.unref();
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (bytes, controller) => {
        count += bytes.length;
        controller.enqueue(bytes);
      },
      flush: () => {
        clearInterval(timer);
        if (!said) return;
        say();
        process.stderr.write("\n");
      },
    }),
  );
}
