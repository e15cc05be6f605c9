/** What the tests of createVm run inside the page. Each function is sent there as text: it uses nothing from outside itself. */
import type * as Unikvm from "../../src/index-web.js";

export interface VmCase {
  readonly type: "hv" | "pr";
  /** More for the kernel's command line, with a kernel; without, an image is booted. */
  readonly append?: string;
  /** Addresses of images that are given as Blobs, behind the other disk. */
  readonly compressed?: readonly string[];
  /** A relay's address; without, the network is what fetch reaches. */
  readonly relay?: string;
}

/** Kept by the page from one call to the next. */
export interface VmPage {
  vm?: Unikvm.LinuxVm;
  twin?: Unikvm.LinuxVm;
  /** Of onConnect. */
  asked?: readonly string[];
}

/** Boots a guest from what the server has. */
export async function bootInPage({
  type,
  append,
  compressed = [],
  relay,
}: VmCase): Promise<{ isolated: boolean; steps: string[] }> {
  const { createVm } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  const steps = new Set<string>();
  // One of each kind that is taken.
  const kernel = async () => ({
    append: append ?? "",
    kernel: "kernel",
    initrd: await (await fetch("/initrd")).blob(),
  });
  // Under one a Blob that is written over, under the other a file that keeps what is written.
  const blob = new Blob([new Uint8Array(1 << 20).fill(0x41)]);
  if (type === "pr") {
    const file = await (await navigator.storage.getDirectory()).getFileHandle("disk.img", { create: true });
    const writable = await file.createWritable();
    await writable.truncate(1 << 20);
    await writable.close();
  }
  const images = await Promise.all(compressed.map(async (path) => (await fetch(`/${path}`)).blob()));
  const more = images.map((source) => ({ source, format: "qcow2" as const }));
  const vm = await createVm({
    disks: type === "hv" ? [{ source: blob }, ...more] : [{ source: "disk.img", mode: "write" }],
    network: {
      allow: [`page.localhost:${location.port}`, "asked.localhost:1"],
      ...(relay === undefined ? {} : { via: new URL(relay) }),
      onConnect: ({ host, port, protocol }) => {
        (globalThis as VmPage).asked = [...((globalThis as VmPage).asked ?? []), `${protocol} ${host}:${port}`];
        return host !== "asked.localhost";
      },
    },
    ...{ type, memory: "256M", env: { FROM_VM: "1" } },
    ...(append === undefined ? { image: new URL("/guest", location.href) } : await kernel()),
    onProgress: ({ name }) => steps.add(name),
  });
  (globalThis as VmPage).vm = vm;
  return { isolated: crossOriginIsolated, steps: [...steps] };
}

/** What a program does with a VM; the answers are the test's to judge. */
export async function useInPage() {
  const vm = (globalThis as VmPage).vm as Unikvm.LinuxVm;
  const codeOf = (error: unknown): string => (error as { code?: string }).code ?? String(error);
  const run = await vm.exec("uname -m; echo $FROM_VM; cat; echo wrong >&2; exit 3", { stdin: "hello\n" });
  const many = await vm.exec("head -c 3000000 /dev/zero | tr '\\0' x; cat >/tmp/in", {
    stdin: new Uint8Array(2_500_000).fill(0x61),
  });
  const size = (await vm.fs.stat("/tmp/in")).size;
  await vm.fs.mkdir("/tmp/a/b", { recursive: true });
  await vm.fs.writeFile("/tmp/a/b/c", "text");
  const text = await vm.fs.readFile("/tmp/a/b/c", "utf8");
  const names = await vm.fs.readdir("/tmp/a");
  const absent = await vm.fs.readFile("/tmp/none").then(String, codeOf);
  const late = await vm.exec(["sleep", "1000"], { timeout: 100 });
  const stop = new AbortController();
  const aborted = vm.exec(["sleep", "1000"], { signal: stop.signal }).then(String, String);
  stop.abort(new Error("enough"));
  const process = await vm.spawn(["cat"]);
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode("by stream"));
  await writer.close();
  const streamed = await new Response(process.stdout as BodyInit).text();
  const { exitCode } = await process.exited;
  return {
    ...{ stdout: run.stdout, stderr: run.stderr, status: run.exitCode },
    ...{ many: many.stdout.length, whole: /^x*$/.test(many.stdout), size, text, names, absent },
    ...{ timedOut: late.timedOut, signal: late.signal, aborted: await aborted, streamed, exitCode },
  };
}

