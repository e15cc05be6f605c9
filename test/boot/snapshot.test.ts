/** Debian's guest is saved and made again while it boots and works, each time under another engine or thread mode. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { cpio } from "../../guests/cpio.js";
import { GuestUnavailable, guestDrivers } from "../../guests/index.js";
import type { PpcKvm } from "../../src/arch/powerpc/uapi.js";
import { KvmError } from "../../src/base/errors.js";
import { openKvm } from "../../src/kernel.js";
import { spawnVcpuThread } from "../../src/node/vcpu-thread.js";
import type { Machine, RunControl } from "../../src/vmm/core/machine.js";
import { type Run, runMachine } from "../../src/vmm/core/run.js";
import type { SparseImage } from "../../src/vmm/core/sparse-image.js";
import { VirtioBlock, type VirtioBlockState } from "../../src/vmm/devices/virtio/block.js";
import { VirtioRng } from "../../src/vmm/devices/virtio/rng.js";
import { VirtioPciDevice, type VirtioPciState } from "../../src/vmm/devices/virtio/virtio-pci.js";
import { VmmError } from "../../src/vmm/errors.js";
import { loadKernelImage } from "../../src/vmm/loaders/kernel-image.js";
import { createPseries, restorePseries } from "../../src/vmm/machines/pseries/machine.js";
import type { PseriesState } from "../../src/vmm/machines/pseries/state.js";
import { createPseriesVcpuSide } from "../../src/vmm/machines/pseries/vcpu-side.js";
import { nodePlatform } from "../../src/vmm/snapshot/node/platform.js";
import { loadSnapshot, saveSnapshot } from "../../src/vmm/snapshot/node/snapshot-file.js";
import { capture, ramImage, type Snapshot } from "../../src/vmm/snapshot/snapshot.js";
import type { Disk } from "../../src/vmm/storage/disk.js";
import { MemoryStore } from "../../src/vmm/storage/memory-store.js";
import { OverlayDisk } from "../../src/vmm/storage/overlay.js";
import { RawDisk } from "../../src/vmm/storage/raw.js";
import {
  defaultGuest,
  implementations,
  noGuest,
  type ThreadMode,
  textBetween,
  threadModes,
} from "./booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-snapshot-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const types = { hv: 1, pr: 2 } as const;
const memory = 256 << 20;
/** More for a long run: `UNIKVM_DRAWS=60 UNIKVM_SEED=5 node --test dist/test/boot/snapshot.test.js`. */
const moments = Number(process.env["UNIKVM_DRAWS"] ?? 6);
const firstSeed = Number(process.env["UNIKVM_SEED"] ?? 11);
const lines = Math.ceil(3.4 * moments);
/** Says and writes numbers, with a timer between them, then what is on the disk. */
const script = `#!/bin/sh
i=0
while [ $i -lt ${lines} ]; do
  echo line $i
  printf 'number %08d\\n' $i | dd of=/dev/vda bs=512 seek=$i conv=notrunc,fsync 2>/dev/null
  sleep 0.02
  i=$((i+1))
done
echo 3 >/proc/sys/vm/drop_caches
dd if=/dev/vda bs=512 count=${lines} 2>/dev/null | sha256sum
`;
const diskSize = 1 << 20;
const base = () => new RawDisk(new MemoryStore("base", new Uint8Array(diskSize).fill(0x55)), { readOnly: true });
const written = new Uint8Array(lines * 512).fill(0x55);
for (let i = 0; i < lines; i++)
  written.set(new TextEncoder().encode(`number ${String(i).padStart(8, "0")}\n`), i * 512);
const sum = createHash("sha256").update(written).digest("hex");

/** The same numbers for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Place {
  readonly type: "hv" | "pr";
  readonly threads: ThreadMode;
}

/** The guest's devices, new or as they were saved. */
function devicesOf(disk: Disk, state?: PseriesState) {
  const [blk, rng] = (state?.pci?.slots ?? []).map((slot) => slot.function.device as VirtioPciState);
  return [
    new VirtioPciDevice(new VirtioBlock({ disk, id: "disk0" }, blk?.device as VirtioBlockState | undefined), blk),
    new VirtioPciDevice(new VirtioRng(), rng),
  ];
}

