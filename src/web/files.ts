/** Files that a guest is booted with in a page: what a URL, a Blob or bytes have. */
import { agentCommandLine, agentPath, archiveOfAgent } from "../../guests/agent/archive.js";
import { consoles, quietly } from "../../guests/consoles.js";
import { requireGuest, VmError } from "../api/error.js";
import type { VmGuest } from "../api/platform.js";
import type { FileSource, Progress } from "../api/types.js";
import { messageOf } from "../base/errors.js";
import type { BootFiles } from "../vmm/machines/start.js";
import { anyPlatform } from "../vmm/snapshot/platform.js";
import type { MachinePlan } from "./messages.js";

/** No file that a guest is booted with is larger. */
const mostFile = 2 ** 30;
/** The agent's programs, beside the code that hands them on: bundlers find them here. */
const agents: Readonly<Record<VmGuest, URL>> = {
  ppc64le: new URL("../../guests/agent/unikvm-agent.ppc64le", import.meta.url),
  x86_64: new URL("../../guests/agent/unikvm-agent.x86_64", import.meta.url),
  i386: new URL("../../guests/agent/unikvm-agent.i386", import.meta.url),
};

/**
 * What a guest's file has, with drivers for the devices, by their aliases. Or a kernel that has the drivers built in, or whose
 * initial RAM disk loads them: the agent is its first program.
 */
export async function bootFiles(
  plan: MachinePlan,
  aliases: readonly string[],
  progress: (step: Progress) => void,
): Promise<BootFiles> {
  const { image, kernel = "" } = plan;
  const program = read(agents[plan.guest].href, "agent", () => undefined);
  const files = await (image === undefined ? ownFiles(plan, progress) : filesOf(plan, image, aliases, progress));
  return {
    kernel: files.kernel,
    kernelName: typeof kernel === "string" && kernel !== "" ? kernel : "the kernel",
    initrd: joined(files.initrd, archiveOfAgent(await program)),
    commandLine: [files.append, plan.append].filter(Boolean).join(" "),
  };
}

type Files = Pick<BootFiles, "kernel" | "initrd"> & { readonly append: string };

async function ownFiles(
  { guest, kernel = "", initrd }: MachinePlan,
  progress: (step: Progress) => void,
): Promise<Files> {
  const [image, disk] = await Promise.all([
    read(kernel, "kernel", progress),
    initrd === undefined ? new Uint8Array(0) : read(initrd, "initrd", progress),
  ]);
  return { kernel: image, initrd: disk, append: `console=${consoles[guest]} ${quietly[guest]} rdinit=${agentPath}` };
}

async function filesOf(
  plan: MachinePlan,
  image: Exclude<FileSource, URL>,
  aliases: readonly string[],
  progress: (step: Progress) => void,
): Promise<Files> {
  const { GuestFile, bootParts } = await import("./guest-image.js");
  const bytes = await read(image, "image", progress);
  const name = typeof image === "string" ? image : "the image";
  const source = { name, size: bytes.length, read: async (at: number, length: number) => bytes.slice(at, at + length) };
  const { kernel, initrd, append, architecture } = await bootParts(await GuestFile.open(source, anyPlatform), aliases);
  requireGuest(architecture, name, plan.guest);
  return {
    kernel,
    initrd,
    append: `${append} ${agentCommandLine(plan.guest, aliases)}`,
  };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first, 0);
  whole.set(second, first.length);
  return whole;
}

/** VmError, BOOT_FAILED: it cannot be had. */
async function read(
  source: Exclude<FileSource, URL>,
  what: string,
  progress: (step: Progress) => void,
): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  const name = typeof source === "string" ? source : "Blob";
  const fail = (why: string, cause?: unknown) =>
    new VmError("BOOT_FAILED", `the ${what} ${name} cannot be read: ${why}`, { cause });
  try {
    const response = typeof source === "string" ? await fetch(source) : new Response(source);
    if (!response.ok || !response.body) throw fail(`${response.status} ${response.statusText}`);
    // What is compressed on its way is longer than this says.
    const said = response.headers.has("Content-Encoding") ? 0 : Number(response.headers.get("Content-Length") ?? 0);
    const total = typeof source === "string" ? said : source.size;
    return await gather(response.body, (done) => {
      if (done > mostFile) throw fail(`it is longer than ${mostFile} bytes`);
      progress({ name: `reading the ${what}`, done, ...(total > 0 ? { total } : {}) });
    });
  } catch (error) {
    throw error instanceof VmError ? error : fail(messageOf(error), error);
  }
}

async function gather(body: ReadableStream<Uint8Array>, progress: (done: number) => void): Promise<Uint8Array> {
  const reader = body.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    length += part.value.length;
    try {
      progress(length);
    } catch (error) {
      await reader.cancel();
      throw error;
    }
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