/**
 * What a program printed that is more code than its VM has room for, run twice after there were so many bytes of code; and how many
 * there were after each.
 */
export async function codeInPage(most: number): Promise<{ printed: string[]; code: number[] }> {
  const { createVm } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  const image = new URL("/guest", location.href);
  // The least that can be: kvm has 30M, and of 48M a half is for generated code.
  const vm = await createVm({ image, type: "hv", memory: "128M", limits: { memory: "206M" } });
  const [printed, code]: [string[], number[]] = [[], []];
  try {
    const program = new Uint8Array(await (await fetch("/much-code")).arrayBuffer());
    await vm.fs.writeFile("/tmp/much", program, { mode: 0o755 });
    // On one thread it takes longer until all of it is hot.
    for (let left = 2; left > 0 && code.length < 12; left -= (code.at(-1) ?? 0) > most ? 1 : 0) {
      const { bytes } = await vm.exec(["/tmp/much"], { check: true });
      printed.push(Array.from(bytes.stdout, (byte) => byte.toString(16).padStart(2, "0")).join(""));
      code.push((await vm.stats()).generatedCode);
    }
  } finally {
    await vm.close({ grace: 0 });
  }
  return { printed, code };
}

/** Writes to its disk, and reads what is there now: where, and what was there before. */
export async function writeInPage() {
  const vm = (globalThis as VmPage).vm as Unikvm.LinuxVm;
  const said = async (command: string) => (await vm.exec(command, { check: true })).stdout;
  const before = await said("head -c 4 /dev/vda | tr '\\0' 0; blockdev --getsize64 /dev/vda");
  await said("echo written >/tmp/w; dd if=/tmp/w of=/dev/vda bs=512 seek=7 conv=notrunc,fsync 2>/dev/null");
  await said("echo 3 >/proc/sys/vm/drop_caches");
  return { before, after: await said("dd if=/dev/vda bs=512 skip=7 count=1 2>/dev/null | head -c 7") };
}

/** SHA-256 of what is on the disks behind the first. */
export async function compressedInPage(): Promise<readonly string[]> {
  const vm = (globalThis as VmPage).vm as Unikvm.LinuxVm;
  const { stdout } = await vm.exec("sha256sum /dev/vdb /dev/vdc", { check: true });
  return stdout.split("\n").map((line) => line.split(" ")[0] ?? "");
}

/** What the origin has of it. */
export async function keptInPage(): Promise<string> {
  const file = await (await navigator.storage.getDirectory()).getFileHandle("disk.img");
  return (await file.getFile()).slice(7 * 512, 7 * 512 + 7).text();
}

/** What cannot be done while its disk is written to. */
export async function refusedInPage(): Promise<Record<string, string>> {
  const { createVm } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  const vm = (globalThis as VmPage).vm as Unikvm.LinuxVm;
  const said = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => "it can",
      (error: Error) => error.message,
    );
  const image = "/guest";
  return {
    twin: await said(vm.fork()),
    alive: await said(vm.exec("true")),
    again: await said(
      createVm({ image: new URL(image, location.href), disks: [{ source: "disk.img", mode: "write" }] }),
    ),
    none: await said(createVm({ image: new URL(image, location.href), disks: [{ source: "no/file" }] })),
    blob: await said(
      createVm({ image: new URL(image, location.href), disks: [{ source: new Blob([]), mode: "write" }] }),
    ),
  };
}

