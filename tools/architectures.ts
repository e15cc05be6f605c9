/** The architectures whose WebAssembly is built: one row each. Nothing else in the tools names one. */
import { interpreterTarget as powerpc } from "../src/arch/powerpc/engines/interpreter-target.js";
import { tables as powerpcTables } from "../src/arch/powerpc/engines/tables.js";
import { interpreterTarget as x86 } from "../src/arch/x86/engines/interpreter-target.js";
import { tables as x86Tables } from "../src/arch/x86/engines/tables.js";
import { buildInterpreter } from "../src/engine/interpret/build.js";
import type { HandlerSpec, InterpreterTarget } from "../src/engine/interpret/target.js";
import { type ArchitectureTables, assemblyConstants } from "../src/engine/numbers.js";
import { interpreterTarget as tiny, tables as tinyTables } from "../test/engines/tiny/target.js";

/** An architecture as the build sees it. */
export interface Architecture {
  /**
   * Folder that interpreter.wasm and runtime.wasm go to, below dist/. In the sources, its runtime/ has index.as.ts, the
   * run-time library's exports, and target.as.ts, which the engine's half of the library calls.
   */
  readonly folder: string;
  /** Folders of its AssemblyScript. */
  readonly assembly: readonly string[];
  /** Folders of what its interpreter is built from. */
  readonly definitions: readonly string[];
  /** Its guests count on an order of accesses that not every host keeps: there is a form of both files for that. */
  readonly ordered?: boolean;
  /** The text of layout.generated.ts. */
  constants(): string;
  interpreter(shared: boolean): Uint8Array;
}

interface Row<S extends HandlerSpec> extends Pick<Architecture, "folder" | "assembly" | "definitions" | "ordered"> {
  readonly target: InterpreterTarget<S>;
  readonly tables: ArchitectureTables;
}

const architecture = <S extends HandlerSpec>({ target, tables, ...row }: Row<S>): Architecture => ({
  ...row,
  constants: () => assemblyConstants(target, tables),
  interpreter: (shared) => buildInterpreter({ target, shared }),
});

export const architectures: readonly Architecture[] = [
  architecture({
    folder: "src/arch/powerpc/engines",
    assembly: ["src/arch/powerpc"],
    definitions: ["src/arch/powerpc/isa", "src/arch/powerpc/engines"],
    target: powerpc,
    tables: powerpcTables,
  }),
  architecture({
    folder: "src/arch/x86/engines",
    assembly: ["src/arch/x86"],
    definitions: ["src/arch/x86/isa", "src/arch/x86/engines", "src/arch/x86/mmu"],
    ordered: true,
    target: x86,
    tables: x86Tables,
  }),
  // The engine's test that it knows no architecture.
  architecture({
    folder: "test/engines/tiny",
    assembly: ["test/engines/tiny"],
    definitions: ["test/engines/tiny"],
    target: tiny,
    tables: tinyTables,
  }),
];
