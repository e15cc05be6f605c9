/**
 * Makes regions from guest code, and modules of them. It only reads the VM's memory, so it works on any thread that has it:
 * on the vCPU's, or beside it (workshop.ts). What it made from code that has changed meanwhile must not be used;
 * who asks sees to that.
 */
import { detectWasmFeatures } from "../../wasm/features.js";
import type { LinkableBody } from "../../wasm/function-builder.js";
import { type EngineLayout, Handler } from "../layout.js";
import { Linkage } from "./linkage.js";
import { type Extent, RegionTranslator, regionTemplates } from "./region.js";
import type { TranslatorTarget } from "./target.js";
import type { Found, Templates } from "./template.js";

/** Where a region is wanted, and what of the vCPU's state it depends on. Goes through postMessage. */
export interface RegionRequest {
  readonly id: number;
  /** Address of the decoded entry that it begins at. */
  readonly entry: number;
  /** Bytes of the VM's memory. */
  readonly memoryLength: number;
  /** Address of the vCPU's state, and the mode it is in. */
  readonly state: number;
  readonly mode: number;
  /** Number of the first of the 4 KiB physical pages that it may lie in. */
  readonly firstPage: number;
  /** Bytes that it may lie in, their address in the VM's memory, and where in them it begins. */
  readonly span: number;
  /** Offsets from the span's beginning in which it may call others without a look-up: the guest maps them together. */
  readonly reach: Extent;
  /** Effective address of the span; where the soft TLB has what the guest reads there, and the tag bits. */
  readonly address: bigint;
  readonly tlb: number;
  readonly asid: bigint;
  /** The same of what it fetches. */
  readonly fetchTlb: number;
  readonly fetchAsid: bigint;
  readonly host: number;
  readonly offset: number;
  /** Address of the map from 4 KiB physical pages to code pages. */
  readonly codeMap: number;
  /** What the soft TLB does not have calls, instead of leaving. */
  readonly missesCall: boolean;
  /** `inCodePage` of instructions that may have a breakpoint: they are interpreted. */
  readonly breaks: readonly number[];
  /** Also what has never run. */
  readonly all: boolean;
  /** The routines by which regions call each other are there. */
  readonly linked: boolean;
  /** Accesses are to be ordered: see AccessContext. */
  readonly ordered: boolean;
}

/** What of a 4 KiB physical page a region was made from. */
export interface CoveredPage extends Extent {
  readonly page: number;
}

export interface MadeRegion {
  readonly id: number;
  /** Bytes of its code. */
  readonly size: number;
  /** Addresses of the decoded entries of its ways in. */
  readonly entries: readonly number[];
  /** 4 KiB physical pages that it has instructions in, or calls. */
  readonly pages: readonly CoveredPage[];
}

/** Regions in one module, each exported by its place in the list. */
export interface MadeModule {
  readonly module: WebAssembly.Module;
  readonly bytes: number;
  readonly regions: readonly MadeRegion[];
}

/** What modules are made from. */
export interface Made extends LinkableBody {
  readonly region: MadeRegion;
}

/** Bytes. */
export const sizeOf = (made: readonly { readonly body: Uint8Array }[]): number =>
  made.reduce((sum, { body }) => sum + body.length, 0);

/** Compiles regions into modules: into one, or several. */
export type Compiler = (made: readonly Made[], compile: (made: readonly Made[]) => MadeModule) => readonly MadeModule[];

/** What was made together. Goes through postMessage. */
export interface RegionBatch {
  readonly modules: readonly MadeModule[];
  /** Requests where there is nothing to translate. */
  readonly refused: readonly number[];
  /** What has the routines by which regions call each other, where a request lacks them. */
  readonly linkage?: WebAssembly.Module;
  /** The answer to a request to gather regions of earlier batches. */
  readonly gathered?: true;
}

/** Ends of cut regions that are remembered. */
const cutLimit = 4096;

/** Places behind checks that are remembered: a region has some ten. */
const behindLimit = 65536;

/** Distance of the decoded entry of an address from its code page's begin. */
export function inCodePage({ codePage: { entrySize, scale, shift } }: EngineLayout, address: number): number {
  return (address & ((1 << shift) - (entrySize >> scale))) << scale;
}

