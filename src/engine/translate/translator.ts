/**
 * Decides what to translate for one vCPU on its thread, and keeps the regions.
 *
 * What is hot is found by sampling: at the end of each slice (some 16,000 instructions) the vCPU stands at the target of a
 * taken branch, and an address seen again is where time goes. That favours loops, costs the interpreter nothing, and lets a
 * short program run without one translation. A region is entered through the decoded entry of its first instruction, so
 * whatever drops that entry drops the way in; regions over a page whose code is dropped are forgotten as well.
 */

import { ProcessPage } from "../../vac/page.js";
import type { Interpreter, RuntimeExports } from "../interpret/interpreter.js";
import { type EngineLayout, engineRequests, Handler } from "../layout.js";
import { tableBits } from "../region-entry.js";
import { aloneBit } from "../target.js";
import type { Extent } from "./region.js";
import { type CoveredPage, inCodePage, type MadeRegion, type RegionBatch } from "./region-maker.js";
import { Samples } from "./samples.js";
import type { TranslatorTarget } from "./target.js";
import { HereWorkshop, type Workshop } from "./workshop.js";

/** Regions that are being made at a time. */
const requestLimit = 256;
/** Pages remembered of which code was dropped while regions were being made. */
const droppedLimit = 4096;
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
  /** Of the request that it was made for. */
  readonly id: number;
  readonly size: number;
  readonly index: number;
  module: Generated;
  /** Decoded entries that lead into it: address and word. */
  readonly entries: readonly (readonly [entry: number, word: number])[];
  readonly pages: readonly CoveredPage[];
}

export class Translator {
  readonly #target: TranslatorTarget;
  readonly #layout: EngineLayout;
  readonly regions = new WebAssembly.Table({ element: "anyfunc", initial: firstPlaces });
  /** Places of regions that are gone: a guest that changes its code all the time must not make the table grow. */
  readonly #free: number[] = [];
  readonly #memory: WebAssembly.Memory;
  readonly #state: number;
  readonly #ordered: boolean;
  #runtime: RuntimeExports = {};
  #imports: WebAssembly.ModuleImports = {};
  /** Among them are the routines by which regions call each other. */
  #linked = false;
  #view: DataView;
  /** By the address of the decoded entry. */
  readonly #samples = new Samples((entry) => this.#requested.has(entry));
  /** By the request that they were made for. */
  readonly #live = new Map<number, Region>();
  /** What of a page its regions were made from. */
  readonly #byPage = new Map<number, Map<Region, Extent>>();
  readonly #page = ProcessPage.here();
  /** Makes regions at once, and the one that they are asked of: the same, or a thread beside this one. */
  readonly #here: Workshop & { build(): RegionBatch; readonly waiting: number };
  #workshop: Workshop;
  /** Where regions are being made, by the address of the decoded entry, and the other way round. */
  readonly #requested = new Map<number, number>();
  readonly #entryOf = new Map<number, number>();
  #nextRequest: number;
  /** Requests before these have been overtaken: for all pages, and for a page. */
  #overtaken: number;
  readonly #overtakenAt = new Map<number, number>();
  /** The guest's pages are so small that the inline look-up misses much: what misses then calls instead of leaving. */
  #smallPages = false;
  /** Slices and such misses when they were last looked at. */
  #slices = 0;
  #smallHits = 0;
  #nextIndex = 1;
  #bytes = 0;
  #translated = 0;
  #modules = 0;
  #dropped = 0;
  #gathered = 0;
  #milliseconds = 0;
  #longest = 0;

  /** @param firstRequest what an earlier one of this vCPU's says as `nextRequest`, if there was one: late answers are not its own. */
  constructor(
    target: TranslatorTarget,
    memory: WebAssembly.Memory,
    address: number,
    beside?: Workshop,
    { ordered = false, firstRequest = 1 }: { ordered?: boolean; firstRequest?: number | undefined } = {},
  ) {
    this.#ordered = ordered;
    this.#nextRequest = firstRequest;
    this.#overtaken = firstRequest;
    this.#target = target;
    this.#layout = target.layout;
    this.#memory = memory;
    this.#here = new HereWorkshop(target, memory, address);
    this.#workshop = beside ?? this.#here;
    this.#state = address;
    this.#view = new DataView(memory.buffer);
  }

