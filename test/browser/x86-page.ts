/** What the tests of x86's guests run inside the page. Each function is sent there as text: it uses nothing from outside itself. */
import type * as Unikvm from "../../src/index-web.js";

export interface X86Case {
  readonly guest: "x86_64" | "i386";
  readonly type: "hv" | "pr";
  readonly cpus: number;
  readonly cpu?: string;
  readonly append?: string;
}

/** Kept by the page from one call to the next. */
interface X86Page {
  vm?: Unikvm.LinuxVm;
  aborts?: AbortController;
  /** Why it did not come to be. */
  stopped?: Promise<string>;
}

/** Boots a guest's file that the server has, until it takes commands. */
export async function bootX86InPage(row: X86Case): Promise<{ isolated: boolean }> {
  const { createVm } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  const image = new URL("/guest", location.href);
  (globalThis as X86Page).vm = await createVm({ ...row, image, memory: "256M", env: { FROM_VM: "1" } });
  return { isolated: crossOriginIsolated };
}

/** What a program does with it; the answers are the test's to judge. */
export async function useX86InPage() {
  const vm = (globalThis as X86Page).vm as Unikvm.LinuxVm;
  const run = await vm.exec("uname -m; nproc; echo $FROM_VM; cat; echo wrong >&2; exit 3", { stdin: "hello\n" });
  const many = await vm.exec("head -c 300000 /dev/zero | tr '\\0' x; cat >/tmp/in", {
    stdin: new Uint8Array(250_000).fill(0x61),
  });
  await vm.fs.mkdir("/tmp/a/b", { recursive: true });
  await vm.fs.writeFile("/tmp/a/b/c", "text");
  const late = await vm.exec(["sleep", "1000"], { timeout: 100 });
  return {
    ...{ stdout: run.stdout, stderr: run.stderr, status: run.exitCode, many: many.stdout.length },
    ...{ size: (await vm.fs.stat("/tmp/in")).size, text: await vm.fs.readFile("/tmp/a/b/c", "utf8") },
    ...{ digest: (await vm.exec("head -c 1000000 /dev/zero | sha256sum")).stdout.split(" ")[0] },
    ...{ absent: await vm.fs.readFile("/tmp/none").then(String, ({ code }: { code?: string }) => code) },
    ...{ timedOut: late.timedOut, signal: late.signal, end: (await vm.close())?.kind },
  };
}

/** Runs a program of its files, given as text of hexadecimal digits by their paths, and closes the VM; what it said, and how it ended. */
export async function runInX86Page(files: Readonly<Record<string, string>>, program: string) {
  const vm = (globalThis as X86Page).vm as Unikvm.LinuxVm;
  for (const [path, digits] of Object.entries(files)) {
    const bytes = Uint8Array.from(digits.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
    await vm.fs.writeFile(path, bytes, { mode: 0o755 });
  }
  const { stdout, stderr, exitCode } = await vm.exec(program);
  const { kind, message } = await vm.close();
  return { stdout, stderr, exitCode, kind, message };
}

/** Boots a guest's file as far as its kernel. */
export async function beginX86InPage(row: X86Case): Promise<void> {
  const { createVm } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  const page = globalThis as X86Page;
  const stop = new AbortController();
  page.aborts = stop;
  await new Promise<void>((resolve, reject) => {
    const image = new URL("/guest", location.href);
    const onProgress = ({ name }: { readonly name: string }): void => {
      if (name === "booting") resolve();
    };
    const made = createVm({ ...row, image, memory: "256M", signal: stop.signal, onProgress });
    page.stopped = made.then(() => "it came to be", String);
    made.catch(reject);
  });
}

export async function stopX86InPage(): Promise<string> {
  const page = globalThis as X86Page;
  page.aborts?.abort(new Error("enough"));
  return (await page.stopped) ?? "none";
}
