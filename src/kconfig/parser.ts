/** Reads Kconfig files into a tree of menus. Source: Documentation/kbuild/kconfig-language.rst. */
import { and, type Expression, type Relation } from "./expression.js";
import { finalize } from "./finalize.js";
import { type Line, linesOf, type Token } from "./lexer.js";
import { type MacroMessages, Macros } from "./macros.js";
import { ConfigSymbol, KconfigError, type MenuNode, type Place, type Property, type SymbolType } from "./model.js";

/** Every option that the files declare. */
export interface Kconfig {
  readonly title: string;
  readonly root: MenuNode;
  /** By name, without CONFIG_; those that are only mentioned too. */
  readonly symbols: ReadonlyMap<string, ConfigSymbol>;
  readonly choices: readonly ConfigSymbol[];
  /** The option that turns tristate on. */
  readonly modules: ConfigSymbol;
}

export interface ReadOptions extends MacroMessages {
  /** Gives the text of a file that `source` names, from the tree's root. Throws if there is none. */
  readonly readFile: (path: string) => string;
  /** What `$(NAME)` stands for where no file assigns it: the environment, for the kernel's tools. */
  readonly variables?: ReadonlyMap<string, string>;
}

const types: Readonly<Record<string, SymbolType>> = {
  bool: "bool",
  boolean: "bool",
  tristate: "tristate",
  int: "int",
  hex: "hex",
  string: "string",
};
/** What begins a statement, and cannot be assigned to. */
const keywords = new Set([
  ...Object.keys(types),
  ...["config", "menuconfig", "choice", "endchoice", "menu", "endmenu", "if", "endif", "comment", "mainmenu", "source"],
  ...["depends", "visible", "def_bool", "def_tristate", "prompt", "default", "select", "imply", "range", "optional"],
  ...["modules", "option", "help", "---help---"],
]);
const relations: readonly string[] = ["=", "!=", "<", "<=", ">", ">="];
const deepest = 64;

/** Reads the file and all that it sources. Throws KconfigError with the place of what is wrong. */
export function readKconfig(path: string, options: ReadOptions): Kconfig {
  const reader = new Reader(options);
  reader.file(path, undefined);
  return reader.end();
}

class Reader {
  readonly #options: ReadOptions;
  readonly #macros: Macros;
  readonly #symbols = new Map<string, ConfigSymbol>();
  readonly #constants = new Map<string, ConfigSymbol>();
  readonly #choices: ConfigSymbol[] = [];
  readonly #root: MenuNode;
  #modules: ConfigSymbol | undefined;
  #title = "Configuration";
  #lines: Line[] = [];
  #next = 0;
  readonly #files: string[] = [];
  /** The menu, choice or `if` that is open. */
  #open: MenuNode;
  /** What properties belong to. */
  #entry: MenuNode | undefined;

  constructor(options: ReadOptions) {
    this.#options = options;
    this.#macros = new Macros(options.variables, options);
    this.#root = node("root", { file: "", line: 0 }, undefined, undefined);
    this.#open = this.#root;
  }

