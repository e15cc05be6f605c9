/** The page in docs/examples works as it stands, served by the program beside it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { exportGuest } from "../../guests/index.js";
import { noGuest, root } from "../boot/booting.test-support.js";
import { built } from "../build/building.test-support.js";
import { missing } from "../oracles/oracles.js";
import { launch } from "./launch.js";

const skip = missing("chrome") || noGuest;

test("the example's page boots a guest and shows what a command says", { skip, timeout: 280_000 }, async () => {
  const { folder } = await built("both", "browser");
  await exportGuest(join(folder, "guest.unikvm"), () => undefined);
  copyFileSync(join(root, "docs/examples/page.html"), join(folder, "page.html"));
  const server = spawn(process.execPath, [join(root, "docs/examples/serve-page.mjs"), folder, "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [address] = (await once(server.stdout, "data")) as [Buffer];
    const page = await (await launch("chrome")).newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => void errors.push(String(error)));
    await page.goto(address.toString("utf8").trim());
    await page.waitForFunction('document.querySelector("pre").textContent !== "booting"', { timeout: 240_000 });
    const text = await page.$eval("pre", (pre) => pre.textContent ?? "");
    assert.match(text, /^Linux .* ppc64le/);
    assert.deepEqual(errors, []);
    // What is no name of a file is not found, and ends nothing.
    for (const name of ["%", "nothing"]) {
      assert.equal((await fetch(`${address.toString("utf8").trim()}${name}`)).status, 404, name);
    }
    await page.close();
  } finally {
    server.kill();
  }
});

test("what docs/pages.md shows is that page's program", () => {
  const program = /```js\n(.*?)```/s.exec(readFileSync(join(root, "docs/pages.md"), "utf8"))?.[1] ?? "";
  const page = readFileSync(join(root, "docs/examples/page.html"), "utf8").replaceAll(/^ {2}/gm, "");
  assert.ok(program.includes("createVm") && page.includes(program), "they differ");
});