class Console {
  text = "";
  readonly #decoder = new TextDecoder();
  readonly output = (bytes: Uint8Array): undefined => {
    this.text += this.#decoder.decode(bytes, { stream: true }).replaceAll("\r", "");
  };
}

interface Guest extends Place {
  readonly run: Run;
  readonly disk: OverlayDisk;
  readonly console: Console;
}

async function start(
  place: Place,
  console: Console,
  disk: OverlayDisk,
  make: (control: RunControl) => Machine,
): Promise<Guest> {
  const run = await runMachine({
    createMachine: make,
    createSide: createPseriesVcpuSide,
    spawn: place.threads === "worker" ? spawnVcpuThread : undefined,
    output: console.output,
    timeout: 280_000 + 30_000 * moments,
  });
  return { ...place, run, disk, console };
}

const restored = (kvm: PpcKvm, { state, images }: Snapshot, place: Place, console: Console): Promise<Guest> => {
  const disk = new OverlayDisk(base(), images["disk0"]);
  const { [ramImage]: ram } = images;
  assert.ok(ram);
  return start(place, console, disk, (control) =>
    restorePseries(
      {
        kvm,
        type: types[place.type],
        shared: place.threads === "worker",
        state,
        ram,
        pciDevices: devicesOf(disk, state as PseriesState),
      },
      control,
    ),
  );
};

/** All of it: that the pages of the dirty log were enough is what this is to show. */
function assertSame(ram: Uint8Array, image: SparseImage | undefined): void {
  assert.ok(image && image.size === ram.length);
  let end = 0;
  for (const { offset, bytes } of [...image.runs, { offset: ram.length, bytes: new Uint8Array(0) }]) {
    assert.ok(nodePlatform.isZero(ram.subarray(end, offset)), `something between ${end} and ${offset} was left out`);
    const there = ram.subarray(offset, offset + bytes.length);
    assert.equal(Buffer.compare(bytes, there), 0, `another at ${offset}`);
    end = offset + bytes.length;
  }
}

/** What the guest had said by then is kept; what it has said and nobody had read is the snapshot's. */
async function captured({ run, disk, console }: Guest, compare: boolean): Promise<Snapshot> {
  const images = () => ({ disk0: disk.save() });
  let still: Promise<void> | undefined;
  const also = (): string => {
    // It is to be looked at as it was then.
    still = run.pause();
    return console.text;
  };
  const asked = () => capture(run, { images, platform: nodePlatform, also });
  const end = performance.now() + 60_000;
  // A machine that is very busy lets no thread run for as long as the guest may stand; it goes on, and is asked again.
  const again = (error: unknown): ReturnType<typeof asked> => {
    if (!(error instanceof KvmError && error.code === "EBUSY" && performance.now() < end)) throw error;
    return asked().catch(again);
  };
  const { snapshot, also: text } = await asked().catch(again);
  await still;
  if (compare)
    await run.whilePaused((machine) => assertSame(machine.ram(0, machine.ramSize), snapshot.images[ramImage]));
  run.resume();
  run.stop();
  const { outcome } = await run.ended;
  assert.deepEqual(outcome, { kind: "stopped" });
  console.text = text;
  return snapshot;
}

async function boot(kvm: PpcKvm, place: Place, interruptMode: "xics" | "xive", more = ""): Promise<Guest> {
  assert.ok(defaultGuest);
  const disk = new OverlayDisk(base());
  const pciDevices = devicesOf(disk);
  const drivers = await guestDrivers(
    defaultGuest,
    pciDevices.flatMap(({ aliases }) => aliases),
  );
  const file = cpio([{ path: "work.sh", type: "file", mode: 0o755, data: script }]);
  const initrd = Buffer.concat([readFileSync(defaultGuest.initrd), file, drivers]);
  const kernel = await loadKernelImage(readFileSync(defaultGuest.kernel), memory, defaultGuest.kernel);
  const modules = pciDevices.flatMap(({ aliases }) => aliases).join(",");
  return start(place, new Console(), disk, (control) =>
    createPseries(
      {
        ...{ kvm, kernel, initrd, interruptMode, pciDevices },
        type: types[place.type],
        shared: place.threads === "worker",
        commandLine: `${defaultGuest?.append} quiet ${more} unikvm.modules=${modules} unikvm.run=/work.sh`,
        memorySize: memory,
        cpus: 2,
      },
      control,
    ),
  );
}