/** For one vCPU. */
export class RegionMaker<V> {
  readonly #target: TranslatorTarget<V>;
  readonly #memory: WebAssembly.Memory;
  readonly #compiler: Compiler;
  readonly #linkage: Linkage;
  readonly #tailCalls = detectWasmFeatures().tailCalls;
  readonly #templates = new Map<number, Templates<V>>();
  /** What the request says that regions are being made for. */
  #ordered = false;
  #decode: ReturnType<TranslatorTarget<V>["decoder"]> | undefined;
  #made: Made[] = [];
  #refused: number[] = [];
  /** No request that waits for `build` lacks the module of the routines by which regions call each other. */
  #linked = true;
  #ownModule: WebAssembly.Module | undefined;
  /**
   * Decoded entries of regions that would have become too long. Others that come to one end there: a loop longer than a
   * region would otherwise be translated again and again, each time from where the last one ended.
   */
  readonly #cut = new Set<number>();
  /**
   * Decoded entries behind accesses at which a group is checked. Where one of them is hot, regions are left for such a check again
   * and again: the frame of a loop, say, lies over the end of a page.
   */
  readonly #behindChecks = new Set<number>();

  /** @param state address of the vCPU's state. */
  constructor(
    target: TranslatorTarget<V>,
    memory: WebAssembly.Memory,
    state: number,
    compiler: Compiler = (made, compile) => [compile(made)],
  ) {
    this.#compiler = compiler;
    this.#target = target;
    this.#memory = memory;
    this.#linkage = new Linkage(target, state);
  }

  /** Answers that wait for `build`. */
  get waiting(): number {
    return this.#made.length + this.#refused.length;
  }

