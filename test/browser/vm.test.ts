/** `createVm` in a page, in real browsers: one boot for all that is done with it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Page } from "puppeteer-core";
import { exportGuest, guestDrivers } from "../../guests/index.js";
import { type WispServer, wispServer } from "../../src/vmm/network/node/wisp-server.test-support.js";
import { defaultGuest, noGuest } from "../boot/booting.test-support.js";
import { answer, muchCode } from "../boot/much-code.test-support.js";
import { built } from "../build/building.test-support.js";
import { missing } from "../oracles/oracles.js";
import { firstLoad, mostLoaded } from "./first-load.js";
import { launch } from "./launch.js";
import { type StaticServer, serve } from "./server.js";
import {
  bootInPage,
  closeInPage,
  codeInPage,
  compressedInPage,
  connectInPage,
  fetchInPage,
  forkInPage,
  keptInPage,
  misuseInPage,
  refusedInPage,
  useInPage,
  writeInPage,
} from "./vm-page.js";

const modules = ["virtio_pci", "virtio_console", "virtio_blk", "virtio_net"];
/** Its own kernel has the drivers as modules, which its first program loads. */
const append = `rdinit=/init cryptomgr.notests=1 unikvm.modules=${modules.join(",")} unikvm.run=/unikvm-agent`;

/** 1 MiB that says which it is, as images whose clusters are compressed in either way. */
function compressedDisks(folder: string): Readonly<Record<string, Uint8Array>> {
  const images = ["zlib", "zstd"].map((compression) => {
    const [plain, image] = [join(folder, compression), join(folder, `${compression}.qcow2`)];
    writeFileSync(plain, Buffer.alloc(1 << 20, `${compression} `));
    const how = ["-c", "-o", `compression_type=${compression}`];
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", ...how, plain, image]);
    return [`${compression}.qcow2`, readFileSync(image)] as const;
  });
  return Object.fromEntries(images);
}

/** Translated, it takes 3.3 MB beside what a kernel's boot takes, and 2.4 are there for it. */
const work = { functions: 800, rounds: 2000 };
const roomForCode = (24 << 20) / 10;

let files: Promise<Readonly<Record<string, Uint8Array>>> | undefined;
async function guestFiles(): Promise<Readonly<Record<string, Uint8Array>>> {
  if (!defaultGuest) throw new Error("there is no guest");
  const drivers = await guestDrivers(defaultGuest, modules);
  const file = join(mkdtempSync(join(tmpdir(), "unikvm-page-")), "guest");
  after(() => rmSync(dirname(file), { recursive: true, force: true }));
  await exportGuest(file, () => undefined);
  return {
    ...(missing("qemuImg") ? {} : compressedDisks(dirname(file))),
    guest: readFileSync(file),
    kernel: readFileSync(defaultGuest.kernel),
    initrd: Buffer.concat([readFileSync(defaultGuest.initrd), drivers]),
    "much-code": muchCode(work),
  };
}

/** Each browser, implementation, and way to have threads in two boots; `npm run test:pages` has the others, too. */
const rows = [
  { browser: "chrome", type: "hv", isolated: true, often: true },
  { browser: "chrome", type: "pr", isolated: false, often: false },
  { browser: "firefox", type: "hv", isolated: false, often: false },
  { browser: "firefox", type: "pr", isolated: true, often: false },
  { browser: "firefox", type: "pr", isolated: false, often: true },
] as const;
const all = process.env["UNIKVM_ALL_PAGES"] === "1";

