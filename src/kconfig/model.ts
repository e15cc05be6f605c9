/**
 * What Kconfig files declare, as the reader leaves it: symbols with their properties, in a tree of menus.
 * Source: Documentation/kbuild/kconfig-language.rst.
 */
export type SymbolType = "bool" | "tristate" | "int" | "hex" | "string";

export const isLogical = (type: SymbolType | undefined): boolean => type === "bool" || type === "tristate";

/** Where something is written. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** A Kconfig file or a configuration that cannot be read; the message begins with the place. */
export class KconfigError extends Error {
  override name = "KconfigError";
  constructor(place: Place | undefined, message: string) {
    super(place ? `${place.file}:${place.line}: ${message}` : message);
  }
}

/** A comparison's sign. */
export type Relation = "=" | "!=" | "<" | "<=" | ">" | ">=";

/** Tristate logic on symbols; expression.ts builds, changes and prints it. */
export type Expression =
  | { readonly op: "symbol"; readonly symbol: ConfigSymbol }
  | { readonly op: "not"; readonly of: Expression }
  | { readonly op: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | { readonly op: Relation; readonly low: ConfigSymbol; readonly high: ConfigSymbol };

/** One property of a symbol, in force where `condition` is not n. */
export type Property = {
  readonly node: MenuNode;
  /** As written; the menus around are added once all is read. */
  condition: Expression | undefined;
} & (
  | { readonly kind: "prompt"; readonly text: string }
  | { readonly kind: "default"; readonly value: Expression }
  | { readonly kind: "select" | "imply"; readonly target: ConfigSymbol }
  | { readonly kind: "range"; readonly low: ConfigSymbol; readonly high: ConfigSymbol }
);

/** An option, a choice, or a constant of an expression. */
export class ConfigSymbol {
  /** Without CONFIG_. A choice may have none. */
  readonly name: string | undefined;
  type: SymbolType | undefined;
  /** Its value is its name: quoted, or y, m or n. */
  readonly constant: boolean;
  readonly isChoice: boolean;
  /** A choice that may be n though it is visible. */
  optional = false;
  readonly properties: Property[] = [];
  /** Where it is declared; a symbol that is only mentioned has none. */
  readonly nodes: MenuNode[] = [];
  /** Of a choice: what can be chosen. */
  readonly values: ConfigSymbol[] = [];
  /** Of a value of a choice: that choice. */
  choice: ConfigSymbol | undefined;
  /** What the declarations depend on, all together; undefined: nothing. */
  dependency: Expression | undefined;
  /** Who selects and who implies it: `SELECTOR && condition`. */
  readonly selectedBy: Expression[] = [];
  readonly impliedBy: Expression[] = [];

  constructor(name: string | undefined, { constant = false, isChoice = false } = {}) {
    this.name = name;
    this.constant = constant;
    this.isChoice = isChoice;
  }

  /** For messages. */
  get title(): string {
    if (this.name !== undefined) return this.name;
    const prompt = this.properties.find((property) => property.kind === "prompt");
    return prompt?.kind === "prompt" ? `the choice "${prompt.text}"` : "a choice";
  }
}

/** A node of the tree: an option, a choice, a menu, a comment, or an `if` (without symbol and title). */
export interface MenuNode {
  readonly place: Place;
  readonly parent: MenuNode | undefined;
  readonly kind: "root" | "config" | "choice" | "menu" | "comment" | "if";
  readonly symbol: ConfigSymbol | undefined;
  /** Of menus and comments. */
  title: string;
  /** What is written at it; then, what it depends on with all around it. */
  dependency: Expression | undefined;
  /** `visible if` of a menu. */
  visibility: Expression | undefined;
  help: string;
  readonly children: MenuNode[];
}
