/** What AssemblyScript (`*.as.ts`) imports and does not use: the linter does not read these files, and the compiler does not say. */
import { codeOf, type Source, type Violation } from "./import-rules.js";

const importLists = /\bimport\s*\{([^}]*)\}\s*from\s*(["'])[^"']*\2\s*;?/g;

/** Of one file, in its order. */
export function unusedImports({ path, text }: Source): Violation[] {
  if (!path.endsWith(".as.ts")) return [];
  const code = codeOf(text);
  const rest = code.replace(importLists, " ").replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""');
  const used = new Set(rest.match(/(?<![.\w$])[A-Za-z_$][\w$]*/g));
  return [...code.matchAll(importLists)]
    .flatMap(([, list = ""]) => list.split(","))
    .map(
      (entry) =>
        entry
          .trim()
          .split(/\s+as\s+/)
          .at(-1) ?? "",
    )
    .filter((name) => name !== "" && !used.has(name))
    .map((name) => ({ file: path, message: `imports ${name} and does not use it` }));
}
