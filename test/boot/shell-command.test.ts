/** `unikvm shell` on a real terminal, which Python's pty brings. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { main, noGuest, unikvm } from "./booting.test-support.js";

/** Types at the shell, and prints what it showed; the status last. Every wait is for what is seen. */
const script = `
import fcntl, json, os, pty, shutil, struct, resource, subprocess, sys, termios
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
# Other commands reach it meanwhile. Their statuses, what they said, and what came of it.
def run(*words, input=b"", limit=resource.RLIM_INFINITY):
    def bounded(): resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    done = subprocess.run([*sys.argv[1:3], *words], input=input, capture_output=True, preexec_fn=bounded)
    print(words[0], done.returncode, (done.stdout + done.stderr).decode().replace(str(pid), "PID").replace(here, "HERE"))
here = os.environ["XDG_RUNTIME_DIR"]
def at(path): return os.path.join(here, path)
os.makedirs(at("tree/below")); open(at("tree/below/file"), "w").write("contents"); os.symlink("/nowhere", at("tree/link"))
os.utime(at("tree/below/file"), (981173106, 981173106)); os.chmod(at("tree/below/file"), 0o751)
os.link(at("tree/below/file"), at("tree/below/twice")); os.mkfifo(at("tree/below/pipe"))
run("cp", at("tree"), ":/root")
os.remove(at("tree/below/pipe"))
run("exec", "--pid", str(pid), "--", "sh", "-c", "cd /root/tree/below; stat -c %h file; test file -ef twice && rm twice")
run("exec", "--pid", str(pid), "--cwd", "/root/tree", "--env", "X=y", "--", "sh", "-c", "stat -c '%a %u %y' below/file; readlink link; cat; echo; echo $X >&2; exit 5", input=b"from here")
run("cp", ":/root/tree", at("back"))
print(open(at("back/below/file")).read(), oct(os.stat(at("back/below/file")).st_mode), os.stat(at("back/below/file")).st_mtime, os.readlink(at("back/link")))
run("cp", ":/root/tree/below", at("tree"))
run("cp", at("tree"), ":/root")
run("cp", at("tree"), ":/nowhere/at/all")
run("cp", ":/nothing", here)
run("cp", at("nothing"), ":/root")
run("cp", at("tree/below/file"), ":/root/new/")
run("cp", ":/root/tree/below/file", at("new") + "/")
run("cp", ":/root/tree/below/file", at("new/file"))
run("cp", ":/proc/cpuinfo", at("cpuinfo")); print(open(at("cpuinfo")).read().count("processor"), oct(os.stat(at("cpuinfo")).st_mode)); os.remove(at("cpuinfo"))
os.makedirs(at("latin")); open(os.path.join(os.fsencode(at("latin")), b"\\xe9"), "w").close(); run("cp", at("latin"), ":/root"); shutil.rmtree(at("latin"))
run("exec", "--pid", str(pid), "--", "no-such-program")
run("exec", "--pid", str(pid), "--disk", "x", "--", "true")
print(sorted(os.listdir(here)), sorted(os.listdir(at("tree"))))
run("exec", "--pid", str(pid), "--", "sh", "-c", "ls -A /root /root/tree; mkdir /mnt; mount -t tmpfs -o size=64k none /mnt")
open(at("large"), "wb").write(b"x" * 1000000)
run("exec", "--pid", str(pid), "--", "sh", "-c", "head -c 1000000 /dev/zero > /root/much")
run("cp", ":/root/much", at("much"), limit=100000)
run("exec", "--pid", str(pid), "--", "rm", "/root/much")
run("cp", at("large"), ":/mnt/large")
run("cp", "--pid", str(pid), at("tree/below/file"), ":/mnt/large")
run("cp", ":/mnt/large", at("large"))
print(open(at("large")).read())
# Stopped halfway, in and out, it leaves nothing behind.
open(at("huge"), "wb").truncate(100 << 20)
keys(b"echo w$((1))n; until ls -d /root/.unikvm-cp-* 2>/dev/null; do :; done; echo w$((2))n\\n"); until(b"w1n")
halfway = subprocess.Popen([*sys.argv[1:3], "cp", at("huge"), ":/root"])
until(b"w2n")
halfway.send_signal(2)
print("cp in", halfway.wait())
run("exec", "--pid", str(pid), "--", "sh", "-c", "ls -A /root; head -c 100000000 /dev/zero > /root/huge")
halfway = subprocess.Popen([*sys.argv[1:3], "cp", ":/root/huge", at("there")])
while not any(name.startswith(".unikvm-cp-") for name in os.listdir(here)) and halfway.poll() is None: pass
halfway.send_signal(2)
print("cp out", halfway.wait(), sorted(os.listdir(here)))
run("exec", "--pid", str(pid), "--", "rm", "/root/huge")
saved = subprocess.run([*sys.argv[1:3], "snapshot", "save", "--json", "prepared"], capture_output=True)
print("save", saved.returncode, saved.stderr.decode(), sorted(json.loads(saved.stdout or "{}")))
# Only once they run: the line's editor takes keys for itself.
keys(b"sh -c 'echo r$((1))n; exec sleep 1000'\\n"); until(b"r1n"); keys(b"\\x03"); until(b"# ")
keys(b"sh -c 'echo r$((2))n; exec sleep 1000'\\n"); until(b"r2n"); keys(b"\\x1a"); until(b"Stopped"); until(b"# ")
# A shell says it once, and ends when it is asked again.
keys(b"exit 9\\n"); until(b"stopped jobs"); until(b"# "); keys(b"exit 9\\n")
try:
    while os.read(terminal, 65536): pass
except OSError: pass
print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
# What was saved goes on, and is what it was.
run("exec", "-q", "--snapshot", "prepared", "--", "sh", "-c", "cat /mnt/large; ls /root/tree; exit 6")
run("exec", "-q", "--snapshot", "nothing", "--", "true")
run("snapshot", "restore", "prepared")
`;

