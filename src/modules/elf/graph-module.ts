/** An ELF module as the resolver of a tree sees it. */
import type { GraphModule } from "../graph-module.js";
import type { ElfModule } from "./elf-module.js";

/** What the resolver needs of a module's file. What the file lacks is passed over without a word. */
export function graphModule(file: Pick<GraphModule, "name" | "path">, module: ElfModule): GraphModule {
  const info = orNothing(() => module.info());
  const imports = orNothing(() => module.imports);
  const values = (wanted: string) => info.filter(([key]) => key === wanted).map(([, value]) => value);
  const [license] = values("license");
  return {
    name: file.name,
    path: file.path,
    exports: module.exports,
    imports: imports.map(({ name }) => name),
    weakImports: new Set(imports.filter(({ weak }) => weak).map(({ name }) => name)),
    importCrcs: new Map(imports.map(({ name, crc }) => [name, crc])),
    aliases: values("alias"),
    softdeps: values("softdep"),
    weakdeps: values("weakdep"),
    depends: values("depends")
      .flatMap((names) => names.split(","))
      .filter((name) => name !== ""),
    ...(license !== undefined && { license }),
    importNamespaces: values("import_ns"),
  };
}

function orNothing<T>(read: () => readonly T[]): readonly T[] {
  try {
    return read();
  } catch {
    return [];
  }
}
