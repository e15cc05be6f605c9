/** What the tests of snapshots run inside the page. Each function is sent there as text: it uses nothing from outside itself. */
import type * as Unikvm from "../../src/index-web.js";

export interface SnapshotPage {
  vm?: Unikvm.LinuxVm;
}

/** Goes on from a snapshot that the server has. */
export async function goOnInPage(type: "hv" | "pr"): Promise<void> {
  const { createVm } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  (globalThis as SnapshotPage).vm = await createVm({ type, snapshot: new URL("/saved", location.href) });
}

export async function execInPage(command: string, stdin: string): Promise<{ stdout: string; exitCode: number | null }> {
  const { stdout, exitCode } = await ((globalThis as SnapshotPage).vm as Unikvm.LinuxVm).exec(command, { stdin });
  return { stdout, exitCode };
}

/** Puts a snapshot of it where the server keeps it; gives what it says of itself. */
export async function saveInPage(): Promise<string> {
  const snapshot = await ((globalThis as SnapshotPage).vm as Unikvm.LinuxVm).snapshot();
  await fetch("/made", { method: "PUT", body: await snapshot.blob() });
  return snapshot.digest;
}

export async function endInPage(): Promise<string> {
  return (await (globalThis as SnapshotPage).vm?.close())?.kind ?? "none";
}
