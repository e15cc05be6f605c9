import { branchHints, Kind } from "./binary.js";
import { ByteWriter } from "./bytes.js";
import { type BranchHint, FunctionBuilder, type ValueType, valueTypeCode } from "./function-builder.js";
import { Op } from "./opcodes.js";

/** The binary format's names: magic and version; sections; what is imported or exported; types; a memory's limits. */
const preamble = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const Section = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  export: 7,
  element: 9,
  code: 10,
  data: 11,
} as const;
const functionType = 0x60;
const functionReference = 0x70;
/** A table's limits without a maximum; a memory's with one, and shared. */
const Limits = { minimum: 0, maximum: 1, sharedMaximum: 3 } as const;
/** Elements of table 0, or of the one whose index follows, which then names the kind of element too. */
const Elements = { ofTable0: 0, ofTable: 2, functions: 0 } as const;
/** Data of memory 0 at an offset. */
const activeData = 0;
/** What the custom section of branch hints says of one. */
const Hint = { unlikely: 0, likely: 1 } as const;
/** The part of the name section that names functions. */
const functionNames = 1;

interface DeclaredFunction {
  readonly type: number;
  readonly name: string;
  body: Uint8Array | undefined;
  hints: readonly BranchHint[];
}

/** The expression that says where elements or data go. */
function offset(w: ByteWriter, value: number): void {
  w.byte(Op["i32.const"]);
  w.s32(value);
  w.byte(Op.end);
}

/** Assembles a WebAssembly module. Imports first: a function's index is fixed when it is declared. */
export class ModuleBuilder {
  readonly #types: string[] = [];
  readonly #typeBytes: Uint8Array[] = [];
  readonly #imports = new ByteWriter();
  #importCount = 0;
  readonly #importNames: string[] = [];
  readonly #functions: DeclaredFunction[] = [];
  readonly #tables: { minimum: number }[] = [];
  #importedTables = 0;
  readonly #exports = new ByteWriter();
  #exportCount = 0;
  readonly #elements: { table: number; offset: number; functions: readonly number[] }[] = [];
  readonly #data: { offset: number; bytes: Uint8Array }[] = [];