  /** The run-time library's exports, which regions import; before the vCPU runs. */
  bind({ runtime, instead, settle }: Interpreter): void {
    this.#runtime = runtime;
    // Places in another translator's table, in the jump cache and in decoded entries.
    this.#ask("forgetJumps");
    Atomics.or(
      new Int32Array(this.#memory.buffer),
      (this.#state + this.#layout.state.requests.offset) >>> 2,
      engineRequests.flushCode,
    );
    this.#imports = { ...runtime, instead, settle };
    this.#linked = false;
    this.#memoryView().setInt32(this.#state + this.#layout.state.sampling.offset, 1, true);
  }

  get nextRequest(): number {
    return this.#nextRequest;
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
      if (this.#here.waiting >= 64) this.#publish(this.#here.build());
    }
    this.#publish(this.#here.build());
  }

  /** The vCPU is at the end of a slice, its pc at the target of a taken branch. */
  sampled(): void {
    if (this.#workshop.sliceEnded?.(this.#nextRequest) || this.#requested.size > 0) this.#fetchMade();
    if (!this.#smallPages && !this.#target.deliveryReadsHeld) this.#lookAtPages();
    this.#consider(false);
  }

  #fetchMade(): void {
    if (!this.#workshop.alive) {
      // What was asked of it never comes.
      this.#workshop = this.#here;
      this.#forgetRequests();
      return;
    }
    const start = performance.now();
    const batch = this.#workshop.take();
    if (!batch) return;
    this.#publish(batch);
    while (this.#live.size > regionLimit || (this.#page.codeExcess > 0 && this.#live.size > 0)) {
      this.#drop(this.#live.values().next().value as Region);
    }
    this.#spent(start);
  }

  /** This thread's time since `start` went into translating. */
  #spent(start: number): void {
    const milliseconds = performance.now() - start;
    this.#milliseconds += milliseconds;
    this.#longest = Math.max(this.#longest, milliseconds);
  }

  #forgetRequests(): void {
    for (const entry of this.#requested.keys()) this.#samples.forget(entry);
    this.#requested.clear();
    this.#entryOf.clear();
    this.#overtake();
  }

  /** What is being made is not to be used. */
  #overtake(): void {
    this.#overtaken = this.#nextRequest;
    this.#overtakenAt.clear();
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
    this.#overtake();
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
    const entry = code + inCodePage(this.#layout, pc);
    if (view.getInt32(entry, true) < Handler.first) return;
    if (!(now || this.#samples.take(entry))) return;
    // Others have the whole budget of generated code: what is hot here is interpreted until some of it goes.
    if (this.#page.codeExcess > 0 && this.#live.size === 0) return;
    if (this.#requested.has(entry)) this.#workshop.wanted();
    else if (now || this.#requested.size < requestLimit) this.#request(entry, page, pc, mode, now);
  }

  #request(entry: number, page: number, pc: number, mode: number, now: boolean): void {
    const start = performance.now();
    const { codePage } = this.#layout;
    const view = this.#memoryView();
    const isSmall = view.getInt32(this.#ask("codePageFor", page) + codePage.small, true) !== 0;
    const reachShift = isSmall ? codePage.shift : this.#ask("codeReach");
    const [span, reach] = [1 << Math.min(reachShift, codePage.spanShift), 1 << reachShift];
    const address = view.getBigUint64(this.#state + this.#layout.state.pc.offset, true);
    const offset = pc & (span - 1);
    const reached = offset - (pc & (reach - 1));
    const id = this.#nextRequest++;
    this.#requested.set(entry, id);
    this.#entryOf.set(id, entry);
    (now ? this.#here : this.#workshop).make({
      id,
      entry,
      memoryLength: view.byteLength,
      state: this.#state,
      mode,
      firstPage: page - (offset >> codePage.shift),
      span,
      address: BigInt.asUintN(64, address & -BigInt(span)),
      tlb: view.getUint32(this.#state + this.#layout.state.tlb.offset, true),
      asid: view.getBigUint64(this.#state + this.#layout.state.asid.offset, true),
      fetchTlb: view.getUint32(this.#state + this.#layout.state.fetchTlb.offset, true),
      fetchAsid: view.getBigUint64(this.#state + this.#layout.state.fetchAsid.offset, true),
      reach: { first: reached, end: reached + reach },
      host: this.#ask("codeHost") - offset,
      offset,
      codeMap: view.getUint32(this.#state + this.#layout.state.codeMap.offset, true),
      missesCall: this.#smallPages,
      breaks: this.#target.breakpoints(view, this.#state).map((at) => inCodePage(this.#layout, Number(at & 0xfffn))),
      all: now,
      linked: this.#linked,
      ordered: this.#ordered,
    });
    this.#spent(start);
  }

  /** What modules of regions import. */
  get #env(): WebAssembly.Imports {
    return { r: this.#imports, env: { memory: this.#memory, regions: this.regions } };
  }

  /** Leads the decoded entries into what was made for them. */
  #publish({ modules, refused, linkage }: RegionBatch): void {
    if (linkage && !this.#linked) {
      Object.assign(this.#imports, new WebAssembly.Instance(linkage, this.#env).exports);
      this.#linked = true;
    }
    for (const id of refused) {
      const entry = this.#answered(id);
      if (entry !== undefined) this.#samples.refuse(entry);
    }
    for (const { module, bytes, regions } of modules) {
      const { exports } = new WebAssembly.Instance(module, this.#env);
      this.#modules++;
      this.#bytes += bytes;
      const generated: Generated = { bytes, live: 0 };
      regions.forEach((region, i) => {
        const entry = this.#answered(region.id);
        if (entry !== undefined) this.#samples.forget(entry);
        const live = this.#live.get(region.id);
        if (live) this.#replace(live, generated, exports[`${i}`]);
        // What was gathered may be gone meanwhile.
        else if (entry !== undefined && this.#isUsable(region)) this.#enter(region, generated, exports[`${i}`]);
      });
    }
    if (this.#requested.size === 0) this.#overtakenAt.clear();
  }

  /** The region has been compiled once more. */
  #replace(region: Region, module: Generated, code: unknown): void {
    this.regions.set(region.index, code);
    this.#count(module, 1);
    this.#count(region.module, -1);
    region.module = module;
    this.#gathered++;
  }

  /** The decoded entry that was asked for. */
  #answered(id: number): number | undefined {
    const entry = this.#entryOf.get(id);
    this.#entryOf.delete(id);
    if (entry !== undefined) this.#requested.delete(entry);
    return entry;
  }

  /** Whether the code is still what the region was made from, and nothing else leads from its first entry. */
  #isUsable({ id, entries, pages }: MadeRegion): boolean {
    if (id < this.#overtaken || pages.some(({ page }) => id < (this.#overtakenAt.get(page) ?? 0))) return false;
    return this.#memoryView().getInt32(entries[0] as number, true) >= Handler.first;
  }

  #enter(made: MadeRegion, module: Generated, code: unknown): void {
    const view = this.#memoryView();
    const index = this.#free.pop() ?? this.#nextIndex++;
    if (index >= this.regions.length) this.regions.grow(this.regions.length);
    this.regions.set(index, code);
    const entries = made.entries.map((at, way) => [at, index | (way << tableBits)] as const);
    const region = { id: made.id, size: made.size, index, module, entries, pages: made.pages };
    this.#count(module, 1);
    this.#live.set(made.id, region);
    this.#workshop.lives?.(region);
    for (const { page, ...extent } of made.pages) {
      const regions = this.#byPage.get(page);
      if (regions) regions.set(region, extent);
      else this.#byPage.set(page, new Map([[region, extent]]));
    }
    for (const [at, word] of entries) {
      // Another region's, or not decoded again since: left as it is.
      if (view.getInt32(at, true) < Handler.first) continue;
      view.setInt32(at + 4, word, true);
      view.setInt32(at, Handler.region, true);
    }
    this.#translated++;
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
    this.#live.delete(region.id);
    this.#workshop.gone?.(region);
    this.#count(region.module, -1);
    for (const { page } of region.pages) {
      const regions = this.#byPage.get(page);
      if (regions?.delete(region) && regions.size === 0) this.#byPage.delete(page);
    }
    this.#dropped++;
  }

  /** A module's code counts while one of its regions lives. */
  #count(module: Generated, change: 1 | -1): void {
    if (module.live === 0) this.#account(module.bytes);
    module.live += change;
    if (module.live === 0) this.#account(-module.bytes);
  }

  #account(bytes: number): void {
    this.#page.accountCode(bytes);
    const view = this.#memoryView();
    const at = this.#state + this.#layout.state.codeBytes.offset;
    view.setInt32(at, view.getInt32(at, true) + bytes, true);
  }

  /** The decoded code of a 4 KiB physical page is gone: what may begin at these offsets; or all of it, with its entries. */
  codeDropped(physicalPage: number, first: number, end: number): void {
    if (this.#requested.size > 0) {
      if (this.#overtakenAt.size >= droppedLimit) this.#overtake();
      this.#overtakenAt.set(physicalPage, this.#nextRequest);
    }
    const regions = this.#byPage.get(physicalPage);
    if (!regions) return;
    const all = end - first === 1 << this.#layout.codePage.shift;
    for (const [region, covered] of regions) {
      if (all || (covered.first < end && covered.end > first)) this.#drop(region);
    }
  }

  stats(): Readonly<Record<string, number>> {
    return {
      regions: this.#translated,
      regionsDropped: this.#dropped,
      regionsGathered: this.#gathered,
      regionsLive: this.#live.size,
      regionSlots: this.#nextIndex - 1,
      modules: this.#modules,
      codeBytes: this.#memoryView().getInt32(this.#state + this.#layout.state.codeBytes.offset, true),
      translatedBytes: this.#bytes,
      translationMilliseconds: Math.round(this.#milliseconds),
      longestTranslationMicroseconds: Math.round(1000 * this.#longest),
    };
  }
}