for (const { browser, type, isolated, often } of rows) {
  if (!often && !all) continue;
  const skip = missing(browser) || noGuest;
  describe(`${browser}: a VM in a page under ${type}, ${isolated ? "with threads" : "on one thread"}`, { skip }, () => {
    let page: Page;
    let folder = "";
    let guest: Readonly<Record<string, Uint8Array>> = {};
    let server: StaticServer;
    /** Under pr the network is a relay's. */
    let relay: WispServer;
    const errors: string[] = [];

    before(async () => {
      ({ folder } = await built("both", "browser"));
      guest = await (files ??= guestFiles());
      server = await serve(folder, { isolated, more: guest });
      relay = await wispServer();
      page = await (await launch(browser)).newPage();
      page.setDefaultTimeout(280_000);
      page.on("pageerror", (error) => void errors.push(String(error)));
      await page.goto(server.url);
    });
    after(async () => {
      await page?.close();
      server?.close();
      relay?.close();
    });

    test("boots", async () => {
      const image = type === "hv";
      const { isolated: found, steps } = await page.evaluate(
        bootInPage,
        image
          ? { type, compressed: Object.keys(guest).filter((name) => name.endsWith(".qcow2")) }
          : { type, append, relay: relay.url.href },
      );
      assert.equal(found, isolated);
      const read = image ? ["reading the image"] : ["reading the kernel", "reading the initrd"];
      assert.deepEqual(new Set(steps), new Set([...read, "booting"]));
      const threads = server.log.filter(({ path }) => path.endsWith("vcpu-worker.js"));
      assert.equal(threads.length > 0, isolated);
    });

    test("its first load is small", (t) => {
      const { bytes, files: loaded } = firstLoad(server.log, folder, Object.keys(guest));
      t.diagnostic(`${bytes} bytes of ${loaded.length} files in gzip until a VM of ${type} runs in a page`);
      assert.ok(bytes > 100_000 && bytes <= mostLoaded.power, JSON.stringify(loaded));
    });

    test("runs programs, and has files", async () => {
      assert.deepEqual(await page.evaluate(useInPage), {
        ...{ stdout: "ppc64le\n1\nhello\n", stderr: "wrong\n", status: 3 },
        ...{ many: 3_000_000, whole: true, size: 2_500_000, text: "text", names: ["b"], absent: "ENOENT" },
        ...{ timedOut: true, signal: "SIGKILL", aborted: "Error: enough", streamed: "by stream", exitCode: 0 },
      });
    });

    test(`has what ${type === "hv" ? "fetch" : "a relay"} reaches, and nothing else`, async () => {
      const { found, missing: absent, otherPort, otherName, refused, asked } = await page.evaluate(fetchInPage);
      assert.deepEqual(JSON.parse(found), { type: "module" });
      assert.match(absent, /404/);
      assert.match(otherPort, /refused|reset/i);
      assert.match(otherName, /bad address/);
      assert.match(refused, /refused|reset/i);
      const place = `page.localhost:${new URL(server.url).port}`;
      assert.equal(asked, `tcp ${place},tcp asked.localhost:1`);
      // What the rules or the page refuse, the relay is not asked.
      assert.deepEqual([...new Set(relay.asked)], type === "hv" ? [] : [place]);
    });

    test("is reached by the page", async () => {
      assert.deepEqual(await page.evaluate(connectInPage), {
        ...{ file: 1_000_000, none: "ECONNREFUSED", back: 600_000, whole: true },
      });
    });

    test("has disks", async () => {
      const { before: first, after: last } = await page.evaluate(writeInPage);
      assert.equal(first, `${type === "hv" ? "AAAA" : "0000"}1048576\n`);
      assert.equal(last, "written");
    });

    if (type === "hv") {
      test("has disks whose clusters are compressed", { skip: missing("qemuImg") }, async () => {
        const [zlib = "", zstd = ""] = await page.evaluate(compressedInPage);
        const digest = (text: string) =>
          createHash("sha256")
            .update(Buffer.alloc(1 << 20, text))
            .digest("hex");
        assert.deepEqual([zlib, zstd], [digest("zlib "), digest("zstd ")]);
      });
    }

    if (type === "hv") {
      test("has code go that there is no room for, and goes on right", async (t) => {
        const { printed, code } = await page.evaluate(codeInPage, 0.9 * roomForCode);
        t.diagnostic(`bytes of code after each run: ${code} of ${roomForCode}`);
        assert.deepEqual([...new Set(printed)], [answer(work)]);
        assert.ok(code.every((bytes) => bytes < roomForCode + (256 << 10)));
        assert.ok((code.at(-1) ?? 0) > 0.9 * roomForCode);
      });
    }

    test("has twins, unless its disk is written to", async () => {
      if (type === "pr") {
        const { twin, alive, again, none, blob } = await page.evaluate(refusedInPage);
        assert.match(twin ?? "", /^EBUSY: /);
        assert.equal(alive, "it can");
        assert.match(again ?? "", /^BOOT_FAILED: disk.img cannot be opened: another VM/);
        assert.match(none ?? "", /^BOOT_FAILED: no\/file cannot be opened: the origin has no such file/);
        assert.match(blob ?? "", /^EINVAL: .*nobody can write to a Blob/);
        return;
      }
      const { hosts, ...rest } = await page.evaluate(forkInPage);
      assert.deepEqual(rest, {
        ...{ before: "before\nwritten", after: ["before\n", "twin\n"], streamed: "still here" },
        ...{ kind: "closed", gone: "VM_CLOSED", alive: "alive\n" },
      });
      assert.match(hosts[1] ?? "", /^twin-/);
      assert.notEqual(hosts[0], hosts[1]);
    });

    test("closes", async () => {
      assert.equal(await page.evaluate(closeInPage), "closed");
      assert.deepEqual(errors, []);
      assert.deepEqual(
        server.log.filter(({ path }) => /^MISSING (?!none$)/.test(path)),
        [],
      );
    });

    // Under hv the disk is a Blob, over which is written.
    if (type === "pr") {
      test("finds again what was written, in the page that comes next", async () => {
        await page.reload();
        assert.equal(await page.evaluate(keptInPage), "written");
      });
    }

    test("says what a page lacks", async () => {
      const { none, missing: absent, noImage, wrong, notOne, aborted } = await page.evaluate(misuseInPage);
      assert.match(none ?? "", /^VmError EINVAL: .* guest export.*, or kernel and initrd/);
      assert.match(noImage ?? "", /^VmError BOOT_FAILED: .*is no guest's file/);
      assert.match(absent ?? "", /^VmError BOOT_FAILED: the kernel .*no-such-file cannot be read: 404/);
      assert.match(wrong ?? "", /^VmError BOOT_FAILED: .*text file, not a kernel/);
      assert.match(notOne ?? "", /^VmError EINVAL: .*kernel is no name or address/);
      assert.equal(aborted, "Error enough");
    });
  });
}
