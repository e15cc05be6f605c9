/** M8: a build of hv only and one of pr only each boot Debian; neither needs the other to be there. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { built } from "../build/building.test-support.js";
import { defaultGuest, implementations, noGuest } from "./booting.test-support.js";

for (const type of implementations) {
  test(`M8: the ${type}-only build boots Debian`, { skip: noGuest }, async () => {
    const { folder } = await built(type, "node");
    const { kernel = "", initrd = "", append: own = "" } = defaultGuest ?? {};
    const append = `${own} quiet unikvm.run="uname -m; grep -c processor /proc/cpuinfo"`;
    // No --type: what is configured in is the default.
    const args = ["run", "--kernel", kernel, "--initrd", initrd, "--append", append, "--timeout", "300"];
    const child = spawn(process.execPath, [join(folder, "unikvm.js"), ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const status = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout.replaceAll("\r", ""), /^ppc64le\n1$/m);
  });
}
