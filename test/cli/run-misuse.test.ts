/** What `unikvm run` cannot do it says in a sentence, with the right status, without a stack trace and at once. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { makeElf, type TestSegment } from "../../src/vmm/loaders/elf.test-support.js";
import { defaultGuest, type Finished, main, noGuest, unikvm } from "../boot/booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-misuse-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, data: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, data);
  return path;
}

/** A little-endian executable of these segments, entered at the first. */
const elf = (segments: readonly TestSegment[]) =>
  makeElf({ segments, entry: segments[0]?.physical ?? 0n, littleEndian: true });

/** Instruction words, little-endian. */
function code(...words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, index) => view.setUint32(index * 4, word, true));
  return bytes;
}

const branchToSelf = 0x48000000;
const loop = () => file("loop", elf([{ physical: 0x10000n, data: code(branchToSelf) }]));
const run = (...args: string[]): Promise<Finished> => unikvm(["run", "--timeout", "120", ...args]).finished;

function refused({ status, stdout, stderr }: Finished, expectedStatus: number, sentence: RegExp): void {
  assert.equal(stdout, "", "nothing belongs on stdout but the console");
  assert.match(stderr, sentence);
  assert.doesNotMatch(stderr, /^\s+at /m, "a stack trace");
  assert.equal(status, expectedStatus, stderr);
}

test("a usage error", async () => {
  const args = ["--guest-module", "vfio-pci", "--kernel", "vmlinux"];
  refused(await run(...args), 2, /cannot be used with/);
});

test("a kernel that is not there", async () => refused(await run("--kernel", join(folder, "absent")), 3, /absent/));

test("a name that is not UTF-8, which Node cannot pass on", { skip: process.platform === "win32" }, () => {
  const script = `'${process.execPath}' '${main}' run --timeout 20 --kernel "$(printf 'k\\377')"`;
  const { status, stderr } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
  assert.match(stderr, /its name is not UTF-8/);
  assert.equal(status, 3);
});

test("a text file as kernel", async () =>
  refused(await run("--kernel", file("text", "This is no kernel.\n".repeat(100))), 3, /text/));

test("bytes of chance as kernel", async () => {
  for (const seed of [1, 2, 3]) {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => Math.imul(i + seed, 2654435761) >>> 24);
    const refusedAs =
      (expected: RegExp, ...args: string[]) =>
      async () =>
        refused(await run("--kernel", file("chance", bytes), ...args), 3, expected);
    await refusedAs(/chance cannot be loaded: it is no kernel; expected is a vmlinux .*--kernel-format flat$/m)();
    await refusedAs(/it is no kernel; expected is a bzImage/, "--machine", "pc")();
  }
  refused(await run("--kernel", loop(), "--machine", "pc", "--kernel-format", "flat"), 3, /boots no flat image/);
});

test("an empty file as initial RAM disk", async () =>
  refused(
    await run("--kernel", loop(), "--initrd", file("empty-initrd", "")),
    3,
    /the initrd .*empty-initrd is empty/,
  ));

test("text as initial RAM disk, packed or not", async () => {
  const text = "console=hvc0 rdinit=/init\n".repeat(9);
  const packed = new Uint8Array(gzipSync(text.repeat(9999)));
  for (const initrd of [file("text-initrd", text), file("packed-text-initrd", packed)])
    refused(await run("--kernel", loop(), "--initrd", initrd), 3, /the initrd .*text-initrd is a text file/);
});

test("a format of no kernel", async () =>
  refused(await run("--kernel-format", "flat"), 3, /--kernel is, and none was given/));

test("a flat image runs if it is said to be one", async () => {
  const flat = file("flat", code(0x00000048, 0x00000048));
  const { status, stderr } = await run(
    "--timeout",
    "1",
    "--memory",
    "64M",
    "--kernel",
    flat,
    "--kernel-format",
    "flat",
  );
  assert.equal(status, 124, stderr);
});

test("an empty file as kernel", async () => refused(await run("--kernel", file("empty", "")), 3, /empty/));