/** What a guest has of the page's own server, by a name that is allowed, and of one that is not. */
export async function fetchInPage() {
  const vm = (globalThis as VmPage).vm as Unikvm.LinuxVm;
  const said = async (url: string) => {
    const { stdout, stderr } = await vm.exec(["wget", "-q", "-O", "-", url]);
    return stdout + stderr;
  };
  return {
    found: await said(`http://page.localhost:${location.port}/package.json`),
    missing: await said(`http://page.localhost:${location.port}/none`),
    otherPort: await said("http://page.localhost:1/"),
    otherName: await said(`http://other.localhost:${location.port}/`),
    refused: await said("http://asked.localhost:1/"),
    asked: [...new Set((globalThis as VmPage).asked)].join(),
  };
}

/** What the page has of servers in the guest. */
export async function connectInPage() {
  const vm = (globalThis as VmPage).vm as Unikvm.LinuxVm;
  const served = "mkdir -p /www && head -c 1000000 /dev/zero | tr '\\0' y >/www/file && httpd -p 80 -h /www";
  await vm.exec(served, { check: true });
  const file = await (await vm.net.fetch(80, "/file")).text();
  const none = await vm.net.connect(81).then(String, (error: { code?: string }) => error.code);
  const cat = await vm.spawn("nc -l -p 82 -e cat");
  const connect = (): ReturnType<typeof vm.net.connect> => vm.net.connect(82).catch(connect);
  const { readable, writable } = await connect();
  const writer = writable.getWriter();
  const sent = writer.write(new Uint8Array(600_000).fill(0x7a)).then(() => writer.close());
  const back = await new Response(readable as BodyInit).text();
  await Promise.all([sent, cat.exited]);
  return { file: file.length, none, back: back.length, whole: /^z*$/.test(back) };
}

/** A twin of it, while a program of the parent's waits for input. */
export async function forkInPage() {
  const vm = (globalThis as VmPage).vm as Unikvm.LinuxVm;
  await vm.exec("echo before >/tmp/state");
  const cat = await vm.spawn(["cat"]);
  const disk = "dd if=/dev/vda bs=512 skip=7 count=1 2>/dev/null | head -c 7";
  const [twin] = (await vm.fork(1)) as [Unikvm.LinuxVm];
  const said = async (one: Unikvm.LinuxVm, command: string) => (await one.exec(command)).stdout;
  const before = await said(twin, `cat /tmp/state; ${disk}`);
  await twin.exec("echo twin >/tmp/state");
  const after = [await said(vm, "cat /tmp/state"), await said(twin, "cat /tmp/state")];
  const hosts = [await said(vm, "hostname"), await said(twin, "hostname")];
  const writer = cat.stdin.getWriter();
  await writer.write(new TextEncoder().encode("still here"));
  await writer.close();
  const streamed = await new Response(cat.stdout as BodyInit).text();
  const { kind } = await twin.close();
  const gone = await twin.exec("true").then(String, (error: { code: string }) => error.code);
  return { before, after, hosts, streamed, kind, gone, alive: await said(vm, "echo alive") };
}

export async function closeInPage(): Promise<string> {
  return (await (globalThis as VmPage).vm?.close())?.kind ?? "none";
}

/** What goes wrong is a VmError with a sentence. */
export async function misuseInPage(): Promise<Record<string, string>> {
  const { createVm } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  const said = (options: Unikvm.VmOptions): Promise<string> =>
    createVm(options).then(
      () => "it boots",
      (error: Error) => `${error.name} ${error.message}`,
    );
  const stop = new AbortController();
  const aborting = said({ kernel: "slow", signal: stop.signal });
  stop.abort(new Error("enough"));
  return {
    none: await said({}),
    missing: await said({ kernel: "/no-such-file" }),
    noImage: await said({ image: new TextEncoder().encode("text".repeat(100)) }),
    wrong: await said({ kernel: new Blob(["text, text, text"]) }),
    notOne: await said({ kernel: 7 as unknown as string }),
    aborted: await aborting,
  };
}