/** Waits so long, or until the guest has ended. */
async function forAWhile({ run }: Guest, milliseconds: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const passed = new Promise<true>((resolve) => {
    timer = setTimeout(resolve, milliseconds, true);
  });
  const goesOn = await Promise.race([passed, run.ended.then(() => false)]);
  clearTimeout(timer);
  return goesOn;
}

const ways: readonly (readonly [Place, "xics" | "xive", string])[] = [
  [{ type: "hv", threads: "worker" }, "xics", ""],
  [{ type: "pr", threads: "single" }, "xive", ""],
  [{ type: "hv", threads: "single" }, "xics", "disable_radix"],
];
for (const [index, [first, interruptMode, more]] of ways.entries()) {
  test(`a guest is saved at random moments and goes on elsewhere each time: from ${first.type}, ${first.threads}, ${interruptMode} ${more}`, {
    skip: noGuest,
    timeout: 290_000 + 30_000 * moments,
  }, async (t) => {
    const kvm = await openKvm({ memory: "both" });
    const random = generator(firstSeed + index);
    let guest: Guest;
    try {
      guest = await boot(kvm, first, interruptMode, more);
    } catch (error) {
      if (error instanceof GuestUnavailable) return t.skip(`the drivers cannot be fetched: ${error.message}`);
      throw error;
    }
    let moves = 0;
    let took = 0;
    /** What `captured` gives, unless the guest comes to its end just then. */
    const unlessEnded = async (taking: Promise<Snapshot>): Promise<Snapshot | undefined> => {
      try {
        return await taking;
      } catch (error) {
        if (error instanceof VmmError && /has ended, or is about to/.test(error.message)) return undefined;
        throw error;
      }
    };
    for (; moves < moments && (await forAWhile(guest, 50 + random(1000))); moves++) {
      // Most time goes by under hv, so that it comes to an end.
      const type = implementations[random(3) % 2] ?? "hv";
      const place = { type, threads: threadModes[random(2)] ?? "single" };
      const before = performance.now();
      let snapshot = await unlessEnded(captured(guest, moves % 3 === 1));
      if (!snapshot) break;
      took += performance.now() - before;
      if (moves % 3 === 0) {
        const path = join(folder, `${index}-${moves}`);
        await saveSnapshot(path, snapshot, { by: "unikvm test", packing: moves % 2 ? "deflate" : "stored" });
        snapshot = await loadSnapshot(path);
      }
      guest = await restored(kvm, snapshot, place, guest.console);
    }
    if (guest.type === "pr" && (await forAWhile(guest, 1))) {
      const snapshot = await unlessEnded(captured(guest, false));
      if (snapshot) guest = await restored(kvm, snapshot, { type: "hv", threads: "worker" }, guest.console);
    }
    const { outcome } = await guest.run.ended;
    const { text } = guest.console;
    assert.deepEqual(outcome, { kind: "powerOff" }, text);
    const printed = textBetween(text, "line 0\n", "unikvm.run:").split("\n");
    const expected = Array.from({ length: lines }, (_, i) => `line ${i}`);
    assert.deepEqual(printed.slice(0, lines), expected, text);
    assert.match(printed[lines] ?? "", new RegExp(`^${sum}`), text);
    assert.doesNotMatch(text, /BUG|Oops|soft lockup|Call Trace/);
    t.diagnostic(`seed ${firstSeed}: ${moves} moves, saved in ${Math.round(took / moves)} ms each`);
    assert.ok(moves >= 3, `only ${moves} moves`);
  });
}
