/**
 * What the engine's AssemblyScript imports of the architecture that it is compiled for. Two files that do not exist, beside
 * it, stand for that: the build gives their text.
 */
import { join, relative } from "node:path/posix";

const engine = "src/engine/runtime";

/** The files by name, and the one in an architecture's runtime/ that each stands for, without ending. */
export const standIns = {
  [`${engine}/layout.target`]: "layout.generated",
  [`${engine}/arch.target`]: "target.as",
} as const satisfies Record<string, string>;

/** The text of such a file for the architecture whose engines are in `folder`; undefined for any other path. */
export function targetFiles(folder: string): (path: string) => string | undefined {
  const texts = new Map(
    Object.entries(standIns).map(([path, file]) => {
      const from = relative(engine, join(folder, "runtime", file));
      return [`${path}.ts`, `export * from "${from}";\n`];
    }),
  );
  return (path) => texts.get(path.replaceAll("\\", "/"));
}
