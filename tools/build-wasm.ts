/**
 * Builds the WebAssembly that ships with the package, after TypeScript has been compiled, for each architecture:
 *
 *   runtime/layout.generated.ts            the numbers that AssemblyScript shares with TypeScript
 *   runtime.wasm, runtime.shared.wasm      the run-time library, from *.as.ts of the engine and of the architecture
 *   interpreter.wasm, interpreter.shared.wasm  from the instruction definitions
 *   runtime.ordered.wasm, interpreter.ordered.wasm  of those for shared memory, where hosts may not keep the guests' order
 *
 * In all of them functions that are alike stand together (alike-functions.ts), but in those with names, for profiles.
 * What is up to date (by a hash of what it is made of) is left alone; every file appears whole or not at all.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { vmLayout } from "../src/kvm/layout.js";
import { memoryShared, staticDataEnd, withoutNames } from "../src/wasm/binary.js";
import { orderAccesses } from "../src/wasm/order-accesses.js";
import { alikeTogether } from "./alike-functions.js";
import { type Architecture, architectures } from "./architectures.js";
import { targetFiles } from "./target-files.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
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

/** `name` for both kinds of memory, and ordered. */
const filesOf = ({ folder, ordered }: Architecture, name: string): readonly string[] =>
  ["", ".shared", ...(ordered ? [".ordered"] : [])].map((kind) => join(root, "dist", folder, `${name}${kind}.wasm`));

function writeForms([plain, shared, ordered]: readonly string[], built: Uint8Array, builtShared: Uint8Array): void {
  write(plain as string, built);
  write(shared as string, builtShared);
  if (ordered) write(ordered, orderAccesses(builtShared));
}

async function buildRuntime(architecture: Architecture): Promise<void> {
  const { folder, assembly, constants } = architecture;
  const layoutFile = join(root, folder, "runtime/layout.generated.ts");
  const layout = constants();
  if (!existsSync(layoutFile) || readFileSync(layoutFile, "utf8") !== layout) write(layoutFile, layout);

  const options = [
    "--importMemory",
    ...["--initialMemory", "1", "--maximumMemory", "65536", "--memoryBase", String(vmLayout.runtimeConstants)],
    ...["--runtime", "stub", "--enable", "simd", "--enable", "threads", "--enable", "bulk-memory"],
    // --debug gives the names.
    ...["-O3", "--debug", "--noAssert", "--use", "abort="],
    // Vectors in exports: the callers are WebAssembly.
    ...["--disableWarning", "112"],
  ];
  const targets = filesOf(architecture, "runtime");
  const folders = ["src/engine", ...assembly];
  const sources = [...folders.flatMap((name) => filesUnder(join(root, name), ".as.ts")), layoutFile];
  const stands = targetFiles(folder);
  const how = `${asc.version} ${options.join(" ")} ${keepsNames} ${forms()}`;
  await upToDate(targets, hashOf(sources, how), async () => {
    let binary: Uint8Array | undefined;
    const entry = `${folder}/runtime/index.as.ts`;
    const { error, stderr } = await asc.main([entry, ...options, "--outFile", "runtime.wasm"], {
      readFile: (name, base) => {
        const path = join(root, base, name);
        const stand = stands(relative(root, path));
        if (stand !== undefined) return stand;
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
      throw new Error(`asc could not compile the run-time library of ${folder} (${error?.message ?? "no output"})`);
    const end = staticDataEnd(binary);
    if (end > staticLimit) {
      throw new Error(
        `the constants of the run-time library of ${folder} end at 0x${end.toString(16)}, over 0x${staticLimit.toString(16)}`,
      );
    }
    const built = asKept(binary);
    writeForms(targets, built, memoryShared(built));
  });
}

/** With the functions' names, for profiles: a quarter more of what a user fetches. */
const keepsNames = process.env["UNIKVM_WASM_NAMES"] === "1";
const asKept = (bytes: Uint8Array): Uint8Array => (keepsNames ? bytes : alikeTogether(withoutNames(bytes)));

/** What is made of modules once they are built. */
const forms = (): string =>
  hashOf(
    [...filesUnder(join(root, "dist/src/wasm"), ".js"), join(root, "dist/tools/alike-functions.js")].filter(
      (file) => !file.endsWith(".test.js"),
    ),
    "",
  );

async function buildInterpreter(architecture: Architecture): Promise<void> {
  const { definitions, interpreter } = architecture;
  const targets = filesOf(architecture, "interpreter");
  const folders = [...definitions, "src/engine", "src/semantics", "src/wasm", "src/base"];
  const inputs = [
    ...folders.flatMap((name) => filesUnder(join(root, "dist", name), ".js")),
    join(root, "dist/src/kvm/layout.js"),
  ];
  const relevant = inputs.filter((file) => !file.endsWith(".test.js"));
  await upToDate(targets, hashOf(relevant, `${keepsNames} ${forms()}`), () => {
    writeForms(targets, asKept(interpreter(false)), asKept(interpreter(true)));
  });
}

try {
  for (const architecture of architectures) {
    await buildRuntime(architecture);
    await buildInterpreter(architecture);
  }
} catch (error) {
  process.stderr.write(`build-wasm: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}
