/** `unikvm run` on a real terminal, which Python's pty brings; and ended by signals. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeElf } from "../../src/vmm/loaders/elf.test-support.js";
import { main } from "../boot/booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-terminal-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const kernel = join(folder, "loop");
const data = Uint8Array.of(0x48, 0, 0, 0); // b .
writeFileSync(kernel, makeElf({ segments: [{ physical: 0x10000n, data }], entry: 0x10000n }));
const command = [process.execPath, main, "run", "--memory", "64M", "--timeout", "100", "--kernel", kernel];

/**
 * Starts what is given on a terminal of its own, and offers: is_raw(); soon(condition), which waits; keys(bytes); cook(),
 * what a shell does while a job of its is stopped; `status`, when it has ended. What the script prints is what is tested.
 */
const helper = `
import os, pty, sys, termios, time, signal
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
status = None
def ended():
    global status
    if status is None:
        done, how = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if done and not os.WIFSTOPPED(how): status = os.waitstatus_to_exitcode(how)
    return status is not None
def stopped():
    return open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] == "T"
def is_raw(): return not termios.tcgetattr(terminal)[3] & (termios.ICANON | termios.ISIG)
def cook():
    attributes = termios.tcgetattr(terminal)
    attributes[3] |= termios.ICANON | termios.ISIG | termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
def soon(condition):
    for i in range(600):
        if condition(): return True
        time.sleep(0.05)
    return False
def keys(text): os.write(terminal, text)
def say(what, value): print(what, value, flush=True)
`;

const noPty =
  process.platform !== "linux"
    ? "written for Linux's terminals"
    : spawnSync("python3", ["-c", "import pty, termios"]).status !== 0 && "python3, which has terminals, is missing";

function onTerminal(script: string): string[] {
  const { stdout, stderr } = spawnSync("python3", ["-c", helper + script, ...command], {
    encoding: "utf8",
    env: { ...process.env, XDG_RUNTIME_DIR: folder },
    timeout: 90_000,
  });
  assert.equal(stderr, "");
  return stdout.trim().split("\n");
}

for (const stop of ["SIGSTOP", "SIGTSTP"]) {
  test(`after ${stop} and fg the terminal hands on every key again`, { skip: noPty }, () => {
    const lines = onTerminal(`
say("raw", soon(is_raw))
os.kill(pid, signal.${stop})
say("stopped", soon(stopped))
${stop === "SIGTSTP" ? 'say("cooked while stopped", not is_raw())' : "cook()"}
os.kill(pid, signal.SIGCONT)
say("raw again", soon(is_raw))
keys(b"\\x03")
time.sleep(1)
say("ended by Ctrl-C", ended())
keys(b"\\x01x")
say("ended", soon(ended))
say("status", status)
say("given back", not is_raw())
`);
    assert.deepEqual(lines, [
      "raw True",
      "stopped True",
      ...(stop === "SIGTSTP" ? ["cooked while stopped True"] : []),
      ...["raw again True", "ended by Ctrl-C False", "ended True", "status 0", "given back True"],
    ]);
  });
}

for (const signal of ["SIGINT", "SIGTERM", "SIGQUIT"]) {
  test(`${signal} gives the terminal back`, { skip: noPty }, () => {
    const lines = onTerminal(`
say("raw", soon(is_raw))
os.kill(pid, signal.${signal})
say("ended", soon(ended))
say("given back", not is_raw())
`);
    assert.deepEqual(lines, ["raw True", "ended True", "given back True"]);
  });
}

test("a terminal that goes away ends the run, and its socket goes", { skip: noPty }, () => {
  const lines = onTerminal(`
say("raw", soon(is_raw))
os.close(terminal)
say("ended", soon(ended))
`);
  assert.deepEqual(lines, ["raw True", "ended True"]);
  assert.deepEqual(readdirSync(join(folder, "unikvm")), []);
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) {
  for (const [when, delay] of [
    ["at once", 0],
    ["while the guest runs", 1500],
  ] as const) {
    test(`${signal}, ${when}, leaves no socket behind`, async () => {
      const runtime = mkdtempSync(join(folder, "run-"));
      const child = spawn(command[0] ?? "", command.slice(1), {
        env: { ...process.env, XDG_RUNTIME_DIR: runtime },
        stdio: "ignore",
      });
      const sockets = () => (existsSync(join(runtime, "unikvm")) ? readdirSync(join(runtime, "unikvm")) : []);
      while (sockets().length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      await new Promise((resolve) => setTimeout(resolve, delay));
      const ended = once(child, "exit");
      child.kill(signal);
      const [status, by] = (await ended) as [number | null, string | null];
      assert.ok(by === signal || (status ?? 0) > 128, `${status} ${by}`);
      assert.deepEqual(sockets(), []);
    });
  }
}
