/**
 * How a module is declared: who it is, what it exports, what it imports, how it comes and goes. Declaring one does
 * nothing; a loader brings it up. Sources: include/linux/module.h, include/linux/export.h.
 */
import { thisPackage } from "../base/package.js";
import {
  anything,
  boolean,
  callback,
  having,
  listOf,
  oneOf,
  optional,
  options,
  recordOf,
  taking,
  text,
} from "../base/takes.js";
import { type Parameters, type ParameterValues, parameterTypes } from "./parameters.js";

/** The type that a symbol stands for; it exists for the compiler only. */
declare const type: unique symbol;

/** A symbol as a header declares it: its name, and what it is. Exporter and importer name the same one. */
export interface SymbolDeclaration<T> {
  /** As in the kernel: letters, digits, underscores. */
  readonly name: string;
  readonly [type]?: T;
}

/** `declareSymbol<(id: number) => void>("vac_free")`: what `extern` is in the kernel's headers. */
export const declareSymbol = taking(
  "declareSymbol",
  { name: text },
  <T>(name: string): SymbolDeclaration<T> => ({ name }),
);

/** Who may import a symbol. */
export interface ExportTerms {
  /** EXPORT_SYMBOL_GPL: only for modules whose licence is compatible with the GPL. */
  readonly gplOnly?: boolean;
  /**
   * EXPORT_SYMBOL_NS: importers must name it in `importNamespaces`. `module:kvm,kvm-*` (EXPORT_SYMBOL_FOR_MODULES): only
   * modules of these names may import it, and no declaration opens it to others.
   */
  readonly namespace?: string;
}

/** A symbol that a module exports, and on which terms. */
export interface Export<T> extends ExportTerms {
  /** Which. */
  readonly symbol: SymbolDeclaration<T>;
}

/** EXPORT_SYMBOL: says that a module exports `symbol`, and on which terms. EINVAL: no symbol. */
export const exportSymbol = taking(
  "exportSymbol",
  {
    symbol: having({ name: text }),
    terms: optional(options({ gplOnly: optional(boolean), namespace: optional(text) })),
  },
  <T>(symbol: SymbolDeclaration<T>, terms: ExportTerms = {}): Export<T> => ({ symbol, ...terms }),
);

/** By the name that the module itself uses. */
export type Imports = Readonly<Record<string, SymbolDeclaration<unknown>>>;
/** By the names under which init returns their values. */
export type Exports = Readonly<Record<string, Export<unknown>>>;

/** What the symbols that a module imports stand for, by the names that it uses. */
export type ImportValues<I extends Imports> = {
  readonly [K in keyof I]: I[K] extends SymbolDeclaration<infer T> ? T : never;
};
/** What init must return: a value for each export. */
export type ExportValues<E extends Exports> = [keyof E] extends [never]
  ? unknown
  : string extends keyof E
    ? unknown
    : { readonly [K in keyof E]: E[K] extends Export<infer T> ? T : never };

/** What keeps a loaded module from being removed: what others are given as the owner of code that they are to call. */
export interface ModuleReference {
  /** Takes a reference on the module; false if it is leaving, or not up yet. */
  tryGet(): boolean;
  /** Gives a reference back. */
  put(): void;
}

/** What a module's init and exit are given. */
export interface ModuleContext<I extends Imports = Imports, P extends Parameters = Parameters> extends ModuleReference {
  /** The module's. */
  readonly name: string;
  /** The providers' values, bound when the module was loaded. The providers stay until this module has gone. */
  readonly imports: ImportValues<I>;
  /** The parameters as they are now: the administrator may change one while the module lives. */
  readonly parameters: ParameterValues<P>;
  /** Says in the log that something happened. */
  log(level: "error" | "warning" | "info", message: string): void;
  /**
   * Names the next thing that init does and may fail in. What it acquires is given back by `undo`: in reverse order if a
   * later step fails, or after exit when the module is removed.
   */
  step<T>(name: string, act: () => T | Promise<T>, undo?: (value: T) => void): Promise<T>;
  /** Part of init that may fail by itself: if `act` fails, what its steps acquired is given back and the error thrown. */
  attempt<T>(act: () => Promise<T>): Promise<T>;
  /** Whether the module is live: its init has ended and its exit has not begun. */
  live(): boolean;
  /** /dev/NAME is the module's, until what this returns is called. EINVAL: no such name. EEXIST: another module's. */
  createNode(name: string): () => void;
}

