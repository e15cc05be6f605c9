/**
 * Builds the WebAssembly that ships with the package, after TypeScript has been compiled:
 *
 *   layout.generated.ts                    the numbers of the layout tables, for AssemblyScript
 *   runtime.wasm, runtime.shared.wasm      the run-time library, from *.as.ts
 *   interpreter.wasm, interpreter.shared.wasm  from the instruction definitions
 *
 * What is up to date (by a hash of what it is made of) is left alone; every file appears whole or not at all.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { interpreterTarget } from "../src/arch/powerpc/engines/interpreter-target.js";
import {
  archLayout,
  codePage,
  ExitCode,
  Handler,
  jumpCache,
  Request,
  smallTlb,
  state,
  stateSize,
  tlb,
  trapCode,
  vcpuLayout,
} from "../src/arch/powerpc/engines/layout.js";
import { PendingFloat } from "../src/arch/powerpc/isa/float-pending.js";
import { buildInterpreter } from "../src/engine/interpret/build.js";
import { vmLayout } from "../src/kvm/layout.js";
import { memoryShared, staticDataEnd } from "../src/wasm/binary.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const powerpc = join(root, "src/arch/powerpc");
const output = join(root, "dist/src/arch/powerpc/engines");
/** Constants of the run-time library end where the interpreter's decode tables begin. */
const staticLimit = vmLayout.decodeTables;

function write(path: string, data: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, data);
  renameSync(temporary, path);
}

function filesUnder(folder: string, suffix: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(folder, name))
    .sort();
}

function hashOf(files: readonly string[], more: string): string {
  const hash = createHash("sha256").update(more);
  for (const file of files) hash.update(relative(root, file)).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

/** Runs `make` unless `targets` exist and were made from the same inputs. */
async function upToDate(targets: readonly string[], inputs: string, make: () => Promise<void> | void): Promise<void> {
  const stamp = `${targets[0]}.inputs`;
  const known = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
  if (known === inputs && targets.every((target) => existsSync(target))) return;
  await make();
  write(stamp, inputs);
}

function layoutConstants(): string {
  const lines = [
    "// Written by tools/build-wasm.ts from arch/powerpc/engines/layout.ts, engine/layout.ts and kvm/layout.ts.",
    ...Object.entries(state).map(([name, field]) => `export const S_${name} = ${field.offset};`),
    `export const S_size = ${stateSize};`,
    ...Object.entries(state)
      .filter(([, { count }]) => count > 1)
      .map(([name, { count }]) => `export const N_${name} = ${count};`),
  ];
  const tables: Record<string, Readonly<Record<string, number>>> = {
    EXIT: ExitCode,
    REQUEST: Request,
    PENDINGFLOAT: PendingFloat,
    TRAP: trapCode,
    TLB: tlb,
    SMALLTLB: smallTlb,
    JUMPCACHE: jumpCache,
    CODE: codePage,
    HANDLER: Handler,
    VCPU: vcpuLayout,
    ARCH: archLayout,
    VM: vmLayout,
  };
  for (const [prefix, table] of Object.entries(tables)) {
    for (const [key, value] of Object.entries(table)) lines.push(`export const ${prefix}_${key} = ${value};`);
  }
  return `${lines.join("\n")}\n`;
}

async function buildRuntime(): Promise<void> {
  const layoutFile = join(powerpc, "engines/runtime/layout.generated.ts");
  const layout = layoutConstants();
  if (!existsSync(layoutFile) || readFileSync(layoutFile, "utf8") !== layout) write(layoutFile, layout);

  const options = [
    "--importMemory",
    ...["--initialMemory", "1", "--maximumMemory", "65536", "--memoryBase", String(vmLayout.runtimeConstants)],
    ...["--runtime", "stub", "--enable", "simd", "--enable", "threads", "--enable", "bulk-memory"],
    // --debug keeps the names, for profiles.
    ...["-O3", "--debug", "--noAssert", "--use", "abort="],
    // Vectors in exports: the callers are WebAssembly.
    ...["--disableWarning", "112"],
  ];
  const plain = join(output, "runtime.wasm");
  const shared = join(output, "runtime.shared.wasm");
  const sources = [...filesUnder(powerpc, ".as.ts"), layoutFile];
  await upToDate([plain, shared], hashOf(sources, `${asc.version} ${options.join(" ")}`), async () => {
    let binary: Uint8Array | undefined;
    const entry = relative(root, join(powerpc, "engines/runtime/index.as.ts"));
    const { error, stderr } = await asc.main([entry, ...options, "--outFile", "runtime.wasm"], {
      readFile: (name, base) => {
        const path = join(root, base, name);
        return existsSync(path) ? readFileSync(path, "utf8") : null;
      },
      writeFile: (_name, contents) => {
        if (typeof contents !== "string") binary = contents;
      },
      listFiles: () => [],
    });
    const messages = stderr.toString();
    if (messages) process.stderr.write(messages);
    if (error || !binary)
      throw new Error(`asc could not compile the run-time library (${error?.message ?? "no output"})`);
    const end = staticDataEnd(binary);
    if (end > staticLimit) {
      throw new Error(
        `the run-time library's constants end at 0x${end.toString(16)}, over 0x${staticLimit.toString(16)}`,
      );
    }
    write(plain, binary);
    write(shared, memoryShared(binary));
  });
}

async function buildInterpreters(): Promise<void> {
  const plain = join(output, "interpreter.wasm");
  const shared = join(output, "interpreter.shared.wasm");
  const inputs = [
    ...["isa", "engines"].map((folder) => join(root, "dist/src/arch/powerpc", folder)),
    ...["src/engine", "src/semantics", "src/wasm", "src/base", "src/kvm/layout.js"].map((name) =>
      join(root, "dist", name),
    ),
  ].flatMap((path) => (path.endsWith(".js") ? [path] : filesUnder(path, ".js")));
  const relevant = inputs.filter((file) => !file.endsWith(".test.js"));
  await upToDate([plain, shared], hashOf(relevant, ""), async () => {
    write(plain, buildInterpreter({ target: interpreterTarget, shared: false }));
    write(shared, buildInterpreter({ target: interpreterTarget, shared: true }));
  });
}

try {
  await buildRuntime();
  await buildInterpreters();
} catch (error) {
  process.stderr.write(`build-wasm: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