/** What it prints. */
const expected = `cp 0 unikvm: "below/pipe" is a device, a pipe or a socket, and left out

exec 0 2

exec 5 751 0 2001-02-03 04:05:06.000000000 +0000
/nowhere
from here
y

cp 0${" "}
contents 0o100751 981173106.0 /nowhere
cp 3 unikvm: HERE/tree/below is there already; remove it, or choose another name

cp 3 unikvm: :/root/tree is there already; remove it, or choose another name

cp 3 unikvm: :/nowhere/at is no folder that is there

cp 3 unikvm: :/nothing is not there

cp 3 unikvm: HERE/nothing is not there

cp 3 unikvm: :/root/new is no folder that is there

cp 3 unikvm: HERE/new is no folder that is there

cp 3 unikvm: HERE/new is no folder that is there

cp 0${" "}
1 0o100444
cp 3 unikvm: EILSEQ: the name of HERE/latin/� is not UTF-8, and so Node.js cannot open it; give it another

exec 127 unikvm: no-such-program cannot be run: the guest has no such program

exec 125 unikvm: --disk is of a VM that is to be made, and --pid names one that runs

['back', 'tree', 'unikvm'] ['below', 'link']
exec 0 /root:
tree

/root/tree:
below
link

exec 0${" "}
cp 3 unikvm: HERE/much cannot be written: file too large

exec 0${" "}
cp 3 unikvm: ENOSPC: no space left on device, upload '/mnt': large

cp 0${" "}
cp 0${" "}
contents
cp in -2
exec 0 tree

cp out -2 ['back', 'huge', 'large', 'tree', 'unikvm']
exec 0${" "}
save 0  ['digest', 'file', 'name', 'size', 'stopped']
status 9
exec 6 contentsbelow
link

exec 125 unikvm: the snapshot HERE/unikvm/snapshots/nothing.snapshot cannot be read: there is no such file or folder

snapshot 3 unikvm: the snapshot is of a VM whose console nobody uses, as unikvm shell and createVm make it; it goes on with unikvm shell --snapshot prepared, unikvm exec --snapshot prepared -- CMD, or createVm({ snapshot })

`;

const noPty =
  process.platform !== "linux"
    ? "written for Linux's terminals"
    : spawnSync("python3", ["-c", "import pty, termios"]).status !== 0 && "python3, which has terminals, is missing";

test("a shell with a terminal: size, interrupt, job control, status", { skip: noGuest || noPty }, () => {
  const runtime = mkdtempSync(join(tmpdir(), "unikvm-shell-"));
  try {
    const { stdout, stderr } = spawnSync("python3", ["-c", script, process.execPath, main, "shell", "-q"], {
      encoding: "utf8",
      timeout: 600_000,
      env: { ...process.env, XDG_RUNTIME_DIR: runtime, XDG_DATA_HOME: runtime },
    });
    assert.equal(stdout, expected, stderr);
  } finally {
    rmSync(runtime, { recursive: true, force: true });
  }
});

/** A shell that ends, and what it has left behind in the terminal; 9: it did not end in 20 seconds. */
const leaving = `
import os, pty, select, signal, sys, time
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
shown = b""
def until(wanted):
    global shown
    while wanted not in shown: shown += os.read(terminal, 65536)
    shown = shown[shown.index(wanted) + len(wanted):]
until(b"# ")
os.write(terminal, b"sleep 1000 & echo m$((1))e\\n"); until(b"m1e"); until(b"# ")
os.write(terminal, b"echo t$((1))s; exit 6\\n"); until(b"t1s")
end = time.time() + 20
while time.time() < end:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done: sys.exit(os.waitstatus_to_exitcode(status))
    if select.select([terminal], [], [], 0.05)[0]:
        try: os.read(terminal, 65536)
        except OSError: time.sleep(0.05)
os.kill(pid, signal.SIGKILL)
sys.exit(9)
`;

test("a shell's end is the end, whoever it has left in the background", { skip: noGuest || noPty }, () => {
  const args = ["-c", leaving, process.execPath, main, "shell", "-q"];
  const { status, stderr } = spawnSync("python3", args, { encoding: "utf8", timeout: 120_000 });
  assert.equal(status, 6, stderr);
});

test("cp says what is wrong where there is no guest to be reached", async () => {
  const runtime = mkdtempSync(join(tmpdir(), "unikvm-shell-"));
  try {
    const env = { ...process.env, XDG_RUNTIME_DIR: runtime };
    const { status, stderr } = spawnSync(process.execPath, [main, "cp", main, ":/root"], { encoding: "utf8", env });
    assert.equal(
      stderr,
      "unikvm: no unikvm runs whose guest could be reached; start one with unikvm run, or unikvm shell\n",
    );
    assert.equal(status, 3);
    assert.equal((await unikvm(["cp", ":", "x"]).finished).status, 2);
  } finally {
    rmSync(runtime, { recursive: true, force: true });
  }
});

test("without a terminal it says so", async () => {
  const { status, stderr } = await unikvm(["shell"]).finished;
  assert.deepEqual(
    [status, stderr],
    [125, "unikvm: shell needs a terminal as its stdin and stdout; for pipes there is unikvm exec\n"],
  );
});
