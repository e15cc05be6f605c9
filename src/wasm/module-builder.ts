import { ByteWriter } from "./bytes.js";
import { FunctionBuilder, type ValueType, valueTypeCode } from "./function-builder.js";

interface DeclaredFunction {
  readonly type: number;
  readonly name: string;
  body: Uint8Array | undefined;
}

/** Assembles a WebAssembly module. Imports first: a function's index is fixed when it is declared. */
export class ModuleBuilder {
  #types: string[] = [];
  #typeBytes: Uint8Array[] = [];
  #imports = new ByteWriter();
  #importCount = 0;
  #importNames: string[] = [];
  #functions: DeclaredFunction[] = [];
  readonly #tables: { minimum: number }[] = [];
  #importedTables = 0;
  readonly #exports = new ByteWriter();
  #exportCount = 0;
  readonly #elements: { table: number; offset: number; functions: readonly number[] }[] = [];
  readonly #data: { offset: number; bytes: Uint8Array }[] = [];

  /** A builder that begins with what this one has: types, imports, functions and imported tables. This one must not change. */
  fork(): ModuleBuilder {
    const copy = new ModuleBuilder();
    copy.#types = [...this.#types];
    copy.#typeBytes = [...this.#typeBytes];
    copy.#imports = this.#imports;
    copy.#importCount = this.#importCount;
    copy.#importNames = this.#importNames;
    copy.#functions = [...this.#functions];
    copy.#importedTables = this.#importedTables;
    return copy;
  }

  /** Index of a function type. */
  type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join(",")}>${results.join(",")}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    const w = new ByteWriter();
    w.byte(0x60);
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
    this.#imports.byte(0);
    this.#imports.u32(this.type(params, results));
    this.#importCount++;
    return this.#importNames.push(name) - 1;
  }

  /** @param minimum pages of 64 KiB. */
  importMemory(module: string, name: string, minimum: number, maximum: number, shared: boolean): void {
    this.#imports.name(module);
    this.#imports.name(name);
    this.#imports.byte(2);
    this.#imports.byte(shared ? 3 : 1);
    this.#imports.u32(minimum);
    this.#imports.u32(maximum);
    this.#importCount++;
  }

  importTable(module: string, name: string, minimum: number): number {
    this.#imports.name(module);
    this.#imports.name(name);
    this.#imports.byte(1);
    this.#imports.byte(0x70);
    this.#imports.byte(0);
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
    this.#functions.push({ type: this.type(params, results), name, body: undefined });
    return this.#importNames.length + this.#functions.length - 1;
  }

  define(index: number, body: FunctionBuilder | Uint8Array): void {
    const f = this.#functions[index - this.#importNames.length];
    if (!f) throw new Error(`function ${index} is imported`);
    f.body = body instanceof FunctionBuilder ? body.finish() : body;
  }

  exportFunction(name: string, index: number): void {
    this.#exports.name(name);
    this.#exports.byte(0);
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
    out.append([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = (id: number, fill: (w: ByteWriter) => void): void => {
      const w = new ByteWriter(1024);
      fill(w);
      out.byte(id);
      out.u32(w.length);
      out.append(w.view());
    };
    section(1, (w) => {
      w.u32(this.#typeBytes.length);
      for (const t of this.#typeBytes) w.append(t);
    });
    section(2, (w) => {
      w.u32(this.#importCount);
      w.append(this.#imports.view());
    });
    section(3, (w) => {
      w.u32(this.#functions.length);
      for (const f of this.#functions) w.u32(f.type);
    });
    if (this.#tables.length > 0)
      section(4, (w) => {
        w.u32(this.#tables.length);
        for (const t of this.#tables) {
          w.byte(0x70);
          w.byte(0);
          w.u32(t.minimum);
        }
      });
    section(7, (w) => {
      w.u32(this.#exportCount);
      w.append(this.#exports.view());
    });
    if (this.#elements.length > 0)
      section(9, (w) => {
        w.u32(this.#elements.length);
        for (const e of this.#elements) {
          if (e.table === 0) w.u32(0);
          else {
            w.u32(2);
            w.u32(e.table);
          }
          w.byte(0x41);
          w.s32(e.offset);
          w.byte(0x0b);
          if (e.table !== 0) w.byte(0);
          w.u32(e.functions.length);
          for (const f of e.functions) w.u32(f);
        }
      });
    section(10, (w) => {
      w.u32(this.#functions.length);
      for (const f of this.#functions) {
        if (!f.body) throw new Error(`function ${f.name} is declared but not defined`);
        w.u32(f.body.length);
        w.append(f.body);
      }
    });
    if (this.#data.length > 0)
      section(11, (w) => {
        w.u32(this.#data.length);
        for (const d of this.#data) {
          w.u32(0);
          w.byte(0x41);
          w.s32(d.offset);
          w.byte(0x0b);
          w.u32(d.bytes.length);
          w.append(d.bytes);
        }
      });
    if (options.names)
      section(0, (w) => {
        w.name("name");
        const names = new ByteWriter();
        const all = [...this.#importNames, ...this.#functions.map((f) => f.name)];
        names.u32(all.length);
        all.forEach((name, i) => {
          names.u32(i);
          names.name(name);
        });
        w.byte(1);
        w.u32(names.length);
        w.append(names.view());
      });
    return out.take();
  }
}
