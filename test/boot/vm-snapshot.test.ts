/** A VM is saved while it runs, and goes on elsewhere; what cannot be is refused with a code and a sentence. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { createVm, type LinuxVm, openSnapshot, type Snapshot, VmError, type VmOptions } from "../../src/index-node.js";
import { noGuest } from "./booting.test-support.js";
import { type Forged, forgedSnapshot } from "./forged-snapshot.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-vm-snapshot-"));
after(() => rmSync(folder, { recursive: true, force: true }));
process.env["XDG_DATA_HOME"] = join(folder, "data");

const said = async (vm: LinuxVm, command: string): Promise<string> =>
  (await vm.exec(command, { check: true })).stdout.trim();

const base = join(folder, "base.img");
const hardware: VmOptions = { disks: [{ source: base }], network: {} };
let snapshot: Snapshot;
let whole: Uint8Array;
/** The snapshot with a head that says something else, and its right digest. */
const forged = (change: (head: Forged) => void): Promise<Blob> => forgedSnapshot(whole, change);

const skip = noGuest;
before(
  async () => {
    if (skip) return;
    writeFileSync(base, new Uint8Array(1 << 20).fill(0x41));
    const vm = await createVm({ ...hardware, memory: "256M", cpus: 2, type: "hv" });
    try {
      await vm.exec("echo before >/tmp/a; echo from the parent | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null", {
        check: true,
      });
      const counting = await vm.spawn("i=0; while :; do i=$((i+1)); echo $i | tee /tmp/count; sleep 0.1; done");
      snapshot = await vm.snapshot({ name: "first" });
      whole = new Uint8Array(await (await snapshot.blob()).arrayBuffer());
      // It runs on, and so do the streams of its programs.
      await vm.exec("echo after >/tmp/a", { check: true });
      assert.equal(await said(vm, "cat /tmp/a"), "after");
      assert.ok((await counting.stdout.getReader().read()).value?.length);
      const disks = await vm.snapshot({ memory: false, name: join(folder, "disks.snapshot") });
      assert.deepEqual(Object.keys(disks.info.images), ["disk0"]);
      const stop = AbortSignal.abort(new Error("no more"));
      await assert.rejects(vm.snapshot({ signal: stop }), /no more/);
      await assert.rejects(
        vm.snapshot({ name: join(folder, "no/such/folder.snapshot") }),
        (error) => error instanceof VmError && error.code === "ENOENT" && /cannot be written/.test(error.message),
      );
      await assert.rejects(vm.snapshot({ name: "" }), (error) => error instanceof VmError && error.code === "EINVAL");
    } finally {
      await vm.close({ grace: 0 });
    }
    await assert.rejects(vm.snapshot(), (error) => error instanceof VmError && error.code === "VM_CLOSED");
  },
  { timeout: 280_000 },
);

test("a snapshot is the same from its name, its file, its address and its bytes", { skip }, async () => {
  const file = join(folder, "data/unikvm/snapshots/first.snapshot");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(new Uint8Array(readFileSync(file)), whole);
  assert.equal(snapshot.info.images["ram"]?.size, 256 << 20);
  assert.equal(snapshot.info.size, whole.length);
  for (const from of ["first", file, pathToFileURL(file), new Blob([whole.slice()])]) {
    const opened = await openSnapshot(from);
    assert.deepEqual([opened.digest, opened.info], [snapshot.digest, snapshot.info]);
    const pieces: Uint8Array[] = [];
    for await (const piece of opened.stream()) pieces.push(piece);
    assert.deepEqual(new Uint8Array(Buffer.concat(pieces)), whole);
    assert.deepEqual(new Uint8Array(await (await opened.blob()).arrayBuffer()), whole);
  }
});

for (const type of ["hv", "pr"] as const) {
  test(`a VM goes on from its snapshot under ${type}`, { skip, timeout: 280_000 }, async () => {
    // The one by its name, the other as it was made; both differ from what they were made from.
    const vm = await createVm({ ...hardware, type, snapshot: type === "pr" ? "first" : snapshot });
    try {
      assert.equal(await said(vm, "cat /tmp/a"), "before");
      assert.equal(await said(vm, "head -c 15 /dev/vda"), "from the parent");
      assert.match(await said(vm, "hostname"), /^twin-[0-9a-f]{8}$/);
      assert.equal(await said(vm, "grep -c ^processor /proc/cpuinfo"), "2");
      const now = Number(await said(vm, "date +%s"));
      assert.ok(Math.abs(now - Date.now() / 1000) < 60, `${now}`);
      const count = () => said(vm, "cat /tmp/count").then(Number);
      const first = await count();
      const end = performance.now() + 60_000;
      while ((await count()) <= first) assert.ok(performance.now() < end, "a program does not go on");
      // What was restored can be saved and forked like any other.
      if (type !== "hv") return;
      const again = await vm.snapshot();
      assert.notEqual(again.digest, snapshot.digest);
      const [twin] = await vm.fork();
      assert.ok(twin);
      assert.equal(await said(twin, "cat /tmp/a").finally(() => twin.close({ grace: 0 })), "before");
    } finally {
      await vm.close({ grace: 0 });
    }
    assert.ok(readFileSync(base).every((byte) => byte === 0x41));
  });
}

/** CPU time of each thread of this process, in ticks of 10 ms. */
function threadTicks(): Map<string, number> {
  const folder = "/proc/self/task";
  return new Map(
    readdirSync(folder).map((thread) => {
      const fields =
        readFileSync(join(folder, thread, "stat"), "latin1")
          .split(") ")[1]
          ?.split(" ") ?? [];
      return [thread, Number(fields[11]) + Number(fields[12])];
    }),
  );
}

