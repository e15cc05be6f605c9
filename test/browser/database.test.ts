/** Disks of a page whose browser has no files of the origin's: they lie in a database, and what is written is found again. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Page } from "puppeteer-core";
import { exportGuest } from "../../guests/index.js";
import type * as Unikvm from "../../src/index-web.js";
import { noGuest } from "../boot/booting.test-support.js";
import { built } from "../build/building.test-support.js";
import { missing } from "../oracles/oracles.js";
import { launch } from "./launch.js";
import { type StaticServer, serve } from "./server.js";

/** Kept by the page from one call to the next. */
interface Kept {
  vm?: Unikvm.LinuxVm;
}

/** What is called in the page is sent there as text: it uses nothing from outside itself. */
async function boot(format: string, over = ""): Promise<string> {
  const { createVm } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  try {
    const said = format === "unsaid" ? {} : { format: format as "raw" };
    const disk = { source: "some/disk.img", mode: "write", ...said } as const;
    (globalThis as Kept).vm = await createVm({
      image: new URL("/guest", location.href),
      memory: "128M",
      disks: [disk, ...(over === "" ? [] : [{ source: over }])],
    });
    return "it runs";
  } catch (error) {
    return String(error);
  }
}

async function make(path: string, size: number): Promise<string> {
  const { writeOriginFile } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  return writeOriginFile(path, size).then(() => "made", String);
}

/** Of a file that begins with these bytes. */
async function makeOf(first: readonly number[], size: number): Promise<string> {
  const { writeOriginFile } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  const contents = new Blob([Uint8Array.from(first), new Uint8Array(size - first.length)]);
  return writeOriginFile("some/disk.img", contents).then(() => "made", String);
}

async function exec(command: string): Promise<string> {
  const { stdout, stderr, exitCode } = await ((globalThis as Kept).vm as Unikvm.LinuxVm).exec(command);
  return `${stdout}${stderr}${exitCode}`;
}

async function close(): Promise<string> {
  return (await ((globalThis as Kept).vm as Unikvm.LinuxVm).close()).kind;
}

async function contents(path: string, from: number, to: number): Promise<string> {
  const { readOriginFile } = (await (import(`${"/index.js"}`) as Promise<unknown>)) as typeof Unikvm;
  return readOriginFile(path).then((blob) => blob.slice(from, to).text(), String);
}