/** Modules that are loaded along with this one if they are there: MODULE_SOFTDEP. */
export interface SoftDependencies {
  /** Before it. */
  readonly pre?: readonly string[];
  /** After it. */
  readonly post?: readonly string[];
}

/** What a module says of itself: MODULE_* of the kernel, its symbols and parameters, init and exit. */
export interface ModuleDeclaration<I extends Imports, E extends Exports, P extends Parameters, Offer> {
  /** By which it is loaded; dashes and underscores are the same. */
  readonly name: string;
  /** MODULE_DESCRIPTION. */
  readonly description: string;
  /** As MODULE_LICENSE takes it ("GPL", "Dual MIT/GPL", "Proprietary"), or an SPDX expression. */
  readonly license: string;
  /** MODULE_AUTHOR. */
  readonly author?: string;
  /** MODULE_VERSION. */
  readonly version?: string;
  /** Part of unikvm itself; others taint the kernel (O). */
  readonly inTree?: boolean;
  /** MODULE_ALIAS: other names, by which it is found, too. */
  readonly aliases?: readonly string[];
  /** MODULE_SOFTDEP. */
  readonly softdeps?: SoftDependencies;
  /** module_param: by name. */
  readonly params?: P;
  /** Symbols of other modules, by the names that this one uses. modprobe loads who exports them. */
  readonly imports?: I;
  /** MODULE_IMPORT_NS. */
  readonly importNamespaces?: readonly string[];
  /** By the names under which init returns their values. */
  readonly exports?: E;
  /** A group of which one is loaded at a time: its members may export the same symbols. */
  readonly alternative?: string;
  /** Brings it up. Returns the values of its exports, visible to others once it is live. Throws KvmError to refuse. */
  init(context: ModuleContext<I, P>): Promise<Offer> | Offer;
  /** Called first when it is removed; what its steps acquired is given back after. */
  exit?(context: ModuleContext<I, P>): void;
}

/** A declared module. */
export interface ModuleDefinition<
  I extends Imports = Imports,
  E extends Exports = Exports,
  P extends Parameters = Parameters,
  Offer = unknown,
> extends ModuleDeclaration<I, E, P, Offer> {
  /** Which unikvm it was declared with; another's loader refuses it unless forced. */
  readonly vermagic: string;
}

/** What the build puts into every module it makes: modules and loader must come from the same minor version. */
export const vermagicOf = (version: string): string => `unikvm ${version.split(".").slice(0, 2).join(".")}`;

const names = optional(listOf(text));
const declaration = options({
  name: text,
  description: text,
  license: text,
  author: optional(text),
  version: optional(text),
  inTree: optional(boolean),
  aliases: names,
  softdeps: optional(options({ pre: names, post: names })),
  params: optional(
    recordOf(
      options({
        type: oneOf(...parameterTypes),
        default: anything,
        description: text,
        writable: optional(boolean),
      }),
    ),
  ),
  imports: optional(recordOf(having({ name: text }))),
  importNamespaces: names,
  exports: optional(recordOf(having({ symbol: having({ name: text }) }))),
  alternative: optional(text),
  // Of who declares it for another version.
  vermagic: optional(text),
  init: callback,
  exit: optional(callback),
});

/**
 * Declares a module. What `init` is given is typed by `imports` and `params`, what it returns is checked against
 * `exports`. EINVAL: something is missing, of a wrong type, or nothing that a module has.
 */
export const defineModule = taking("defineModule", { declaration }, define);

function define<
  const I extends Imports = Record<never, never>,
  const E extends Exports = Record<never, never>,
  const P extends Parameters = Record<never, never>,
  Offer extends ExportValues<E> = ExportValues<E>,
>(declaration: ModuleDeclaration<I, E, P, Offer>): ModuleDefinition<I, E, P, Offer> {
  return { vermagic: vermagicOf(thisPackage.version), ...declaration };
}
