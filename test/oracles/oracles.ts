/**
 * The programs of others that tests compare with, or make their guests with: which Debian package brings each, and whether
 * it works here. Half an oracle is none: each is tried as the tests use it, a compiler by compiling, a machine by starting.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** A known fault of an oracle, with who judges in its place. */
export interface Judged {
  /**
   * "FILE.txt: NAME" is a case in test/engines/cases, "selftest: NAME" a test of guests/selftest, "PATH.test.ts: NAME" any
   * other: each says what is right by the specification, and fails when we are wrong.
   */
  readonly judge: string;
}

interface Oracle {
  /** Debian's packages of what it needs, for a reader who wants the test to run. */
  readonly debian: string;
  /** What keeps it from working, or undefined. */
  readonly complaint: () => string | undefined;
}

/** Runs a program to its end; what it says if it does not end well. */
function attempt(program: string, args: readonly string[], input = ""): string | undefined {
  const { status, signal, stderr, error } = spawnSync(program, args, { encoding: "utf8", input, timeout: 60_000 });
  if (status === 0) return undefined;
  if ((error as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return `${program} is not installed`;
  const lines = stderr.split("\n").filter((line) => line.trim());
  const line = lines.find((one) => /error|cannot|could not/i.test(one)) ?? lines[0];
  return `${program} does not work: ${line?.trim() ?? `it ended with ${signal ?? `status ${status}`}`}`;
}

const version = (program: string) => attempt(program, ["--version"]);

/** Compiles and links a program; what the compiler says if it cannot. */
function compile(program: string, source: string, args: readonly string[]): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-oracle-"));
  try {
    writeFileSync(join(folder, "probe.c"), source);
    return attempt(program, ["-O1", ...args, "-static", "-o", join(folder, "probe"), join(folder, "probe.c")]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const bare = (program: string) =>
  compile(program, "void _start(void) { for (;;); }\n", ["-ffreestanding", "-nostdlib", "-no-pie", "-mabi=elfv2"]);
const hosted = (program: string) =>
  compile(program, '#include <stdio.h>\nint main(void) { return puts("probe") < 0; }\n', []);

/** The first of these programs in PATH. */
export const inPath = (names: readonly string[]): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => existsSync(path));

/** Browsers by Debian's names, and what others call the same. */
export const browsers = {
  chrome: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
  firefox: ["firefox-esr", "firefox"],
} as const;

const browser = (names: readonly string[]) => {
  const path = inPath(names);
  return path === undefined ? `none of ${names.join(", ")} is installed` : version(path);
};

/** The kernel's conf of Debian's linux-kbuild packages, which are not in PATH. `folder` is given by a test of this. */
export function kernelConf(folder = "/usr/lib"): string | undefined {
  return (existsSync(folder) ? readdirSync(folder) : [])
    .filter((name) => name.startsWith("linux-kbuild-"))
    .map((name) => join(folder, name, "scripts/kconfig/conf"))
    .find((path) => existsSync(path));
}

/** A machine that is made and not started needs what it would run. */
const qemuSystem = () =>
  ["pseries", "pseries,x-vof=on"]
    .map((machine) =>
      attempt(
        "qemu-system-ppc64",
        ["-M", machine, "-cpu", "power9", "-nodefaults", "-display", "none", "-S", "-monitor", "stdio"],
        "quit\n",
      ),
    )
    .find((complaint) => complaint !== undefined);

export const oracles = {
  qemuSystem: { debian: "qemu-system-ppc, qemu-system-data", complaint: qemuSystem },
  qemuLittleEndian: { debian: "qemu-user", complaint: () => version("qemu-ppc64le") },
  qemuBigEndian: { debian: "qemu-user", complaint: () => version("qemu-ppc64") },
  bigEndianCompiler: {
    debian: "gcc-powerpc64-linux-gnu, binutils-powerpc64-linux-gnu",
    complaint: () => bare("powerpc64-linux-gnu-gcc"),
  },
  bigEndianLibrary: {
    debian: "gcc-powerpc64-linux-gnu, libc6-dev-ppc64-cross",
    complaint: () => hosted("powerpc64-linux-gnu-gcc"),
  },
  littleEndianLibrary: {
    debian: "gcc-powerpc64le-linux-gnu, libc6-dev-ppc64el-cross",
    complaint: () => hosted("powerpc64le-linux-gnu-gcc"),
  },
  objdump: { debian: "binutils-powerpc64le-linux-gnu", complaint: () => version("powerpc64le-linux-gnu-objdump") },
  objdumpX86: {
    debian: "binutils",
    complaint: () => attempt("objdump", ["-b", "binary", "-m", "i386:x86-64", "-D", fileURLToPath(import.meta.url)]),
  },
  qemuX86: {
    debian: "qemu-system-x86",
    complaint: () =>
      attempt(
        "qemu-system-x86_64",
        ["-M", "pc", "-nodefaults", "-display", "none", "-S", "-monitor", "stdio"],
        "quit\n",
      ),
  },
  compilerX86: {
    debian: "gcc, binutils",
    complaint: () =>
      compile("gcc", "void _start(void) { for (;;); }\n", ["-ffreestanding", "-nostdlib", "-no-pie", "-m64"]) ??
      version("ld"),
  },
  compilerI386: {
    debian: "gcc, binutils",
    complaint: () =>
      compile("gcc", "void _start(void) { for (;;); }\n", ["-ffreestanding", "-nostdlib", "-no-pie", "-m32"]),
  },
  kmod: {
    debian: "kmod",
    complaint: () => ["depmod", "modprobe", "modinfo"].map(version).find((s) => s !== undefined),
  },
  conf: {
    debian: "linux-kbuild-6.1",
    // Without an argument it says how it is used; a library that it lacks is told by the loader.
    complaint: () => {
      const conf = kernelConf();
      if (conf === undefined) return "the kernel's conf is not installed";
      return spawnSync(conf, ["--help"], { encoding: "utf8" }).stdout?.includes("--olddefconfig")
        ? undefined
        : `${conf} does not work`;
    },
  },
  qemuImg: {
    debian: "qemu-utils",
    complaint: () => ["qemu-img", "qemu-io"].map(version).find((s) => s !== undefined),
  },
  mke2fs: { debian: "e2fsprogs", complaint: () => attempt("mke2fs", ["-V"]) },
  packers: {
    debian: "xz-utils, zstd, lz4",
    complaint: () => ["xz", "zstd", "lz4"].map(version).find((s) => s !== undefined),
  },
  iasl: { debian: "acpica-tools", complaint: () => attempt("iasl", ["-v"]) },
  cpio: { debian: "cpio", complaint: () => version("cpio") },
  chrome: { debian: "chromium", complaint: () => browser(browsers.chrome) },
  firefox: { debian: "firefox-esr", complaint: () => browser(browsers.firefox) },
} as const satisfies Readonly<Record<string, Oracle>>;
export type OracleName = keyof typeof oracles;

const answers = new Map<OracleName, string | false>();

/** Given to a test's `skip`: why these cannot be asked, and which packages bring them; or false. Each is tried once. */
export function missing(...names: readonly OracleName[]): string | false {
  for (const name of names) {
    let answer = answers.get(name);
    if (answer === undefined) {
      const { complaint, debian }: Oracle = oracles[name];
      const text = complaint();
      answer = text === undefined ? false : `${text} (Debian: ${debian})`;
      answers.set(name, answer);
    }
    if (answer !== false) return answer;
  }
  return false;
}
