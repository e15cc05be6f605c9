/**
 * `npm run build:agent`: compiles the agent and what starts it for each architecture, with Debian's cross compilers. What comes out depends on the
 * source and the compiler alone, so that anybody can make the same bytes again: a test does.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type AgentArchitecture, agentArchitectures, agentFile, type GuestProgram, guestPrograms } from "./index.js";

const sourceFile = (name: string): string => fileURLToPath(new URL(`../../../guests/agent/${name}`, import.meta.url));
const recordFile = (program: GuestProgram): string => sourceFile(`unikvm-${program}.json`);

/** What the program of an architecture was built with, and what came out. */
export interface AgentRecord {
  readonly compiler: string;
  readonly sha256: string;
}

const compilers: Readonly<
  Record<
    AgentArchitecture,
    {
      readonly program: string;
      readonly options: readonly string[];
      readonly debian: string;
      /** It has the kernel's headers only where it looks for them for another architecture. */
      readonly findsHeaders?: false;
    }
  >
> = {
  // Every processor that the machines have runs them.
  ppc64le: {
    program: "powerpc64le-linux-gnu-gcc",
    options: ["-mcpu=power8"],
    debian: "gcc-powerpc64le-linux-gnu, libc6-dev-ppc64el-cross",
  },
  // It is native's name, too.
  x86_64: {
    program: "x86_64-linux-gnu-gcc",
    options: ["-march=x86-64", "-mtune=generic", "-fcf-protection=none"],
    debian: "gcc, libc6-dev; elsewhere gcc-x86-64-linux-gnu, libc6-dev-amd64-cross",
  },
  // The kernel's headers for x86 are the same for both; no library is needed. With arguments and frames in registers it is a thirtieth less.
  i386: {
    program: "x86_64-linux-gnu-gcc",
    options: [
      "-m32",
      "-march=i686",
      "-mtune=generic",
      "-fcf-protection=none",
      "-mregparm=3",
      "-fomit-frame-pointer",
      "-fno-inline-functions-called-once",
    ],
    debian: "gcc, libc6-dev; elsewhere gcc-x86-64-linux-gnu, libc6-dev-amd64-cross",
    findsHeaders: false,
  },
};

/**
 * No library, nothing that depends on where and when it is built. Instructions that are not scheduled are alike where the source is: in
 * gzip, as a page loads it, that is a fiftieth less.
 */
const options = [
  ..."-std=gnu11 -Os -Wall -Wextra -Werror -Wno-unused-parameter -Wno-unused-function -ffreestanding -fno-builtin -fno-schedule-insns2".split(
    " ",
  ),
  ..."-fno-stack-protector -fno-pic -no-pie -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-ident".split(" "),
  ..."-static -nostdlib -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,--gc-sections -s".split(" "),
];

export const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** What the file beside the source says of each architecture. */
export const agentRecords = (program: GuestProgram): Readonly<Record<AgentArchitecture, AgentRecord>> =>
  JSON.parse(readFileSync(recordFile(program), "utf8"));

/** The compiler's own first line; undefined: it is not installed. */
export function compilerVersion(architecture: AgentArchitecture): string | undefined {
  const { status, stdout } = spawnSync(compilers[architecture].program, ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.split("\n")[0] : undefined;
}

/** The folder in which a compiler finds the kernel's headers when it is given no options. Throws an error: there is none. */
function headersOf(program: string): string {
  const { stdout = "" } = spawnSync(program, ["-E", "-"], { input: "#include <asm/unistd.h>\n", encoding: "utf8" });
  const found = /^# 1 "(.*)\/asm\/unistd\.h"/m.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`${program} does not find the kernel's headers (asm/unistd.h)`);
  return found;
}

/** Compiles it into `file`. Throws an error with what the compiler said. */
export function buildAgent(which: GuestProgram, architecture: AgentArchitecture, file: string): void {
  const { program, options: own, debian, findsHeaders = true } = compilers[architecture];
  const headers = findsHeaders ? [] : ["-idirafter", headersOf(program)];
  const what = [...options, ...own, ...headers, "-o", file, sourceFile(`${which}.c`)];
  const { status, stderr, error } = spawnSync(program, what, { encoding: "utf8" });
  if (error) throw new Error(`${program} cannot be run: ${error.message}; Debian has it in ${debian}`);
  if (status !== 0) throw new Error(`${program} could not compile ${which}.c:\n${stderr}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const which of guestPrograms) {
    const records = agentArchitectures.map((architecture) => {
      const file = sourceFile(`unikvm-${which}.${architecture}`);
      buildAgent(which, architecture, file);
      copyFileSync(file, agentFile(architecture, which));
      return [architecture, { compiler: compilerVersion(architecture), sha256: digestOf(readFileSync(file)) }] as const;
    });
    writeFileSync(recordFile(which), `${JSON.stringify(Object.fromEntries(records), null, 2)}\n`);
  }
}
