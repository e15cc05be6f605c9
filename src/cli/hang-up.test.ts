/** A process whose terminal, which Python's pty brings, is closed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

/** Starts a program on a terminal, closes that once the program has said something, and prints what ended it. */
const script = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
    os.execv(sys.argv[1], sys.argv[1:])
while b"up" not in os.read(terminal, 65536): pass
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

const noPty =
  process.platform !== "linux"
    ? "written for Linux's terminals"
    : spawnSync("python3", ["-c", "import pty, termios"]).status !== 0 && "python3, which has terminals, is missing";

test("it ends by SIGHUP, after what else is done at its end, and not as a fault of Node.js's", { skip: noPty }, (t) => {
  const module = new URL("./hang-up.js", import.meta.url).href;
  const folder = mkdtempSync(join(tmpdir(), "unikvm-hang-up-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const mark = join(folder, "mark");
  const program = `
    import { writeFileSync } from "node:fs";
    const { endWithTerminal } = await import(${JSON.stringify(module)});
    endWithTerminal();
    process.on("exit", () => writeFileSync(${JSON.stringify(mark)}, "done"));
    process.on("SIGHUP", () => process.exit(3));
    process.stdin.on("error", () => process.exit(4)).on("end", () => process.exit(5)).resume();
    console.log("up");`;
  const args = ["-c", script, process.execPath, "--input-type=module", "-e", program];
  const { stdout, stderr } = spawnSync("python3", args, { encoding: "utf8", timeout: 60_000 });
  assert.equal(stdout, "-1\n", stderr);
  assert.equal(readFileSync(mark, "utf8"), "done");
});
