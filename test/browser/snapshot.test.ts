/**
 * A VM that a snapshot takes from Node.js into a page and back, under the other implementation each time, of either architecture,
 * and what a page loads for it. x86-64 takes minutes of processor time: only with UNIKVM_ALL_PAGES=1 (`npm run test:pages`).
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Page } from "puppeteer-core";
import { createVm } from "../../src/index-node.js";
import { noGuestNamed } from "../boot/booting.test-support.js";
import { built } from "../build/building.test-support.js";
import { missing } from "../oracles/oracles.js";
import { firstLoad, foreignFiles, mostLoaded } from "./first-load.js";
import { launch } from "./launch.js";
import { type StaticServer, serve } from "./server.js";
import { endInPage, execInPage, goOnInPage, saveInPage } from "./snapshot-page.js";

const all = process.env["UNIKVM_ALL_PAGES"] === "1";
const rows = [
  { guest: "ppc64le", port: "ppc64el", often: true },
  { guest: "x86_64", port: "amd64", often: false },
] as const;

/** Kept by a shell that runs all the while: in its memory, and in a file. */
const begin = "echo of-node >/tmp/state; hostname >/tmp/host";

for (const { guest, port, often } of rows) {
  const skip = often || all ? missing("chrome") || noGuestNamed(port) : "it takes minutes; UNIKVM_ALL_PAGES=1 runs it";
  describe(`snapshots of a VM of ${guest} in a page`, { skip }, () => {
    let page: Page;
    let folder = "";
    let server: StaticServer;
    const more: Record<string, Uint8Array> = {};
    const errors: string[] = [];

    before(async () => {
      ({ folder } = await built("pages", "browser"));
      server = await serve(folder, { isolated: true, more });
      page = await (await launch("chrome")).newPage();
      page.setDefaultTimeout(280_000);
      page.on("pageerror", (error) => void errors.push(String(error)));
      await page.goto(server.url);
    });
    after(async () => {
      await page?.close();
      server?.close();
    });

    test("what Node.js saved goes on in a page", async () => {
      const vm = await createVm({ guest, type: "pr", memory: "256M" });
      try {
        await vm.exec(begin, { check: true });
        more["saved"] = new Uint8Array(await (await (await vm.snapshot()).blob()).arrayBuffer());
      } finally {
        await vm.close({ grace: 0 });
      }
      await page.evaluate(goOnInPage, "hv" as const);
      const said = await page.evaluate(execInPage, "uname -m; cat /tmp/state; cat; exit 3", "hello\n");
      assert.deepEqual(said, { stdout: `${guest}\nof-node\nhello\n`, exitCode: 3 });
      const [first, now] = (await page.evaluate(execInPage, "cat /tmp/host; hostname", "")).stdout.trim().split("\n");
      assert.ok(first !== now && /^twin-/.test(now ?? ""), `${first}, ${now}`);
    });

    test("its first load is small, and has nothing of the other architecture", async (t) => {
      const { bytes, files } = firstLoad(server.log, folder, Object.keys(more));
      t.diagnostic(`${bytes} bytes of ${files.length} files in gzip until a VM of ${guest} runs in a page`);
      assert.ok(bytes > 100_000 && bytes <= mostLoaded[guest], JSON.stringify(files));
      const foreign = foreignFiles((await built("pages", "browser")).metafile, guest);
      assert.deepEqual(
        server.log.filter(({ path }) => foreign.includes(path) || path.startsWith("MISSING")),
        [],
      );
    });

    test("what a page saved goes on in Node.js", async () => {
      await page.evaluate(execInPage, "echo of-page >>/tmp/state", "");
      const digest = await page.evaluate(saveInPage);
      // It runs on.
      assert.equal((await page.evaluate(execInPage, "cat /tmp/state", "")).stdout, "of-node\nof-page\n");
      assert.equal(await page.evaluate(endInPage), "closed");
      const vm = await createVm({
        type: "pr",
        snapshot: new Blob([server.put.get("made") as Uint8Array<ArrayBuffer>]),
      });
      try {
        assert.equal((await vm.exec("uname -m; cat /tmp/state")).stdout, `${guest}\nof-node\nof-page\n`);
        assert.match(digest, /^[0-9a-f]{64}$/);
      } finally {
        await vm.close({ grace: 0 });
      }
      assert.deepEqual(errors, []);
    });
  });
}
