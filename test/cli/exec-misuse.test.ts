/** What `unikvm exec` is given that is not what it should be: a sentence, the status 125, and nothing left behind. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { defaultGuest, main, noGuest, unikvm } from "../boot/booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-exec-misuse-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, contents: string | Uint8Array = "just a text, of which nothing is made\n"): string {
  const path = join(folder, name);
  writeFileSync(path, contents);
  return path;
}

const subfolder = (name: string): string => {
  mkdirSync(join(folder, name), { recursive: true });
  return join(folder, name);
};

/** What is given, and what is said of it. */
const wrong: readonly (readonly [args: readonly string[], sentence: RegExp])[] = [
  [["--image", file("text.guest")], /text.guest is no guest's file/],
  [["--image", file("text.qcow2")], /text.qcow2 .*(is no qcow2 image|not a qcow2)/i],
  [["--image", join(folder, "none.qcow2")], /none.qcow2 .*no such file/],
  [["--image", "alpine"], /the image "alpine" is of no kind that is known: .* a disk with a root/],
  [["--image", subfolder("folder.img")], /folder.img .*(no regular file|is a folder)/],
  [["--kernel", file("text")], /text .*is a text file, not a kernel/],
  [
    [
      "--kernel",
      file(
        "chance",
        Uint8Array.from({ length: 9999 }, (_, i) => (i * i * 31) >>> 3),
      ),
    ],
    /it is no kernel; expected/,
  ],
  [["--kernel", defaultGuest?.kernel ?? "", "--initrd", file("empty", "")], /the initrd .*empty is empty/],
  [["--kernel", subfolder("folder")], /folder cannot be read: it is a folder/],
  [["--snapshot", file("text.snapshot")], /text.snapshot is no snapshot/],
  [["--snapshot", file("cut.snapshot", "UNIKVMSN")], /cut.snapshot/],
  [["--snapshot", subfolder("folder.snapshot")], /folder.snapshot/],
  [["--disk", join(folder, "text.qcow2")], /text.qcow2/],
  [["--disk", `${join(folder, "text")},backing=${file("other")}`], /text/],
  [["--pid", "1", "--memory", "1G"], /--memory is of a VM that is to be made, and --pid names one that runs/],
  [["--pid", "1", "--cpus", "2"], /--cpus is of a VM/],
  [["--disk", "https://nowhere.invalid/a.img", "--timeout", "60"], /nowhere.invalid/],
];

test("what is no image, kernel, disk or snapshot is told by name", { skip: noGuest, timeout: 200_000 }, async () => {
  for (const [args, sentence] of wrong) {
    const { status, stdout, stderr } = await unikvm(["exec", "-q", ...args, "--", "true"]).finished;
    assert.match(stderr, sentence, args.join(" "));
    assert.match(stderr, /^unikvm: [^\n]+\n$/, args.join(" "));
    assert.deepEqual([status, stdout], [125, ""], args.join(" "));
  }
});

test("what the guest does not have is told, and the cache is not blamed", {
  skip: noGuest,
  timeout: 200_000,
}, async () => {
  for (const [args, sentence, status] of [
    [["--user", "nobody-of-that-name", "--", "true"], /the guest has no user or group of that name/, 125],
    [["--cwd", "/no/such/folder", "--", "true"], /cannot be run in \/no\/such\/folder: no such file or directory/, 125],
    [["--", "/etc/passwd"], /\/etc\/passwd cannot be run: permission denied/, 126],
  ] as const) {
    const finished = await unikvm(["exec", "-q", ...args]).finished;
    assert.match(finished.stderr, sentence);
    assert.equal(finished.status, status);
  }
});

test("a stdin that cannot be read is told, and is no empty one", { skip: noGuest, timeout: 200_000 }, () => {
  for (const [flags, path, reason] of [
    ["r", subfolder("stdin"), "it is a folder"],
    ["w", join(folder, "written"), "bad file descriptor"],
  ] as const) {
    const input = openSync(path, flags);
    const args = [main, "exec", "-q", "--", "sh", "-c", "cat; echo whole"];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      stdio: [input, "pipe", "pipe"],
      encoding: "utf8",
    });
    closeSync(input);
    assert.deepEqual([status, stdout, stderr], [125, "", `unikvm: stdin cannot be read: ${reason}\n`]);
  }
});