test("limits of processors and disks hold, and what is over one is refused", { skip, timeout: 280_000 }, async () => {
  const vm = await createVm({ ...hardware, snapshot, limits: { cpu: 0.2, disk: "512K" } });
  try {
    await vm.exec("pkill -f count");
    const [before, since] = [threadTicks(), performance.now()];
    assert.equal((await vm.exec("while :; do :; done", { timeout: 2000 })).timedOut, true);
    const took = performance.now() - since;
    // What compiles its code is not counted, nor what other VMs of this process leave to be done.
    const busiest = Math.max(...[...threadTicks()].map(([thread, ticks]) => ticks - (before.get(thread) ?? 0)));
    const part = (10 * busiest) / took;
    assert.ok(part < 0.5, `${part} processors for a guest that may have 0.2`);
    const written = await vm.exec("dd if=/dev/zero of=/dev/vda bs=64k count=16 conv=notrunc,fsync");
    assert.notEqual(written.exitCode, 0);
    assert.match(written.stderr, /error/i);
    // What was there can be read, and written again.
    const again = "echo and again | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null && head -c 9 /dev/vda";
    assert.equal(await said(vm, again), "and again");
  } finally {
    await vm.close({ grace: 0 });
  }
  const refused = createVm({ ...hardware, snapshot, limits: { disk: "64K" } });
  await assert.rejects(refused, /what was written to .*base.img cannot grow: .*its limit of 65536 bytes/);
});

test("of a snapshot without memory the guest is booted with its disks", { skip, timeout: 280_000 }, async () => {
  const disks = join(folder, "disks.snapshot");
  const vm = await createVm({ disks: [{ source: base }], memory: "128M", snapshot: disks });
  try {
    assert.equal(await said(vm, "head -c 15 /dev/vda"), "from the parent");
    assert.equal(await said(vm, "ls /tmp"), "");
    assert.equal(await said(vm, "hostname"), "unikvm");
  } finally {
    await vm.close({ grace: 0 });
  }
});

test("what cannot go on is refused, with a code and a sentence", { skip, timeout: 280_000 }, async () => {
  const text = new Blob(["This is a text, which is somewhat longer than a snapshot's front is."]);
  const cut = new Blob([whole.slice(0, -1)]);
  const flipped = whole.slice();
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
  const later = whole.slice();
  later[8] = 99;
  const other = join(folder, "other.img");
  writeFileSync(other, new Uint8Array(1 << 20).fill(0x42));
  const refused: readonly (readonly [unknown, string, RegExp, VmOptions?])[] = [
    [text, "SNAPSHOT_FOREIGN", /is no snapshot/],
    [new Blob([]), "SNAPSHOT_FOREIGN", /too short/],
    [cut, "SNAPSHOT_DAMAGED", /cut off/],
    [new Blob([flipped]), "SNAPSHOT_DAMAGED", /another digest/],
    [new Blob([later]), "SNAPSHOT_FOREIGN", /version 99 of the format/],
    [base, "SNAPSHOT_FOREIGN", /base.img is no snapshot/],
    ["no-such-one", "ENOENT", /no-such-one.snapshot cannot be read/],
    [new URL("data:text/plain,no"), "SNAPSHOT_FOREIGN", /is no snapshot/],
    [7, "EINVAL", /is no Snapshot, Blob, URL, name or file/],
    [snapshot, "EINVAL", /memory is what the snapshot says/, { ...hardware, memory: "256M" }],
    [snapshot, "EINVAL", /kernel is what the snapshot says/, { ...hardware, kernel: "vmlinux" }],
    [snapshot, "EINVAL", /other disks \(1\) than are given \(0\)/, { network: {} }],
    [snapshot, "EINVAL", /has a network card/, { disks: [{ source: base }] }],
    [snapshot, "EINVAL", /other.img is not what it was/, { ...hardware, disks: [{ source: other }] }],
    [snapshot, "EINVAL", /is an overlay in the snapshot/, { ...hardware, disks: [{ source: base, mode: "write" }] }],
    [
      await forged(({ state }) => void (state.machine = "virt")),
      "SNAPSHOT_FOREIGN",
      /cannot go on here: .*no machine "virt"/,
    ],
    [
      await forged(({ state }) => void (state.plan.cpuModel = "POWER7")),
      "SNAPSHOT_FOREIGN",
      /cannot go on here: .*POWER7/,
    ],
    [
      await forged(({ state }) => void (state.pci.slots[0] = null)),
      "SNAPSHOT_FOREIGN",
      /has not the state of the devices/,
    ],
    [await forged(({ state }) => void state.pci.slots.pop()), "SNAPSHOT_FOREIGN", /has not the state of the devices/],
    [await forged(({ hardware: made }) => void (made.own = 2)), "SNAPSHOT_FOREIGN", /not the state of the devices/],
    [await forged(({ hardware: made }) => void delete made.agent), "SNAPSHOT_FOREIGN", /that has no agent/],
    [await forged(({ hardware: made }) => void (made.agent.nextId = -1)), "SNAPSHOT_FOREIGN", /nextId/],
    [await forged(({ hardware: made }) => void (made.made = "x")), "SNAPSHOT_FOREIGN", /a program made/],
  ];
  for (const [given, code, sentence, options = hardware] of refused) {
    await assert.rejects(
      async () => {
        const vm = await createVm({ ...options, snapshot: given as Snapshot });
        await vm.close({ grace: 0 });
      },
      (error) => {
        assert.ok(error instanceof VmError, `${sentence}: ${error}`);
        assert.match(error.message, sentence);
        assert.equal(error.code, code, error.message);
        return true;
      },
      String(sentence),
    );
  }
});