test("a disk that is not there, is no file, or is used twice", async () => {
  const disk = join(folder, "disk");
  writeFileSync(disk, new Uint8Array(512));
  const qcow2 = join(folder, "disk.qcow2");
  writeFileSync(qcow2, "QFI\xfb no image", "latin1");
  const link = join(folder, "link");
  symlinkSync(disk, link);
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["--disk", join(folder, "absent")], /^unikvm: .*absent cannot be opened: there is no such file$/m],
    [["--disk", folder], /is no regular file, and so no image of a disk/],
    [["--disk", "/dev/zero"], /zero is no regular file/],
    [["--disk", disk, "--disk", link], /link is used twice, and written to/],
    [["--disk", `${disk},readonly`, "--disk", link], /link is used twice, and written to/],
    [["--disk", qcow2], /disk.qcow2 is a qcow2 image of version/],
    [["--disk", `${qcow2},format=raw,backing=${disk}`], /is a raw image, and no overlay of/],
  ];
  for (const [args, message] of cases) refused(await run("--kernel", loop(), ...args), 3, message);
});

test("a port of the host that is taken", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const args = ["--kernel", loop(), "--network", `user,forward=${port}:80`];
    refused(await run(...args), 3, new RegExp(`port ${port} of 127.0.0.1 cannot be taken: .*EADDRINUSE`));
  } finally {
    server.close();
  }
});

test("a disk that another run writes to", async () => {
  const disk = join(folder, "shared");
  writeFileSync(disk, new Uint8Array(512));
  const args = ["run", "--memory", "64M", "--timeout", "60", "--kernel", loop(), "--disk"];
  let first = unikvm([...args, disk]);
  try {
    const busy = () =>
      new RegExp(`^unikvm: .*shared is a disk of the running process ${first.child.pid}; two that write`, "m");
    // The first may not have come so far; then it is refused if it comes while the second has the disk, and begins again.
    let second = await run("--kernel", loop(), "--disk", "/dev/null");
    for (let attempt = 0; attempt < 100 && !busy().test(second.stderr); attempt++) {
      if (first.child.exitCode !== null) first = unikvm([...args, disk]);
      second = await run("--timeout", "1", "--kernel", loop(), "--disk", disk);
    }
    refused(second, 3, busy());
    const reading = await run("--timeout", "1", "--kernel", loop(), "--disk", `${disk},readonly`);
    assert.equal(reading.status, 124, reading.stderr);
  } finally {
    first.child.kill("SIGKILL");
    await first.finished;
  }
  // Who was killed has it no more.
  const after = await run("--timeout", "1", "--kernel", loop(), "--disk", disk);
  assert.equal(after.status, 124, after.stderr);
});

test("a folder as kernel", async () => refused(await run("--kernel", folder), 3, /unikvm: /));

test("a truncated ELF", async () => {
  const whole = elf([{ physical: 0x10000n, data: new Uint8Array(65536) }]);
  for (const length of [20, 63, 100, 1000]) {
    refused(await run("--kernel", file("cut", whole.slice(0, length))), 3, /unikvm: .*cut/);
  }
});

test("an ELF whose segments overlap", async () => {
  const data = new Uint8Array(4096);
  const kernel = file(
    "overlap",
    elf([
      { physical: 0x10000n, data },
      { physical: 0x10800n, data },
    ]),
  );
  refused(await run("--kernel", kernel), 3, /overlap/);
});

test("an ELF whose segment lies outside memory", async () => {
  const data = new Uint8Array(4096);
  for (const physical of [0x1_0000_0000_0000n, 0xffff_ffff_ffff_f000n]) {
    refused(await run("--memory", "64M", "--kernel", file("far", elf([{ physical, data }]))), 3, /unikvm: /);
  }
  const huge = elf([{ physical: 0x10000n, data, memorySize: 0x7fff_ffff_ffff_ffffn }]);
  refused(await run("--kernel", file("huge", huge)), 3, /unikvm: /);
});

test("an ELF of another machine", async () => {
  const bytes = elf([{ physical: 0x10000n, data: code(branchToSelf) }]);
  bytes[18] = 62; // EM_X86_64
  refused(await run("--kernel", file("x86", bytes)), 3, /unikvm: /);
});

