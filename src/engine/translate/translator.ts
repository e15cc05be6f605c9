/**
 * Decides what to translate for one vCPU on its thread, and keeps the regions.
 *
 * What is hot is found by sampling: at the end of each slice (some 16,000 instructions) the vCPU stands at the target of a
 * taken branch, and an address seen again is where time goes. That favours loops, costs the interpreter nothing, and lets a
 * short program run without one translation. A region is entered through the decoded entry of its first instruction, so
 * whatever drops that entry drops the way in; regions over a page whose code is dropped are forgotten as well.
 */

import { ProcessPage } from "../../vac/page.js";
import { detectWasmFeatures } from "../../wasm/features.js";
import type { ModuleBuilder } from "../../wasm/module-builder.js";
import type { Interpreter, RuntimeExports } from "../interpret/interpreter.js";
import { type EngineLayout, Handler } from "../layout.js";
import { regionSignature, tableBits } from "../region-entry.js";
import { aloneBit } from "../target.js";
import { Linkage } from "./linkage.js";
import { RegionTranslator, regionTemplates } from "./region.js";
import type { TranslatorTarget } from "./target.js";
import type { Templates } from "./template.js";

/** Samples of one address that make it hot. */
const hotSamples = 8;
/** Addresses remembered between samples; the oldest half is forgotten when there are more. */
const sampleLimit = 4096;
/**
 * Regions wait for each other: a module costs as much as interpreting some slices, its regions hardly more than that. They
 * are compiled when there are so many, when the guest was so often found where one of them begins, or after so many slices.
 */
const batchSize = 32;
const batchSamples = 8;
const batchPatience = 256;
/** Small pages: misses a slice, counted over so many, from which on leaving costs more than smaller code gains. */
const smallHitsASlice = 24;
const countedSlices = 64;
/** Live regions. Each is code of some kilobytes; the oldest go first. */
const regionLimit = 4000;
/** Places in the table at first. It doubles, which costs for each module that imports it; so does its size (Node.js 20). */
const firstPlaces = 512;

/** One compiled module: its code can go only when none of its regions lives. */
interface Generated {
  readonly bytes: number;
  live: number;
}

interface Region {
  readonly index: number;
  readonly module: Generated;
  /** Decoded entries that lead into it: address and word. */
  readonly entries: readonly (readonly [entry: number, word: number])[];
  readonly pages: readonly number[];
  readonly cut: boolean;
}

interface Pending {
  readonly body: Uint8Array;
  /** Addresses of the decoded entries of its ways in. */
  readonly entries: readonly number[];
  readonly pages: readonly number[];
  /** It would have become too long: others that come to its entry end there, and do not begin what they could not end. */
  readonly cut: boolean;
}

export class Translator<V> {
  readonly #target: TranslatorTarget<V>;
  readonly #layout: EngineLayout;
  readonly regions = new WebAssembly.Table({ element: "anyfunc", initial: firstPlaces });
  /** Places of regions that are gone: a guest that changes its code all the time must not make the table grow. */
  readonly #free: number[] = [];
  readonly #memory: WebAssembly.Memory;
  readonly #state: number;
  readonly #linkage: Linkage;
  readonly #module: ModuleBuilder;
  #runtime: RuntimeExports = {};
  #imports: WebAssembly.ModuleImports = {};
  #view: DataView;
  readonly #samples = new Map<number, number>();
  readonly #live = new Map<number, Region>();
  readonly #byPage = new Map<number, Set<Region>>();
  readonly #page = ProcessPage.here();
  #pending: Pending[] = [];
  #decode: ReturnType<TranslatorTarget<V>["decoder"]> | undefined;
  readonly #templates = new Map<number, Templates<V>>();
  readonly #tailCalls = detectWasmFeatures().tailCalls;
  /** The guest's pages are so small that the inline look-up misses much: what misses then calls instead of leaving. */
  #smallPages = false;
  /** Slices and such misses when they were last looked at. */
  #slices = 0;
  #smallHits = 0;
  #waited = 0;
  #nextIndex = 1;
  #bytes = 0;
  #translated = 0;
  #modules = 0;
  #dropped = 0;
  #milliseconds = 0;

