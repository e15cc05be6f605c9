/** A bundle for pages, in a real browser: a guest runs, and only the code that is needed is downloaded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "puppeteer-core";
import { built } from "../build/building.test-support.js";
import { missing } from "../oracles/oracles.js";
import { filesWith, foreignFiles } from "./first-load.js";
import { type BrowserName, launch } from "./launch.js";
import { openShared, type PageRun, runInPage, runX86InPage } from "./page.js";
import { type StaticServer, serve } from "./server.js";

/** Where each implementation's own code begins. */
const loads = { hv: "src/engine/translate/load.js", pr: "src/engine/interpret/load.js" } as const;
/** What only a translator needs. */
const translation = ["src/engine/translate/translator.js", "src/arch/powerpc/engines/translator-target.js"];
/** Opens an empty page of the bundle. */
async function inPage<T>(
  name: BrowserName,
  isolated: boolean,
  act: (page: Page, server: StaticServer) => Promise<T>,
): Promise<{ result: T; server: StaticServer }> {
  const { folder } = await built("pages", "browser");
  const server = await serve(folder, { isolated });
  const page = await (await launch(name)).newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => void errors.push(String(error)));
  try {
    await page.goto(server.url);
    const result = await act(page, server);
    assert.deepEqual(errors, []);
    return { result, server };
  } finally {
    await page.close();
    server.close();
  }
}

function judge(type: "hv" | "pr", run: PageRun): void {
  assert.equal(run.broken, undefined);
  assert.deepEqual(run.failures, []);
  assert.ok(run.passed > 300, `only ${run.passed} checks`);
  assert.equal(run.regions > 0, type === "hv", `${run.regions} regions`);
}

for (const name of ["chrome", "firefox"] as const) {
  const skip = missing(name);

  for (const type of ["pr", "hv"] as const) {
    const other = type === "pr" ? "hv" : "pr";
    test(`${name}: a page runs a guest on ${type}, and downloads nothing of ${other}`, { skip }, async (t) => {
      const { result, server } = await inPage(name, true, (page) => page.evaluate(runInPage, type, false));
      judge(type, result);
      assert.ok(result.isolated);
      const { metafile } = await built("pages", "browser");
      const foreign = filesWith(metafile, loads[other]);
      const own = filesWith(metafile, loads[type]);
      assert.ok(foreign.length > 0 && own.length > 0);
      for (const log of [result.resources.map(({ path }) => path), server.log.map(({ path }) => path)]) {
        assert.deepEqual(
          log.filter((path) => foreign.includes(path)),
          [],
        );
        assert.ok(log.some((path) => own.includes(path)));
        assert.deepEqual(
          log.filter((path) => path.startsWith("MISSING")),
          [],
        );
      }
      const ofX86 = foreignFiles(metafile, "ppc64le");
      assert.ok(ofX86.length > 0 && !server.log.some(({ path }) => ofX86.includes(path)), "code of x86");
      for (const source of translation) {
        const files = filesWith(metafile, source);
        const downloaded = server.log.some(({ path }) => files.includes(path));
        assert.equal(downloaded, type === "hv", source);
      }
      const bytes = (wanted: RegExp): number =>
        result.resources.reduce((sum, { path, bytes: size }) => sum + (wanted.test(path) ? size : 0), 0);
      t.diagnostic(`openKvm with ${type}: ${bytes(/\.js$/)} bytes of JavaScript, ${bytes(/\.wasm$/)} of WebAssembly`);
      const [js, wasm] = [bytes(/\.js$/), bytes(/\.wasm$/)];
      assert.ok(js > 50_000 && js < 600_000 && wasm > 100_000, `${js}, ${wasm}`);
    });

    test(`${name}: a page runs a guest of x86 on ${type}, and downloads nothing of POWER's`, { skip }, async () => {
      const { result, server } = await inPage(name, true, (page) => page.evaluate(runX86InPage, type));
      assert.equal(result.sum, 55);
      const { metafile } = await built("pages", "browser");
      const ofPower = foreignFiles(metafile, "x86_64");
      assert.ok(ofPower.length > 0);
      for (const paths of [result.downloaded, server.log.map(({ path }) => path)]) {
        assert.ok(paths.some((path) => foreignFiles(metafile, "ppc64le").includes(path)));
        assert.deepEqual(
          paths.filter((path) => ofPower.includes(path) || path.startsWith("MISSING")),
          [],
        );
      }
    });

    test(`${name}: in a page vCPUs have threads on ${type}`, { skip }, async () => {
      const { result, server } = await inPage(name, true, (page) => page.evaluate(runInPage, type, true));
      judge(type, result);
      assert.ok(server.log.some(({ path }) => path === "vcpu-worker.js"));
    });
  }

  test(`${name}: without shared memory a page runs all vCPUs on one thread, and says what is missing`, {
    skip,
  }, async () => {
    const { result } = await inPage(name, false, (page) => page.evaluate(runInPage, "hv", false));
    judge("hv", result);
    assert.ok(!result.isolated);
    const { result: message } = await inPage(name, false, (page) => page.evaluate(openShared));
    assert.match(message, /shared memory|SharedArrayBuffer|cross-origin/i);
  });
}