test("an initrd larger than memory", async () => {
  const initrd = file("large", new Uint8Array(80 << 20));
  refused(await run("--memory", "64M", "--kernel", loop(), "--initrd", initrd), 3, /initrd/i);
});

test("an initrd that is not there", async () =>
  refused(await run("--kernel", loop(), "--initrd", join(folder, "absent")), 3, /absent/));

test("a module that is not there, that is none, or whose parameter does not parse", async () => {
  const run64 = (module: string) => run("--memory", "64M", "--kernel", loop(), "--module", module);
  refused(await run64(join(folder, "absent.js")), 3, /ENOENT: .*absent.js/);
  refused(
    await run64(file("text.mjs", "This is no module.\n")),
    3,
    /ENOEXEC: .*text.mjs cannot be loaded: it is no JavaScript \(/,
  );
  refused(await run64("kvm,halt_poll_ns=soon"), 3, /`soon' invalid for parameter `halt_poll_ns'/);
  refused(await run64(folder), 3, /ENOEXEC: .* is a folder, and no module's file$/m);
});

test("a parameter that a module has not is ignored, as Linux does, and said", async () => {
  const args = ["run", "--timeout", "1", "--kernel", loop(), "--module", "kvm,halt_pol_ns=0"];
  const { status, stderr } = await unikvm(args).finished;
  assert.match(stderr, /^unikvm: kvm: unknown parameter 'halt_pol_ns' ignored\n/);
  assert.equal(status, 124);
});

test("too little memory", async () => {
  const { status, stdout, stderr } = await run("--memory", "1K", "--kernel", loop());
  assert.ok(status === 2 || status === 3, `${status} ${stderr}`);
  assert.equal(stdout, "");
  assert.match(stderr, /memory/i);
});

test("more memory than can be", async () => {
  const { status, stderr } = await run("--memory", "64G", "--kernel", loop());
  assert.ok(status === 2 || status === 3, `${status} ${stderr}`);
  assert.match(stderr, /memory/i);
  assert.doesNotMatch(stderr, /^\s+at /m);
});

for (const type of ["hv", "pr"]) {
  test(`${type}: a guest that loops for ever ends at its time limit`, async () => {
    const { status } = await unikvm(["run", "--type", type, "--timeout", "2", "--kernel", loop()]).finished;
    assert.equal(status, 124);
  });

  test(`${type}: a guest that jumps to nowhere faults and is ended`, async () => {
    // lis r3, 0x7000; sldi r3, r3, 16; mtctr r3; bctr
    const kernel = file(
      "nowhere",
      elf([{ physical: 0x10000n, data: code(0x3c607000, 0x786383c6, 0x7c6903a6, 0x4e800420) }]),
    );
    const { status, stderr } = await unikvm(["run", "--type", type, "--timeout", "5", "--kernel", kernel]).finished;
    assert.ok(status === 1 || status === 124, `${status} ${stderr}`);
    assert.doesNotMatch(stderr, /^\s+at /m);
  });
}

/** A guest that ends by itself after four instructions. */
function checkstop(): string {
  const jump = [0x3c804000, 0x7c8903a6, 0x4e800420]; // lis 4,0x4000; mtctr 4; bctr: to where there is no memory
  const data = new Uint8Array(0x300);
  const view = new DataView(data.buffer);
  jump.forEach((word, index) => view.setUint32(4 * index, word));
  view.setUint32(0x200, 0x4e800420); // The machine check's handler: bctr.
  return file("checkstop", makeElf({ segments: [{ physical: 0n, data }], entry: 0n }));
}

for (const type of ["hv", "pr"]) {
  for (const threads of ["worker", "single"]) {
    test(`${type}, ${threads}: a guest that checkstops has crashed; that is no failure of unikvm's`, async () => {
      const sentence = /^unikvm: the guest crashed: a machine check .*\(checkstop\) at 0x40000000$/m;
      refused(await run("--type", type, "--threads", threads, "--kernel", checkstop()), 1, sentence);
    });
  }
}

test("a closed stdout ends it quietly", { skip: noGuest }, async () => {
  const running = unikvm(["run", "--timeout", "60", "--kernel", defaultGuest?.kernel ?? ""]);
  await running.see("Linux version");
  running.child.stdout?.destroy();
  const { signal, stderr } = await running.finished;
  assert.equal(signal, null);
  assert.doesNotMatch(stderr, /^\s+at /m);
});

// A guest that loops makes a trace without end; the disk's end is the run's.
const fullDisk = existsSync("/dev/full") ? {} : { skip: "there is no /dev/full" };
for (const threads of ["worker", "single"]) {
  for (const category of ["insn", "mmu"]) {
    test(`a full disk ends a run with --trace ${category} (--threads ${threads})`, fullDisk, async () => {
      const trace = ["--threads", threads, "--trace", category, "--trace-file", "/dev/full"];
      refused(await run("--kernel", loop(), ...trace), 3, /^unikvm: the trace \/dev\/full cannot be written: no space/);
    });
  }
}

test("a trace that cannot be begun", async () => {
  const trace = ["--trace", "mmu", "--trace-file", join(folder, "absent", "trace")];
  refused(await run("--kernel", loop(), ...trace), 3, /^unikvm: the trace cannot go to .*no such file or directory$/m);
});

/** The first characters of a file; nothing if it is not there yet. */
function begins(path: string): string {
  if (!existsSync(path)) return "";
  const [bytes, file] = [Buffer.alloc(4096), openSync(path, "r")];
  try {
    return bytes.toString("utf8", 0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}

test("instructions are traced as text, and a guest cannot tell", async () => {
  const path = join(folder, "instructions");
  const running = unikvm(["run", "--timeout", "300", "--kernel", loop(), "--trace", "insn", "--trace-file", path]);
  const wanted = /^\d+\.\d{3} cpu0 insn 0000000000010000 48000000 b 0x10000$/m;
  let ended = false;
  const finished = running.finished.finally(() => (ended = true));
  // The trace grows for as long as the guest loops: its first page shows it.
  while (!ended && !wanted.test(begins(path))) await sleep(20);
  running.child.kill("SIGTERM");
  const { stderr } = await finished;
  assert.match(begins(path), wanted, stderr);
});

test("--stats prints counters on stderr, aligned", async () => {
  const { stderr } = await run("--kernel", checkstop(), "--stats");
  assert.match(stderr, /^cpu0 {2}decoded +4$/m);
  assert.match(stderr, /^cpu0 {2}tlbMisses +[1-9]\d*$/m);
  assert.match(stderr, /^vm {4}vcpus +1$/m);
});

test("a device that the host has not", async () => {
  const finished = await run("--kernel", loop(), "--device", "vfio-pci,host=0000:00:09.0");
  refused(finished, 3, /the host has no device "0000:00:09.0"; there is edu/);
});

test("a device of the host that no PCI bus takes, from a module of somebody else's", async () => {
  const module = file(
    "mine.mjs",
    `import { defineModule, vfioRegisterGroupDev } from ${JSON.stringify(new URL("../../src/index.js", import.meta.url).href)};
     const nothing = () => {};
     const device = { name: "mine", flags: 0, regions: [], irqs: [], open: nothing, close: nothing, read: nothing, write: nothing };
     export default defineModule({
       name: "mine",
       description: "",
       license: "MIT",
       imports: { register: vfioRegisterGroupDev },
       init: (context) => context.step("register", () => context.imports.register(device, 7, context), (undo) => undo()),
     });`,
  );
  refused(
    await run("--kernel", loop(), "--module", module, "--device", "vfio-pci,host=mine"),
    3,
    /vfio-pci: EINVAL: mine is not a PCI device/,
  );
});

test("a device of the host and a time limit", async () => {
  const finished = await unikvm(["run", "--timeout", "1", "--kernel", loop(), "--device", "vfio-pci,host=edu"])
    .finished;
  refused(finished, 124, /time limit/);
});