describe("a browser without files of the origin's", { skip: missing("chrome") || noGuest }, () => {
  let server: StaticServer;
  const folder = mkdtempSync(join(tmpdir(), "unikvm-database-"));
  /** Of an origin of its own, or of the same as another. */
  const open = async (beside?: Page): Promise<Page> => {
    const browser = await launch("chrome", "FileSystemAccessOriginPrivate");
    const page = await (beside?.browserContext() ?? (await browser.createBrowserContext())).newPage();
    page.setDefaultTimeout(200_000);
    await page.goto(server.url);
    assert.equal(await page.evaluate(() => typeof navigator.storage.getDirectory), "undefined");
    return page;
  };
  before(async () => {
    const guest = join(folder, "guest");
    await exportGuest(guest, () => undefined);
    const bundle = await built("both", "browser");
    server = await serve(bundle.folder, { isolated: true, more: { guest: readFileSync(guest) } });
  });
  after(() => {
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("what is written is found again, after a page that was closed without a word, too", async () => {
    const [disk, over] = ["some/disk.img", "over.img"];
    const page = await open();
    assert.match(await page.evaluate(contents, disk, 0, 1), /some\/disk.img cannot be opened: the origin has no such/);
    assert.match(await page.evaluate(boot, "raw"), /BOOT_FAILED: some\/disk.img .*has no such file/);
    assert.equal(await page.evaluate(makeOf, [0x51, 0x46, 0x49, 0xfb], 1 << 20), "made");
    assert.match(await page.evaluate(boot, "unsaid"), /begins as a qcow2 image: say format/);
    assert.match(await page.evaluate(boot, "qcow2"), /qcow2 image, which this browser's database cannot/);
    assert.equal(await page.evaluate(make, disk, (16 << 20) + 512), "made");
    assert.equal(await page.evaluate(make, over, 1 << 20), "made");
    assert.match(await page.evaluate(make, over, -1), /cannot be made with -1 bytes/);
    assert.equal(await page.evaluate(boot, "unsaid", over), "it runs");
    // Sectors, a stretch of all sizes, and zeros over it: each is there as soon as dd says so.
    const dd = "dd of=/dev/vda bs=512 conv=notrunc,fsync 2>/dev/null";
    const work = [
      `echo first | ${dd} seek=7; yes | head -c 3000000 | ${dd} seek=1000; echo last | ${dd} seek=32768`,
      "dd if=/dev/zero of=/dev/vda bs=65536 seek=16 count=1 conv=notrunc,fsync 2>/dev/null",
      "echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=512 skip=7 count=1 2>/dev/null | head -c 5",
      "dd if=/dev/vda bs=512 skip=1000 2>/dev/null | head -c 3000000 | tr -d '\\0' | wc -c",
      "echo over | dd of=/dev/vdb bs=512 conv=notrunc,fsync 2>/dev/null; head -c 4 /dev/vdb; sync",
    ];
    assert.equal(await page.evaluate(exec, work.join("; ")), "first2934464\nover0");
    // Who has it is not disturbed by another, in this page or in the next.
    const other = await open(page);
    for (const one of [page, other]) {
      const refused = await one.evaluate(boot, "raw");
      assert.match(refused, /BOOT_FAILED: some\/disk.img cannot be opened: another VM, or another window, has it/);
    }
    assert.match(await other.evaluate(make, disk, 512), /another VM, or another window, has it open/);
    await page.close();
    assert.equal(await other.evaluate(contents, disk, 7 * 512, 7 * 512 + 5), "first");
    assert.equal(await other.evaluate(contents, over, 0, 4), "\0\0\0\0");
    // Its writer is over when it has said nothing for some seconds.
    assert.equal(await other.evaluate(boot, "raw"), "it runs");
    assert.equal(await other.evaluate(exec, "dd if=/dev/vda bs=512 skip=32768 2>/dev/null | head -c 4"), "last0");
    assert.equal(await other.evaluate(close), "closed");
    // One that was closed has said so.
    assert.equal(await other.evaluate(make, disk, 512), "made");
    await other.browserContext().close();
  });

  test("a quota that is used up is an I/O error, and the VM lives on", async () => {
    const page = await open();
    const session = await page.createCDPSession();
    const quota = (quotaSize: number) =>
      session.send("Storage.overrideQuotaForOrigin", { origin: new URL(server.url).href, quotaSize });
    // Chromium keeps in mind for a while how much there was room for.
    await quota(1 << 20);
    assert.equal(await page.evaluate(make, "some/disk.img", 64 << 20), "made");
    assert.equal(await page.evaluate(boot, "raw"), "it runs");
    const fill = "dd if=/dev/urandom of=/dev/vda bs=1M count=16 conv=notrunc,fsync 2>&1 | grep -c 'Input/output error'";
    assert.match(await page.evaluate(exec, fill), /^[1-9]\d*\n0$/);
    const said = await page.evaluate(exec, "echo here; dmesg | grep -c 'I/O error, dev vda'");
    assert.match(said, /^here\n[1-9]\d*\n0$/);
    await quota(1 << 30);
    const again = "until echo again | dd of=/dev/vda bs=512 conv=notrunc,fsync 2>/dev/null; do sleep 1; done";
    assert.equal(await page.evaluate(exec, again), "0");
    assert.equal(await page.evaluate(contents, "some/disk.img", 0, 5), "again");
    assert.equal(await page.evaluate(close), "closed");
    await page.browserContext().close();
  });
});
