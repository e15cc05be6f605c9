/** `unikvm shell` on a real terminal, which Python's pty brings. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { main, noGuest, unikvm } from "./booting.test-support.js";

/** Types at the shell, and prints what it showed; the status last. Every wait is for what is seen. */
const script = `
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
def size(rows, columns): fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
size(30, 100)
shown = b""
def until(wanted):
    global shown
    while wanted not in shown:
        try: more = os.read(terminal, 65536)
        except OSError: more = b""
        if not more: print(shown.decode(errors="replace")); sys.exit("it ended before %r" % wanted)
        shown += more
    shown = shown[shown.index(wanted) + len(wanted):]
def keys(text): os.write(terminal, text)
until(b"# ")
keys(b"stty size; echo a$((1))b\\n"); until(b"30 100"); until(b"a1b")
size(11, 44)
keys(b"sleep 0.2; stty size\\n"); until(b"11 44")
# Only once they run: the line's editor takes keys for itself.
keys(b"sh -c 'echo r$((1))n; exec sleep 1000'\\n"); until(b"r1n"); keys(b"\\x03"); until(b"# ")
keys(b"sh -c 'echo r$((2))n; exec sleep 1000'\\n"); until(b"r2n"); keys(b"\\x1a"); until(b"Stopped"); until(b"# ")
# A shell says it once, and ends when it is asked again.
keys(b"exit 9\\n"); until(b"stopped jobs"); until(b"# "); keys(b"exit 9\\n")
try:
    while os.read(terminal, 65536): pass
except OSError: pass
print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

const noPty =
  process.platform !== "linux"
    ? "written for Linux's terminals"
    : spawnSync("python3", ["-c", "import pty, termios"]).status !== 0 && "python3, which has terminals, is missing";

test("a shell with a terminal: size, interrupt, job control, status", { skip: noGuest || noPty }, () => {
  const { stdout, stderr } = spawnSync("python3", ["-c", script, process.execPath, main, "shell", "-q"], {
    encoding: "utf8",
    timeout: 300_000,
  });
  assert.equal(stdout, "status 9\n", stderr);
});

test("without a terminal it says so", async () => {
  const { status, stderr } = await unikvm(["shell"]).finished;
  assert.deepEqual(
    [status, stderr],
    [125, "unikvm: shell needs a terminal as its stdin and stdout; for pipes there is unikvm exec\n"],
  );
});
