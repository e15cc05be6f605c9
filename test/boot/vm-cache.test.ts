/** What exec keeps of VMs, and goes on from: where nothing can be kept, there is a VM all the same. Without booting any. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { guestFolder } from "../../guests/index.js";
import { VmError } from "../../src/api/error.js";
import type { Vm, VmOptions } from "../../src/api/types.js";
import { clearVmCache, vmFromCache } from "../../src/cli/vm-cache.js";
import { noGuest } from "./booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-vm-cache-"));
after(() => rmSync(folder, { recursive: true, force: true }));
mkdirSync(join(folder, "unikvm"));
symlinkSync(guestFolder(), join(folder, "unikvm/guests"));
process.env["XDG_CACHE_HOME"] = folder;
const kept = join(folder, "unikvm/snapshots");

/** What is made, in order, and what is said. There is a VM in the cache if `there`; else one that is booted, and not to be saved. */
async function made(there: boolean): Promise<{ vms: readonly string[]; said: readonly string[]; vm: string }> {
  const vms: string[] = [];
  const said: string[] = [];
  const create = async ({ snapshot }: VmOptions): Promise<Vm> => {
    if (snapshot !== undefined && !there) throw new VmError("ENOENT", "there is no such snapshot");
    const name = snapshot === undefined ? "booted" : "cached";
    vms.push(name);
    const snapshots = () => Promise.reject(new VmError("ENOSPC", "no space left on device"));
    return { name, snapshot: snapshots } as unknown as Vm;
  };
  const vm = await vmFromCache(create, { memory: "64M", cpus: 1 }, (sentence) => void said.push(sentence));
  return { vms, said, vm: (vm as unknown as { name: string }).name };
}

test("a disk that is full keeps nobody from a VM", { skip: noGuest }, async () => {
  const { vms, said, vm } = await made(false);
  assert.deepEqual([vms, vm], [["booted"], "booted"]);
  assert.deepEqual(said, ["the VM is not kept for the next time: ENOSPC: no space left on device"]);
  rmSync(kept, { recursive: true });
});

test("what killed processes left goes with the cache, and what one writes does not", async () => {
  mkdirSync(kept, { recursive: true });
  // No process has such a number.
  const [dead, alive] = [0x7fff_fffe, process.pid].map((pid) => `.a.snapshot.${pid}.${randomUUID()}.partial`);
  for (const name of [dead, alive, "a.snapshot"]) writeFileSync(join(kept, String(name)), "");
  await clearVmCache();
  assert.deepEqual(readdirSync(kept), [alive]);
  rmSync(kept, { recursive: true });
  await clearVmCache();
});

/** A VM that is booted and kept: its file has so many bytes, of which the host's disk has none. */
async function keep(bytes: number): Promise<readonly string[]> {
  const said: string[] = [];
  const create = async ({ snapshot }: VmOptions): Promise<Vm> => {
    if (snapshot !== undefined) throw new VmError("ENOENT", "there is no such snapshot");
    const save = async ({ name }: { name: string }): Promise<void> => {
      writeFileSync(name, "");
      truncateSync(name, bytes);
    };
    return { snapshot: save } as unknown as Vm;
  };
  await vmFromCache(create, { memory: "64M", cpus: 1 }, (sentence) => void said.push(sentence));
  return said;
}

test("the cache has a bound: what was not used for the longest time goes first", { skip: noGuest }, async () => {
  mkdirSync(kept, { recursive: true });
  for (const [name, mebibytes, age] of [
    ["old", 100, 3],
    ["older", 100, 4],
    ["recent", 300, 1],
    ["newer", 100, 2],
  ] as const) {
    const file = join(kept, `${name}.snapshot`);
    writeFileSync(file, "");
    truncateSync(file, mebibytes << 20);
    utimesSync(file, new Date(), new Date(Date.now() - age * 3_600_000));
  }
  // With it there are 640 MiB; 512 are the bound, which 440 keep with the two that were used last.
  assert.deepEqual(await keep(40 << 20), []);
  const left = readdirSync(kept).filter((name) => name.endsWith(".snapshot"));
  assert.equal(left.length, 3, left.join());
  assert.deepEqual(left.filter((name) => /^[a-z]+\./.test(name) && name.length < 20).sort(), [
    "newer.snapshot",
    "recent.snapshot",
  ]);
  // One that is larger than all of the bound is kept, alone: it is what is used now.
  for (const name of left) if (!["newer.snapshot", "recent.snapshot"].includes(name)) rmSync(join(kept, name));
  assert.deepEqual(await keep(600 << 20), []);
  assert.equal(readdirSync(kept).filter((name) => name.endsWith(".snapshot")).length, 1);
  rmSync(kept, { recursive: true });
});

test("a process that was killed while it booted the VM keeps nobody waiting", { skip: noGuest }, async () => {
  const program = `
    import { vmFromCache } from ${JSON.stringify(new URL("../../src/cli/vm-cache.js", import.meta.url).href)};
    const { VmError } = await import(${JSON.stringify(new URL("../../src/api/error.js", import.meta.url).href)});
    setInterval(() => undefined, 1000);
    await vmFromCache(async ({ snapshot }) => {
      if (snapshot !== undefined) throw new VmError("ENOENT", "there is none");
      process.stdout.write("booting");
      return new Promise(() => undefined);
    }, { memory: "64M", cpus: 1 }, () => undefined);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  assert.equal(readdirSync(kept).filter((name) => name.endsWith(".lock")).length, 1);
  const waiting = keep(0);
  child.kill("SIGKILL");
  // It may have been told that it waits, before the other was killed.
  for (const sentence of await waiting) assert.match(sentence, /^waiting for process \d+, which boots the same$/);
  assert.deepEqual(
    readdirSync(kept).filter((name) => name.endsWith(".lock")),
    [],
  );
  rmSync(kept, { recursive: true });
});

test("nor does a cache that cannot be written", { skip: noGuest }, async () => {
  // For root, too, that is no folder.
  writeFileSync(kept, "");
  const { vms, said, vm } = await made(false);
  assert.deepEqual([vms, vm], [["booted"], "booted"]);
  assert.match(said.join("\n"), /^the VM is not kept for the next time: E[^\n]+$/);
});

test("one that is there is used, though that cannot be noted", { skip: noGuest }, async () => {
  // It is in no folder: its time cannot be set.
  assert.deepEqual(await made(true), { vms: ["cached"], said: [], vm: "cached" });
});