  /** Of the regions that wait for `build`. */
  get bytes(): number {
    return sizeOf(this.#made);
  }

  /** Makes the region; what comes of it is in the next batch. */
  make(request: RegionRequest): void {
    const { id, entry, mode, firstPage, span, host, offset, all } = request;
    const { layout } = this.#target;
    const { codePage } = layout;
    this.#ordered = request.ordered;
    if (!request.linked) this.#linked = false;
    this.#decode ??= this.#target.decoder(this.#memory, this.#linkage.state);
    const decode = this.#decode;
    // As VmMemory does, where the engine has not told this thread that the memory is longer.
    if (this.#memory.buffer.byteLength < request.memoryLength) this.#memory.grow(0);
    // A memory that has grown has a new buffer.
    const view = new DataView(this.#memory.buffer);
    const words = new Int32Array(this.#memory.buffer);
    // In order: the vCPU that decodes an instruction has read it before it writes the entry.
    const handlerAt = (decoded: number) => Atomics.load(words, decoded >>> 2);
    const breaks = new Set(request.breaks);
    const pageSpan = 1 << codePage.shift;
    // Only pages with decoded code: what drops their code tells the translator.
    const codePages = new Map<number, number>();
    const decodedEntry = (at: number): number | undefined => {
      if (at < request.reach.first || at >= request.reach.end) return undefined;
      const part = at >> codePage.shift;
      let code = codePages.get(part);
      if (code === undefined) {
        code = view.getUint32(request.codeMap + 4 * (firstPage + part), true);
        codePages.set(part, code);
      }
      // What is also fetched through small pages has regions of its own: others cannot know what surrounds it there.
      if (code === 0 || (span > pageSpan && view.getInt32(code + codePage.small, true) !== 0)) return undefined;
      return code + inCodePage(layout, at);
    };
    /** An instruction that begins in the span and goes on behind it, where the soft TLB says that this is. */
    const behind = (at: number): Found<V> | undefined => {
      if (layout.tlb.pageShift !== codePage.shift) return undefined;
      const next = this.#translated("execute", request, request.address + BigInt(span), codePage.longest);
      if (!next) return undefined;
      const { page } = next;
      const found = decode(view, host + at, span - at, mode, next.host);
      const code = view.getUint32(request.codeMap + 4 * page, true);
      if (!found || code === 0) return undefined;
      if (handlerAt(code + inCodePage(layout, at + found.length)) === Handler.undecoded) return undefined;
      return { ...found, over: { page, part: page - firstPage } };
    };
    const translator = new RegionTranslator(
      {
        span,
        missesCall: request.missesCall,
        ungrouped: this.#behindChecks.has(entry),
        base: request.address,
        data: (address, size) => this.#read(request, address, size),
        register: (number) => view.getBigUint64(this.#linkage.state + (this.#target.held[number]?.offset ?? 0), true),
        tailCalls: this.#tailCalls,
        entry: offset,
        decodedEntry,
        word: (at, littleEndian) => (at >= 0 && at + 4 <= span ? view.getInt32(host + at, littleEndian) : undefined),
        fetch: (at) => {
          const decoded = at >= 0 && at < span ? decodedEntry(at) : undefined;
          if (decoded === undefined || breaks.has(inCodePage(layout, at))) return undefined;
          const handler = handlerAt(decoded);
          if (at !== offset && handler === Handler.region && this.#cut.has(decoded)) return undefined;
          const room = pageSpan - (at & (pageSpan - 1));
          // What has never run is not worth its price. What goes on in the next page is undecoded after each time that it runs.
          const crosses = room < layout.codePage.longest;
          if (!all && handler === Handler.undecoded && !crosses) return undefined;
          const found = decode(view, host + at, span - at, mode);
          if (!found && span - at < layout.codePage.longest) return behind(at);
          if (!found || found.length <= room) return all || handler !== Handler.undecoded ? found : undefined;
          // A store to the next page is noticed if something of it is decoded.
          const next = decodedEntry(at + found.length);
          return next !== undefined && handlerAt(next) !== Handler.undecoded ? found : undefined;
        },
      },
      {
        target: this.#target,
        linkage: this.#linkage,
        mode,
        templates: this.#templatesOf(mode),
        ordered: () => this.#ordered,
      },
    );
    const f = translator.translate();
    const entries = translator.entries.map(decodedEntry);
    // Beside the vCPU, a code page may have gone while its code was translated.
    if (!f || entries[0] !== entry || !entries.every((at) => at !== undefined)) {
      this.#refused.push(id);
      return;
    }
    const pages = [...translator.pages].map(([page, extent]) => ({ page: firstPage + page, ...extent }));
    const code = f.finishLinkable();
    this.#made.push({ region: { id, size: code.body.length, entries, pages }, ...code });
    if (translator.cut) this.#remember(this.#cut, cutLimit, entries);
    const places = translator.behindChecks.flatMap((at) => decodedEntry(at) ?? []);
    this.#remember(this.#behindChecks, behindLimit, places);
  }

  /**
   * Where the bytes at an effective address lie, by the soft TLB as it is now, which another thread may be changing; and the entry's
   * physical page. Undefined: it has no translation of this kind, or not of so many bytes.
   */
  #translated(kind: "read" | "execute", request: RegionRequest, address: bigint, size: number) {
    const { tlb } = this.#target.layout;
    const [table, entries, asid, tag] =
      kind === "read"
        ? [request.tlb, tlb.entries, request.asid, tlb.readTag]
        : [request.fetchTlb, tlb.fetchEntries, request.fetchAsid, tlb.executeTag];
    const view = new DataView(this.#memory.buffer);
    const page = BigInt.asUintN(64, address) >> BigInt(tlb.pageShift);
    const entry = table + Number(page & BigInt(entries - 1)) * tlb.entrySize;
    if (view.getBigUint64(entry + tag, true) !== ((page << BigInt(tlb.pageShift)) | asid)) return undefined;
    const [inPage, low] = [BigInt.asUintN(tlb.pageShift, address), BigInt.asUintN(32, address)];
    const host = (view.getInt32(entry + tlb.addend, true) + Number(low)) >>> 0;
    if (Number(inPage) + size > 1 << tlb.pageShift || host + size > view.byteLength) return undefined;
    return { view, host, page: view.getInt32(entry + tlb.physicalPage, true) };
  }

  /** What the guest has read lately. */
  #read(request: RegionRequest, address: bigint, size: 4 | 8): bigint | undefined {
    const found = this.#translated("read", request, address, size);
    if (!found) return undefined;
    const { view, host } = found;
    return size === 8 ? view.getBigUint64(host, true) : BigInt(view.getUint32(host, true));
  }

  #templatesOf(mode: number): Templates<V> {
    let templates = this.#templates.get(mode);
    if (!templates) {
      templates = regionTemplates(this.#target, this.#linkage, mode, () => this.#ordered);
      this.#templates.set(mode, templates);
    }
    return templates;
  }

  #remember(known: Set<number>, limit: number, entries: readonly number[]): void {
    if (known.size + entries.length > limit) known.clear();
    for (const at of entries) known.add(at);
  }

  /** What was made since the last time, compiled. */
  build(): RegionBatch {
    const [made, refused] = [this.#made, this.#refused];
    this.#made = [];
    this.#refused = [];
    if (made.length === 0) return { modules: [], refused };
    const modules = this.#compiler(made, (some) => this.compile(some));
    if (this.#linked) return { modules, refused };
    this.#linked = true;
    this.#ownModule ??= new WebAssembly.Module(this.#linkage.ownModule(this.#memory));
    return { modules, refused, linkage: this.#ownModule };
  }

  compile(made: readonly Made[]): MadeModule {
    const bytes = this.#linkage.module(this.#memory, made);
    return { module: new WebAssembly.Module(bytes), bytes: bytes.length, regions: made.map(({ region }) => region) };
  }
}