  constructor(target: TranslatorTarget<V>, memory: WebAssembly.Memory, address: number) {
    this.#target = target;
    this.#layout = target.layout;
    this.#memory = memory;
    this.#linkage = new Linkage(target);
    this.#module = this.#linkage.module(
      typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer,
    );
    this.#state = address;
    this.#view = new DataView(memory.buffer);
  }

  /** The run-time library's exports, which regions import; before the vCPU runs. */
  bind({ runtime, instead }: Interpreter): void {
    this.#runtime = runtime;
    // Places in another translator's table.
    this.#ask("forgetJumps");
    this.#imports = { ...runtime, instead } as unknown as WebAssembly.ModuleImports;
    this.#memoryView().setInt32(this.#state + this.#layout.state.sampling.offset, 1, true);
  }

  #memoryView(): DataView {
    // A memory that has grown has a new buffer.
    if (this.#view.buffer !== this.#memory.buffer) this.#view = new DataView(this.#memory.buffer);
    return this.#view;
  }

  /** Calls a routine of the run-time library. Its answer is unsigned: most are addresses, in a memory of up to 4 GiB. */
  #ask(name: string, ...args: number[]): number {
    return (this.#runtime[name] as (...a: number[]) => number)(this.#state, ...args) >>> 0;
  }

  /**
   * Translates the code at these effective addresses at once, hot or not, in the context the vCPU is in; for tests that
   * want every instruction to run translated. Its pc changes.
   */
  translateNow(addresses: Iterable<bigint>): void {
    // An exit that was taken must not keep code from being fetched.
    this.#memoryView().setInt32(this.#state + this.#layout.state.exitCode.offset, 0, true);
    this.#ask("service");
    this.#ask("contextRefresh");
    for (const address of addresses) {
      this.#memoryView().setBigUint64(this.#state + this.#layout.state.pc.offset, address, true);
      const entry = this.#ask("fetch");
      if (entry === 0) continue;
      if (this.#memoryView().getInt32(entry, true) === Handler.undecoded) this.#ask("decode", entry);
      this.#consider(true);
      if (this.#pending.length >= 64) this.#compile();
    }
    if (this.#pending.length > 0) this.#compile();
  }

  /** The vCPU is at the end of a slice, its pc at the target of a taken branch. */
  sampled(): void {
    if (this.#pending.length > 0 && (this.#pending.length >= batchSize || ++this.#waited >= batchPatience)) {
      this.#compile();
      while (this.#live.size > regionLimit || (this.#page.codeExcess > 0 && this.#live.size > 0)) {
        this.#drop(this.#live.values().next().value as Region);
      }
    }
    if (!this.#smallPages) this.#lookAtPages();
    this.#consider(false);
  }

  #lookAtPages(): void {
    const view = this.#memoryView();
    const slices = view.getInt32(this.#state + this.#layout.state.statSlices.offset, true);
    if (((slices - this.#slices) | 0) < countedSlices) return;
    const hits = view.getInt32(this.#state + this.#layout.state.smallHits.offset, true);
    const many = ((hits - this.#smallHits) | 0) > countedSlices * smallHitsASlice;
    this.#slices = slices;
    this.#smallHits = hits;
    if (!many) return;
    this.#smallPages = true;
    this.#pending = [];
    for (const region of [...this.#live.values()]) this.#drop(region);
  }

  /** Translates the code at pc if that is possible, and it is hot or `now` is set. */
  #consider(now: boolean): void {
    const view = this.#memoryView();
    const mode = view.getInt32(this.#state + this.#layout.state.mode.offset, true);
    if ((mode & aloneBit(this.#target)) !== 0 || !this.#target.modes[mode]?.translated) return;
    if (this.#ask("codeHost") === 0) return;
    const pc = view.getUint32(this.#state + this.#layout.state.pc.offset, true);
    const page = this.#ask("codePhysicalPage");
    const code = this.#ask("codePageFor", page);
    if (code === 0) return;
    const entry = code + this.#inPage(pc);
    if (view.getInt32(entry, true) < Handler.first) return;
    const count = now ? hotSamples : (this.#samples.get(entry) ?? 0) + 1;
    this.#samples.set(entry, count);
    // Others have the whole budget of generated code: what is hot here is interpreted until some of it goes.
    if (count < hotSamples || (this.#page.codeExcess > 0 && this.#live.size === 0)) {
      if (this.#samples.size > sampleLimit) this.#forgetSamples();
      return;
    }
    this.#translate(entry, page, pc, mode, now);
  }

  #forgetSamples(): void {
    let n = this.#samples.size / 2;
    for (const key of this.#samples.keys()) {
      if (n-- <= 0) break;
      this.#samples.delete(key);
    }
  }

  #translate(entry: number, page: number, pc: number, mode: number, all: boolean): void {
    if (this.#pending.some((p) => p.entries[0] === entry)) {
      this.#waited += batchPatience / batchSamples;
      return;
    }
    const start = performance.now();
    const { codePage } = this.#layout;
    const view = this.#memoryView();
    const isSmall = (code: number) => view.getInt32(code + codePage.small, true) !== 0;
    const pageSpan = 1 << codePage.shift;
    const span = isSmall(this.#ask("codePageFor", page)) ? pageSpan : 1 << this.#ask("codeSpan");
    const offset = pc & (span - 1);
    const host = this.#ask("codeHost") - offset;
    const firstPage = page - (offset >> codePage.shift);
    this.#decode ??= this.#target.decoder(this.#memory, this.#state);
    const decode = this.#decode;
    let templates = this.#templates.get(mode);
    if (!templates) {
      templates = regionTemplates(this.#target, this.#linkage, mode);
      this.#templates.set(mode, templates);
    }
    const breaks = new Set(this.#target.breakpoints(view, this.#state).map((at) => this.#inPage(Number(at & 0xfffn))));
    // Only pages with decoded code: what drops their code tells the translator.
    const codePages = new Map<number, number>();
    const decodedEntry = (at: number): number | undefined => {
      if (at < 0 || at >= span) return undefined;
      const part = at >> codePage.shift;
      let code = codePages.get(part);
      if (code === undefined) {
        code = this.#ask("codePageFor", firstPage + part);
        codePages.set(part, code);
      }
      // What is also fetched through small pages has regions of its own: others cannot know what surrounds it there.
      if (code === 0 || (span > pageSpan && isSmall(code))) return undefined;
      return code + this.#inPage(at);
    };
    const translator = new RegionTranslator(
      {
        span,
        missesCall: this.#smallPages,
        tailCalls: this.#tailCalls,
        entry: offset,
        decodedEntry,
        word: (at, littleEndian) => (at >= 0 && at + 4 <= span ? view.getInt32(host + at, littleEndian) : undefined),
        fetch: (at) => {
          const decoded = decodedEntry(at);
          if (decoded === undefined || breaks.has(this.#inPage(at))) return undefined;
          if (at !== offset && this.#leadsToCut(decoded)) return undefined;
          // What has never run is not worth its price.
          if (!all && view.getInt32(decoded, true) === Handler.undecoded) return undefined;
          return decode(view, host + at, span - at, mode);
        },
      },
      { target: this.#target, linkage: this.#linkage, mode, templates },
    );
    const f = translator.translate();
    if (f) {
      const pages = [...translator.pages].map((p) => firstPage + p);
      const entries = translator.entries.map((at) => decodedEntry(at) as number);
      this.#pending.push({ body: f.finish(), entries, pages, cut: translator.cut });
      if (this.#pending.length === 1) this.#waited = 0;
    } else this.#samples.set(entry, Number.NEGATIVE_INFINITY);
    this.#milliseconds += performance.now() - start;
  }

  /**
   * Whether a decoded entry leads into a region that was cut. A loop longer than a region would otherwise be translated
   * again and again, each time from where the last one ended.
   */
  #leadsToCut(entry: number): boolean {
    const view = this.#memoryView();
    if (view.getInt32(entry, true) !== Handler.region) return false;
    return this.#live.get(view.getInt32(entry + 4, true) & ((1 << tableBits) - 1))?.cut === true;
  }

  /** Distance of the decoded entry of an address from its code page's begin. */
  #inPage(address: number): number {
    const { entrySize, scale, shift } = this.#layout.codePage;
    return (address & ((1 << shift) - (entrySize >> scale))) << scale;
  }

  /** Compiles what waits into one module and leads the decoded entries into it. */
  #compile(): void {
    const start = performance.now();
    const pending = this.#pending;
    this.#pending = [];
    const m = this.#module.fork();
    pending.forEach((p, i) => {
      const index = m.declare(`region${i}`, ...regionSignature);
      m.define(index, p.body);
      m.exportFunction(`${i}`, index);
    });
    const bytes = m.build();
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      r: this.#imports,
      env: { memory: this.#memory, regions: this.regions },
    });
    this.#modules++;
    this.#bytes += bytes.length;
    const module: Generated = { bytes: bytes.length, live: 0 };
    const view = this.#memoryView();
    pending.forEach((p, i) => {
      this.#samples.delete(p.entries[0] as number);
      // The entry may have been dropped while the region waited.
      if (view.getInt32(p.entries[0] as number, true) < Handler.first) return;
      const index = this.#free.pop() ?? this.#nextIndex++;
      if (index >= this.regions.length) this.regions.grow(this.regions.length);
      this.regions.set(index, instance.exports[`${i}`]);
      const entries = p.entries.map((at, way) => [at, index | (way << tableBits)] as const);
      const region = { index, module, entries, pages: p.pages, cut: p.cut };
      if (module.live++ === 0) this.#account(module.bytes);
      this.#live.set(index, region);
      for (const page of p.pages) {
        const regions = this.#byPage.get(page);
        if (regions) regions.add(region);
        else this.#byPage.set(page, new Set([region]));
      }
      for (const [at, word] of entries) {
        // Another region's, or not decoded again since: left as it is.
        if (view.getInt32(at, true) < Handler.first) continue;
        view.setInt32(at + 4, word, true);
        view.setInt32(at, Handler.region, true);
      }
      this.#translated++;
    });
    this.#milliseconds += performance.now() - start;
  }

  #drop(region: Region): void {
    const view = this.#memoryView();
    // The entry may have been dropped already, and its place may have become something else.
    for (const [at, word] of region.entries) {
      if (view.getInt32(at, true) === Handler.region && view.getInt32(at + 4, true) === word) {
        view.setInt32(at, Handler.undecoded, true);
      }
    }
    this.#ask("forgetJumps");
    this.regions.set(region.index, null);
    this.#free.push(region.index);
    this.#live.delete(region.index);
    if (--region.module.live === 0) this.#account(-region.module.bytes);
    for (const page of region.pages) {
      const regions = this.#byPage.get(page);
      if (regions?.delete(region) && regions.size === 0) this.#byPage.delete(page);
    }
    this.#dropped++;
  }

  #account(bytes: number): void {
    this.#page.accountCode(bytes);
    const view = this.#memoryView();
    const at = this.#state + this.#layout.state.codeBytes.offset;
    view.setInt32(at, view.getInt32(at, true) + bytes, true);
  }

  /** The decoded code of a 4 KiB physical page is gone. */
  codeDropped(physicalPage: number): void {
    this.#pending = this.#pending.filter((p) => {
      if (!p.pages.includes(physicalPage)) return true;
      this.#samples.delete(p.entries[0] as number);
      return false;
    });
    const regions = this.#byPage.get(physicalPage);
    if (!regions) return;
    for (const region of [...regions]) this.#drop(region);
    this.#byPage.delete(physicalPage);
  }

  stats(): Readonly<Record<string, number>> {
    return {
      regions: this.#translated,
      regionsDropped: this.#dropped,
      regionsLive: this.#live.size,
      regionSlots: this.#nextIndex - 1,
      modules: this.#modules,
      codeBytes: this.#memoryView().getInt32(this.#state + this.#layout.state.codeBytes.offset, true),
      translatedBytes: this.#bytes,
      translationMilliseconds: Math.round(this.#milliseconds),
    };
  }
}