  file(path: string, from: Place | undefined): void {
    if (this.#files.includes(path)) {
      throw new KconfigError(from, `files source each other: ${[...this.#files, path].join(" -> ")}`);
    }
    if (this.#files.length > deepest) throw new KconfigError(from, `files source each other ${deepest} deep`);
    let text: string;
    try {
      text = this.#options.readFile(path);
    } catch (cause) {
      throw new KconfigError(from, `${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
    const outer = [this.#lines, this.#next] as const;
    const opened = this.#open;
    this.#files.push(path);
    this.#lines = linesOf(path, text, this.#macros);
    this.#next = 0;
    for (let line = this.#lines[this.#next++]; line; line = this.#lines[this.#next++]) this.#statement(line);
    if (this.#open !== opened) {
      throw new KconfigError(this.#open.place, `this ${this.#open.kind} has no end${this.#open.kind} in its file`);
    }
    [this.#lines, this.#next] = outer;
    this.#files.pop();
    this.#entry = undefined;
  }

  end(): Kconfig {
    const modules = this.#modules ?? this.#symbol("MODULES");
    const constants = { y: this.#constant("y"), m: this.#constant("m"), n: this.#constant("n") };
    finalize(this.#root, modules, constants, this.#choices);
    return { title: this.#title, root: this.#root, symbols: this.#symbols, choices: this.#choices, modules };
  }

  #symbol(name: string): ConfigSymbol {
    if (name === "y" || name === "m" || name === "n") return this.#constant(name);
    const known = this.#symbols.get(name) ?? new ConfigSymbol(name);
    this.#symbols.set(name, known);
    return known;
  }

  #constant(name: string): ConfigSymbol {
    const known = this.#constants.get(name) ?? new ConfigSymbol(name, { constant: true });
    this.#constants.set(name, known);
    return known;
  }

  #statement(line: Line): void {
    const assignment = line.assignment((word) => keywords.has(word));
    if (assignment) {
      this.#macros.assign(assignment.name, assignment.operator, assignment.value, line.place);
      return;
    }
    const tokens = line.tokens();
    if (tokens.length === 0) return;
    const words = new Words(tokens, line.place, (text, constant) =>
      constant ? this.#constant(text) : this.#symbol(text),
    );
    const keyword = words.word("a keyword");
    const [first] = tokens;
    const plain = first?.kind === "word" && !first.expanded;
    const done = plain && (this.#container(keyword, words, line) || this.#property(keyword, words, line));
    if (!done) throw new KconfigError(line.place, `\`${keyword}\` is no keyword here`);
    words.end();
  }

  /** What opens and closes blocks, and entries. */
  #container(keyword: string, words: Words, { place }: Line): boolean {
    const begin = (kind: MenuNode["kind"], symbol?: ConfigSymbol): MenuNode => {
      const made = node(kind, place, this.#open, symbol);
      this.#open.children.push(made);
      symbol?.nodes.push(made);
      this.#entry = kind === "if" ? undefined : made;
      return made;
    };
    switch (keyword) {
      case "config":
      case "menuconfig": {
        const name = words.word("an option's name");
        if (!/^[A-Za-z0-9_]+$/.test(name)) throw new KconfigError(place, `\`${name}\` is no name for an option`);
        begin("config", this.#symbol(name));
        return true;
      }
      case "choice": {
        const name = words.more ? words.word("the choice's name") : undefined;
        const named = name === undefined ? undefined : this.#choices.find((choice) => choice.name === name);
        const symbol = named ?? new ConfigSymbol(name, { isChoice: true });
        if (!named) this.#choices.push(symbol);
        this.#open = begin("choice", symbol);
        return true;
      }
      case "menu":
        this.#open = begin("menu");
        this.#open.title = words.string();
        return true;
      case "if":
        this.#open = begin("if");
        this.#open.dependency = words.expression();
        return true;
      case "comment":
        begin("comment").title = words.string();
        return true;
      case "endmenu":
      case "endchoice":
      case "endif": {
        const kind = keyword.slice(3);
        if (this.#open.kind !== kind || this.#open.place.file !== place.file) {
          throw new KconfigError(place, `${keyword} without ${kind}`);
        }
        this.#open = this.#open.parent ?? this.#root;
        this.#entry = undefined;
        return true;
      }
      case "mainmenu":
        this.#title = words.string();
        return true;
      case "source":
        this.#entry = undefined;
        this.file(words.path(), place);
        return true;
      default:
        return false;
    }
  }

  #property(keyword: string, words: Words, { place }: Line): boolean {
    const entry = this.#entry;
    if (!entry) return false;
    const symbol = entry.symbol;
    if (keyword === "depends") {
      words.keyword("on");
      entry.dependency = and(entry.dependency, words.expression());
      return true;
    }
    if (keyword === "visible" && entry.kind === "menu") {
      words.keyword("if");
      entry.visibility = and(entry.visibility, words.expression());
      return true;
    }
    if (!symbol) return false;
    const add = (property: Omit<Property, "node" | "condition"> & { kind: Property["kind"] }): void => {
      symbol.properties.push({ ...property, node: entry, condition: words.condition() } as Property);
    };
    const defaultOf = (): void => add({ kind: "default", value: words.expression() } as never);
    const defined = /^def_(bool|tristate)$/.exec(keyword)?.[1];
    const type = types[defined ?? keyword];
    if (type) {
      if (symbol.type && symbol.type !== type) {
        throw new KconfigError(place, `${symbol.title} is ${type} here and ${symbol.type} elsewhere`);
      }
      symbol.type = type;
      if (defined) defaultOf();
      else if (words.more) add({ kind: "prompt", text: words.string() } as never);
      return true;
    }
    switch (keyword) {
      case "prompt":
        add({ kind: "prompt", text: words.string() } as never);
        return true;
      case "default":
        defaultOf();
        return true;
      case "select":
      case "imply":
        add({ kind: keyword, target: this.#symbol(words.word("an option's name")) } as never);
        return true;
      case "range":
        add({ kind: "range", low: words.symbol(), high: words.symbol() } as never);
        return true;
      case "optional":
        if (!symbol.isChoice) return false;
        symbol.optional = true;
        return true;
      case "modules":
        this.#modules = symbol;
        return true;
      case "option":
        if (words.word("an option") !== "modules") throw new KconfigError(place, "only `option modules` is known");
        this.#modules = symbol;
        return true;
      case "help":
      case "---help---":
        entry.help = this.#help();
        return true;
      default:
        return false;
    }
  }

  /** Ends at the first line that is indented less than the first one. */
  #help(): string {
    const out: string[] = [];
    let indent: number | undefined;
    for (; this.#next < this.#lines.length; this.#next++) {
      const raw = (this.#lines[this.#next]?.raw ?? "").replace(/\t/g, "        ");
      if (raw.trim() !== "") {
        const here = raw.search(/\S/);
        indent ??= here;
        if (here < indent || here === 0) break;
      }
      out.push(raw.slice(indent ?? 0));
    }
    return out.join("\n").trim();
  }
}

const node = (
  kind: MenuNode["kind"],
  place: Place,
  parent: MenuNode | undefined,
  symbol: ConfigSymbol | undefined,
): MenuNode => ({
  kind,
  place,
  parent,
  symbol,
  title: "",
  dependency: undefined,
  visibility: undefined,
  help: "",
  children: [],
});

/** The tokens of one line, taken from left to right. */
class Words {
  readonly #tokens: readonly Token[];
  readonly #place: Place;
  readonly #lookup: (text: string, constant: boolean) => ConfigSymbol;
  #at = 0;

  constructor(tokens: readonly Token[], place: Place, lookup: (text: string, constant: boolean) => ConfigSymbol) {
    this.#tokens = tokens;
    this.#place = place;
    this.#lookup = lookup;
  }

  get more(): boolean {
    return this.#at < this.#tokens.length;
  }

  #fail(wanted: string): never {
    const found = this.#tokens[this.#at];
    throw new KconfigError(
      this.#place,
      `${wanted} was expected, not ${found ? `\`${found.text}\`` : "the line's end"}`,
    );
  }

  #take(wanted: string, kinds: readonly Token["kind"][]): string {
    const token = this.#tokens[this.#at];
    if (!token || !kinds.includes(token.kind)) this.#fail(wanted);
    this.#at++;
    return token.text;
  }

  #operator(...texts: string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "operator" || !texts.includes(token.text)) return undefined;
    this.#at++;
    return token.text;
  }

  word(wanted: string): string {
    return this.#take(wanted, ["word"]);
  }

  string(): string {
    return this.#take("a text", ["string", "word"]);
  }

  path(): string {
    return this.#take("a file", ["string", "word"]);
  }

  keyword(text: string): void {
    if (this.#tokens[this.#at]?.text !== text) this.#fail(`\`${text}\``);
    this.#at++;
  }

  condition(): Expression | undefined {
    if (!this.more) return undefined;
    this.keyword("if");
    return this.expression();
  }

  symbol(): ConfigSymbol {
    const constant = this.#tokens[this.#at]?.kind === "string";
    return this.#lookup(this.#take("an option or a value", ["word", "string"]), constant);
  }

  expression(): Expression {
    return this.#chain("||", "or", () => this.#chain("&&", "and", () => this.#unary()));
  }

  #chain(operator: string, op: "and" | "or", operand: () => Expression): Expression {
    let left = operand();
    while (this.#operator(operator)) left = { op, left, right: operand() };
    return left;
  }

  #unary(): Expression {
    if (this.#operator("!")) return { op: "not", of: this.#unary() };
    if (this.#operator("(")) {
      const inner = this.expression();
      if (!this.#operator(")")) this.#fail("`)`");
      return inner;
    }
    const low = this.symbol();
    const relation = this.#operator(...relations);
    return relation ? { op: relation as Relation, low, high: this.symbol() } : { op: "symbol", symbol: low };
  }

  end(): void {
    if (this.more) this.#fail("the line's end");
  }
}
