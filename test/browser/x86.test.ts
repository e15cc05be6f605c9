/**
 * Guests of x86-64 and of i386 in a page: what is loaded for one until its kernel runs, and, with UNIKVM_ALL_PAGES=1 (`npm run
 * test:pages`), boots to the end and commands under each implementation, with threads and without, in either browser: some
 * minutes of processor time.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Page } from "puppeteer-core";
import { noGuestNamed } from "../boot/booting.test-support.js";
import { built } from "../build/building.test-support.js";
import { missing } from "../oracles/oracles.js";
import { filesWith, firstLoad, foreignFiles, mostLoaded } from "./first-load.js";
import { fileOf } from "./guest-files.js";
import { launch } from "./launch.js";
import { type StaticServer, serve } from "./server.js";
import { beginX86InPage, bootX86InPage, stopX86InPage, useX86InPage } from "./x86-page.js";

const guests = {
  x86_64: { port: "amd64", machine: "x86_64" },
  i386: { port: "i386", machine: "i686" },
} as const;

/** The page has loaded nothing for so long, milliseconds. */
const quiet = 1_500;
async function untilQuiet({ log }: StaticServer): Promise<void> {
  for (let known = -1; known < log.length; ) {
    known = log.length;
    await sleep(quiet);
  }
}

const all = process.env["UNIKVM_ALL_PAGES"] === "1";
const rows = [
  { browser: "chrome", guest: "x86_64", type: "hv", isolated: true, whole: false },
  { browser: "chrome", guest: "x86_64", type: "pr", isolated: false, whole: false },
  { browser: "chrome", guest: "x86_64", type: "hv", isolated: true, whole: true },
  { browser: "chrome", guest: "x86_64", type: "pr", isolated: true, whole: true },
  { browser: "chrome", guest: "x86_64", type: "hv", isolated: false, whole: true },
  { browser: "chrome", guest: "x86_64", type: "pr", isolated: false, whole: true },
  { browser: "chrome", guest: "i386", type: "hv", isolated: true, whole: true },
  { browser: "chrome", guest: "i386", type: "pr", isolated: false, whole: true },
  { browser: "firefox", guest: "x86_64", type: "hv", isolated: false, whole: true },
  { browser: "firefox", guest: "x86_64", type: "pr", isolated: true, whole: true },
  { browser: "firefox", guest: "i386", type: "hv", isolated: true, whole: true },
] as const;

for (const { browser, guest, type, isolated, whole } of rows) {
  if (whole && !all) continue;
  const { port, machine } = guests[guest];
  const skip = missing(browser) || noGuestNamed(port);
  const how = `${guest} under ${type}, ${isolated ? "with threads" : "on one thread"}`;
  describe(`${browser}: ${whole ? "a VM" : "the beginning of a VM"} of ${how}`, { skip }, () => {
    const cpus = isolated ? 2 : 1;
    let page: Page;
    let folder = "";
    let server: StaticServer;
    const errors: string[] = [];

    before(async () => {
      ({ folder } = await built("pages", "browser"));
      server = await serve(folder, { isolated, more: { guest: await fileOf(port) } });
      page = await (await launch(browser)).newPage();
      page.setDefaultTimeout(280_000);
      page.on("pageerror", (error) => void errors.push(String(error)));
      await page.goto(server.url);
    });
    after(async () => {
      await page?.close();
      server?.close();
    });

    test(whole ? "boots and takes commands" : "boots", async (t) => {
      if (!whole) {
        await page.evaluate(beginX86InPage, { guest, type, cpus });
        await untilQuiet(server);
        assert.equal(await page.evaluate(stopX86InPage), "Error: enough");
        return;
      }
      const start = performance.now();
      assert.deepEqual(await page.evaluate(bootX86InPage, { guest, type, cpus }), { isolated });
      t.diagnostic(`it answers after ${((performance.now() - start) / 1000).toFixed(1)} s`);
      const digest = createHash("sha256").update(new Uint8Array(1_000_000)).digest("hex");
      assert.deepEqual(await page.evaluate(useX86InPage), {
        ...{ stdout: `${machine}\n${cpus}\n1\nhello\n`, stderr: "wrong\n", status: 3, many: 300_000 },
        ...{ size: 250_000, text: "text", digest, absent: "ENOENT", timedOut: true, signal: "SIGKILL", end: "closed" },
      });
    });

    test("its first load is small, and has nothing of the other architecture", async (t) => {
      const { bytes, files: loaded } = firstLoad(server.log, folder, ["guest"]);
      t.diagnostic(`${bytes} bytes of ${loaded.length} files in gzip until a VM of ${how} runs in a page`);
      const paths = loaded.map(([path]) => path);
      for (const file of ["runtime.wasm", "interpreter.wasm"])
        assert.ok(paths.includes(`src/arch/x86/engines/${file}`));
      assert.ok(paths.includes(`guests/agent/unikvm-agent.${guest}`), paths.join());
      assert.equal(paths.includes("vcpu-worker.js"), isolated);
      assert.ok(bytes <= mostLoaded.x86_64, JSON.stringify(loaded));
      const { metafile } = await built("pages", "browser");
      const foreign = foreignFiles(metafile, "x86_64");
      const translates = filesWith(metafile, "src/engine/translate/translator.js").some((path) => paths.includes(path));
      assert.equal(translates, type === "hv");
      assert.deepEqual(
        server.log.filter(({ path }) => foreign.includes(path) || path.startsWith("MISSING")),
        [],
      );
      assert.deepEqual(errors, []);
    });
  });
}
