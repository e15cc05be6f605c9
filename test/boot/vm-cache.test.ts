/** What exec keeps of VMs, and goes on from: where nothing can be kept, there is a VM all the same. Without booting any. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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
