/**
 * Counters that all threads of the process share: a page of memory that a VM's `share()` carries to the threads that
 * attach. Words are i32 and only used with Atomics. The layout is part of vac's contract: words are only ever added.
 */

import { mayFail } from "../base/fault.js";
import { ProcessWide } from "../base/process-wide.js";

const word = { codeBytes: 0, codeLimit: 1, workers: 2, workerLimit: 3 } as const;
type Word = keyof typeof word;

const pageBytes = 4096;
/** Where this thread keeps the page, under one name for every version of the package. */
const processPage = new ProcessWide<PageBuffer>("unikvm.vac.page");
/** Bytes of generated code: V8 takes some ten times as much memory for it. */
const defaultCodeLimit = 64 << 20;
/** Threads for vCPUs. */
const defaultWorkerLimit = 1024;

export type PageBuffer = ArrayBuffer | SharedArrayBuffer;

/** What one VM may have of the process's generated code. */
export interface CodeShare {
  /** As `ProcessPage.accountCode`. */
  account(bytes: number): void;
  /** As `ProcessPage.codeExcess`. */
  readonly excess: number;
}

/** Whose code is made by what is bound now. */
let share: CodeShare | undefined;

export class ProcessPage {
  readonly buffer: PageBuffer;
  readonly #words: Int32Array;
  readonly #share = share;

  constructor(buffer: PageBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** What `bind` makes, by pages that it asks for, is of this share, too. */
  static within<T>(of: CodeShare, bind: () => T): T {
    const before = share;
    share = of;
    try {
      return bind();
    } finally {
      share = before;
    }
  }

  /** The page of this thread: the one that was given to it, or else a new one. */
  static here(given?: PageBuffer): ProcessPage {
    const present = processPage.value ?? given;
    const page = new ProcessPage(present ?? newBuffer());
    if (!present) {
      page.codeLimit = defaultCodeLimit;
      page.workerLimit = defaultWorkerLimit;
    }
    processPage.value = page.buffer;
    return page;
  }

  /** Bytes of generated code in the process. */
  get codeBytes(): number {
    return this.#load("codeBytes");
  }
  /** Accounts for code that was generated (positive) or dropped (negative). */
  accountCode(bytes: number): void {
    Atomics.add(this.#words, word.codeBytes, bytes);
    this.#share?.account(bytes);
  }
  get codeLimit(): number {
    return this.#load("codeLimit");
  }
  set codeLimit(bytes: number) {
    Atomics.store(this.#words, word.codeLimit, bytes);
  }
  /** Bytes that must go before more is generated: 0 or more. */
  get codeExcess(): number {
    return Math.max(0, this.codeBytes - this.codeLimit, this.#share?.excess ?? 0);
  }

  /** Threads that vCPUs may take. */
  get workers(): number {
    return this.#load("workers");
  }
  get workerLimit(): number {
    return this.#load("workerLimit");
  }
  set workerLimit(count: number) {
    Atomics.store(this.#words, word.workerLimit, count);
  }
  /** False: there would be more than the limit. */
  reserveWorkers(count: number): boolean {
    mayFail("thread");
    if (Atomics.add(this.#words, word.workers, count) + count <= this.workerLimit) return true;
    this.releaseWorkers(count);
    return false;
  }
  releaseWorkers(count: number): void {
    Atomics.sub(this.#words, word.workers, count);
  }

  #load(name: Word): number {
    return Atomics.load(this.#words, word[name]);
  }
}

function newBuffer(): PageBuffer {
  mayFail("vac's page");
  return typeof SharedArrayBuffer === "undefined" ? new ArrayBuffer(pageBytes) : new SharedArrayBuffer(pageBytes);
}
