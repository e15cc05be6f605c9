/** What a declared module says of itself: `.modinfo`'s fields, and the module as the resolver sees it. */
import type { Exports, Imports, ModuleDefinition } from "./define-module.js";
import type { GraphModule } from "./graph.js";
import { normalise } from "./namespace.js";
import type { Parameters } from "./parameters.js";

/** "pre: a b post: c". */
function softdepOf({ softdeps = {} }: ModuleDefinition): string[] {
  const part = (name: "pre" | "post") => (softdeps[name]?.length ? [`${name}: ${softdeps[name].join(" ")}`] : []);
  const text = [...part("pre"), ...part("post")].join(" ");
  return text === "" ? [] : [text];
}

/** `path` is the module's file, from the root of its tree. */
export function graphModule(definition: ModuleDefinition, path: string): GraphModule {
  const { name, license, exports = {}, imports = {}, importNamespaces = [], aliases = [] } = definition;
  return {
    name: normalise(name),
    path,
    exports: Object.values(exports as Exports).map(({ symbol, gplOnly = false, namespace }) => ({
      name: symbol.name,
      gplOnly,
      ...(namespace === undefined ? {} : { namespace }),
    })),
    imports: Object.values(imports as Imports).map(({ name: symbol }) => symbol),
    aliases,
    softdeps: softdepOf(definition),
    license,
    importNamespaces,
  };
}

/**
 * What modules.builtin.modinfo has of a module that is linked in. As in the kernel's build, what modpost adds to a module
 * (depends, intree, name, vermagic) is of those that are loaded; `file` is the path that it would have, without ending.
 */
export function builtinModinfo(definition: ModuleDefinition, path: string): [field: string, value: string][] {
  const ofModpost = ["depends", "intree", "name", "vermagic"];
  return modinfo(definition, [])
    .filter(([field]) => !ofModpost.includes(field))
    .flatMap(([field, value]): [string, string][] =>
      field === "license"
        ? [
            ["file", path.replace(/\.js$/, "")],
            [field, value],
          ]
        : [[field, value]],
    );
}

/** `.modinfo`'s fields in the order in which the kernel's build leaves them; `needs` are the modules it depends on. */
export function modinfo(definition: ModuleDefinition, needs: readonly string[]): [field: string, value: string][] {
  const { name, version, description, author, license, aliases = [], importNamespaces = [], params = {} } = definition;
  const optional = (field: string, value: string | undefined): [string, string][] =>
    value === undefined ? [] : [[field, value]];
  return [
    ...optional("version", version),
    ...optional("description", description),
    ...optional("author", author),
    ["license", license],
    ...aliases.map((alias): [string, string] => ["alias", alias]),
    ...softdepOf(definition).map((softdep): [string, string] => ["softdep", softdep]),
    ...importNamespaces.map((namespace): [string, string] => ["import_ns", namespace]),
    ["depends", needs.join(",")],
    ...optional("intree", definition.inTree ? "Y" : undefined),
    ["name", normalise(name)],
    ["vermagic", definition.vermagic],
    ...Object.entries(params as Parameters).flatMap(([parameter, { type, description: text }]): [string, string][] => [
      ["parm", `${parameter}:${text}`],
      ["parmtype", `${parameter}:${type}`],
    ]),
  ];
}
