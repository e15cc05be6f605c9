/**
 * A tree of modules as its files describe it: modules.dep and the others that depmod writes. Who asks cannot tell
 * whether the modules are a kernel's or the project's own. Source: modules.dep(5), libkmod's look-ups.
 */
import { globMatches } from "./glob.js";
import { moduleNameOf, normaliseAlias } from "./names.js";

/** The text of a tree's files; one that is missing is as good as empty. */
export interface TreeTexts {
  readonly dep: string;
  readonly alias?: string;
  readonly symbols?: string;
  readonly softdep?: string;
  /** modules.builtin: paths. */
  readonly builtin?: string;
  /** modules.builtin.modinfo: fields, each ended by a zero. */
  readonly builtinModinfo?: string;
}

/** A line of modules.dep. Paths are absolute. */
export interface DepLine {
  readonly path: string;
  /** In the order in which they are loaded. */
  readonly dependencies: readonly string[];
}

interface Alias {
  readonly pattern: string;
  /** The pattern's start without anything special: what does not begin so cannot match. */
  readonly start: string;
  readonly module: string;
}

export class ModuleTree {
  /** Where the tree lies, as messages name it. */
  readonly folder: string;
  readonly softdep: string;
  readonly #dep = new Map<string, string>();
  readonly #texts: TreeTexts;
  #aliases: readonly Alias[] | undefined;
  #symbols: readonly Alias[] | undefined;
  #builtinAliases: readonly Alias[] | undefined;
  #builtin: ReadonlySet<string> | undefined;

  constructor(folder: string, texts: TreeTexts) {
    this.folder = folder;
    this.#texts = texts;
    this.softdep = texts.softdep ?? "";
    for (const line of texts.dep.split("\n")) {
      const colon = line.indexOf(":");
      if (colon > 0) this.#dep.set(moduleNameOf(line.slice(0, colon)), line);
    }
  }

  /** Every module's name, in the tree's order. */
  get names(): readonly string[] {
    return [...this.#dep.keys()];
  }

  line(name: string): DepLine | undefined {
    const line = this.#dep.get(name);
    if (line === undefined) return undefined;
    const colon = line.indexOf(":");
    const dependencies = line.slice(colon + 1).split(/[ \t]+/);
    return {
      path: this.#absolute(line.slice(0, colon)),
      dependencies: dependencies
        .filter((path) => path !== "")
        .map((path) => this.#absolute(path))
        .reverse(),
    };
  }

  #absolute(path: string): string {
    return path.startsWith("/") ? path : `${this.folder}/${path}`;
  }

  /** The modules that an alias stands for, in the tree's order. */
  withAlias(alias: string): string[] {
    this.#aliases ??= parseAliases(this.#texts.alias ?? "");
    return matching(this.#aliases, alias);
  }

  /** The same for `symbol:NAME`. */
  withSymbol(alias: string): string[] {
    this.#symbols ??= parseAliases(this.#texts.symbols ?? "");
    return matching(this.#symbols, alias);
  }

  isBuiltin(name: string): boolean {
    this.#builtin ??= new Set((this.#texts.builtin ?? "").split("\n").filter(Boolean).map(moduleNameOf));
    return this.#builtin.has(name);
  }

  /** What a built-in module says of itself; undefined: the tree has no such file. */
  builtinInfo(name: string): (readonly [key: string, value: string])[] | undefined {
    if (this.#texts.builtinModinfo === undefined) return undefined;
    return this.#builtinFields()
      .filter(({ module }) => module === name)
      .map(({ key, value }) => [key, value]);
  }

  #builtinFields() {
    return (this.#texts.builtinModinfo ?? "").split("\0").flatMap((field) => {
      const match = /^([^.]+)\.([^=]+)=([\s\S]*)$/.exec(field);
      return match ? [{ module: match[1] ?? "", key: match[2] ?? "", value: match[3] ?? "" }] : [];
    });
  }

  builtinsWithAlias(alias: string): string[] {
    this.#builtinAliases ??= this.#builtinFields().flatMap(({ module, key, value }) =>
      key === "alias" ? (parseAlias(value, module) ?? []) : [],
    );
    return matching(this.#builtinAliases, alias);
  }

  /** Every alias and symbol with its module, as modprobe's --show-config prints the indexes. */
  indexLines(): string[] {
    this.#aliases ??= parseAliases(this.#texts.alias ?? "");
    this.#symbols ??= parseAliases(this.#texts.symbols ?? "");
    return [this.#aliases, this.#symbols].flatMap((entries) =>
      [...entries]
        .sort((a, b) => (a.pattern < b.pattern ? -1 : a.pattern > b.pattern ? 1 : 0))
        .map(({ pattern, module }) => `alias ${pattern} ${module}`),
    );
  }
}

function parseAliases(text: string): Alias[] {
  return text.split("\n").flatMap((line) => {
    if (!line.startsWith("alias ")) return [];
    const space = line.lastIndexOf(" ");
    return parseAlias(line.slice("alias ".length, space), line.slice(space + 1)) ?? [];
  });
}

function parseAlias(raw: string, module: string): Alias | undefined {
  const pattern = normaliseAlias(raw);
  if (pattern === undefined) return undefined;
  const special = pattern.search(/[*?[\\]/);
  return { pattern, start: special < 0 ? pattern : pattern.slice(0, special), module };
}

function matching(aliases: readonly Alias[], wanted: string): string[] {
  return aliases
    .filter(({ start, pattern }) => wanted.startsWith(start) && globMatches(pattern, wanted))
    .map(({ module }) => module);
}