  /** Index of a function type. */
  type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join(",")}>${results.join(",")}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    const w = new ByteWriter();
    w.byte(functionType);
    w.u32(params.length);
    for (const p of params) w.byte(valueTypeCode[p]);
    w.u32(results.length);
    for (const r of results) w.byte(valueTypeCode[r]);
    this.#typeBytes.push(w.take());
    return this.#types.push(key) - 1;
  }

  importFunction(module: string, name: string, params: readonly ValueType[], results: readonly ValueType[]): number {
    if (this.#functions.length > 0) throw new Error("import functions before declaring any");
    this.#imports.name(module);
    this.#imports.name(name);
    this.#imports.byte(Kind.function);
    this.#imports.u32(this.type(params, results));
    this.#importCount++;
    return this.#importNames.push(name) - 1;
  }

  /** @param minimum pages of 64 KiB. */
  importMemory(module: string, name: string, minimum: number, maximum: number, shared: boolean): void {
    this.#imports.name(module);
    this.#imports.name(name);
    this.#imports.byte(Kind.memory);
    this.#imports.byte(shared ? Limits.sharedMaximum : Limits.maximum);
    this.#imports.u32(minimum);
    this.#imports.u32(maximum);
    this.#importCount++;
  }

  importTable(module: string, name: string, minimum: number): number {
    this.#imports.name(module);
    this.#imports.name(name);
    this.#imports.byte(Kind.table);
    this.#imports.byte(functionReference);
    this.#imports.byte(Limits.minimum);
    this.#imports.u32(minimum);
    this.#importCount++;
    return this.#importedTables++;
  }

  /** A table of the module's own, of that many function references. */
  table(minimum: number): number {
    this.#tables.push({ minimum });
    return this.#importedTables + this.#tables.length - 1;
  }

  /** Declares a function to be defined later; returns its index. */
  declare(name: string, params: readonly ValueType[], results: readonly ValueType[]): number {
    this.#functions.push({ type: this.type(params, results), name, body: undefined, hints: [] });
    return this.#importNames.length + this.#functions.length - 1;
  }

  /** `hints` are those of a body that is finished. */
  define(index: number, body: FunctionBuilder | Uint8Array, hints: readonly BranchHint[] = []): void {
    const f = this.#functions[index - this.#importNames.length];
    if (!f) throw new Error(`function ${index} is imported`);
    const finished = body instanceof FunctionBuilder ? body.finishLinkable() : { body, hints };
    f.body = finished.body;
    f.hints = finished.hints;
  }

  exportFunction(name: string, index: number): void {
    this.#exports.name(name);
    this.#exports.byte(Kind.function);
    this.#exports.u32(index);
    this.#exportCount++;
  }

  elements(table: number, offset: number, functions: readonly number[]): void {
    this.#elements.push({ table, offset, functions });
  }

  data(offset: number, bytes: Uint8Array): void {
    this.#data.push({ offset, bytes });
  }

  /** The module's bytes. `names` adds the name section, for profilers. */
  build(options: { names?: boolean } = {}): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter(65536);
    out.append(preamble);
    const section = (id: number, fill: (w: ByteWriter) => void): void => {
      const w = new ByteWriter(1024);
      fill(w);
      out.byte(id);
      out.u32(w.length);
      out.append(w.view());
    };
    section(Section.type, (w) => {
      w.u32(this.#typeBytes.length);
      for (const t of this.#typeBytes) w.append(t);
    });
    section(Section.import, (w) => {
      w.u32(this.#importCount);
      w.append(this.#imports.view());
    });
    section(Section.function, (w) => {
      w.u32(this.#functions.length);
      for (const f of this.#functions) w.u32(f.type);
    });
    if (this.#tables.length > 0)
      section(Section.table, (w) => {
        w.u32(this.#tables.length);
        for (const t of this.#tables) {
          w.byte(functionReference);
          w.byte(Limits.minimum);
          w.u32(t.minimum);
        }
      });
    section(Section.export, (w) => {
      w.u32(this.#exportCount);
      w.append(this.#exports.view());
    });
    if (this.#elements.length > 0)
      section(Section.element, (w) => {
        w.u32(this.#elements.length);
        for (const e of this.#elements) {
          if (e.table === 0) w.u32(Elements.ofTable0);
          else {
            w.u32(Elements.ofTable);
            w.u32(e.table);
          }
          offset(w, e.offset);
          if (e.table !== 0) w.byte(Elements.functions);
          w.u32(e.functions.length);
          for (const f of e.functions) w.u32(f);
        }
      });
    this.#buildHints(section);
    section(Section.code, (w) => {
      w.u32(this.#functions.length);
      for (const f of this.#functions) {
        if (!f.body) throw new Error(`function ${f.name} is declared but not defined`);
        w.u32(f.body.length);
        w.append(f.body);
      }
    });
    if (this.#data.length > 0)
      section(Section.data, (w) => {
        w.u32(this.#data.length);
        for (const d of this.#data) {
          w.u32(activeData);
          offset(w, d.offset);
          w.u32(d.bytes.length);
          w.append(d.bytes);
        }
      });
    if (options.names)
      section(Section.custom, (w) => {
        w.name("name");
        const names = new ByteWriter();
        const all = [...this.#importNames, ...this.#functions.map((f) => f.name)];
        names.u32(all.length);
        all.forEach((name, i) => {
          names.u32(i);
          names.name(name);
        });
        w.byte(functionNames);
        w.u32(names.length);
        w.append(names.view());
      });
    return out.take();
  }

  /** They stand before the code that they are about. */
  #buildHints(section: (id: number, fill: (w: ByteWriter) => void) => void): void {
    const imported = this.#importNames.length;
    const hinted = this.#functions.flatMap(({ hints }, i) =>
      hints.length > 0 ? [{ index: imported + i, hints }] : [],
    );
    if (hinted.length === 0) return;
    section(Section.custom, (w) => {
      w.name(branchHints);
      w.u32(hinted.length);
      for (const { index, hints } of hinted) {
        w.u32(index);
        w.u32(hints.length);
        for (const { at, expected } of hints) {
          w.u32(at);
          w.u32(1);
          w.byte(Hint[expected]);
        }
      }
    });
  }
}
