/**
 * Pages of the user side's memory whose contents lie somewhere else until somebody looks at them: RAM of a guest that goes on
 * from a snapshot, of which it uses a part. As Linux's userfaultfd has it (Documentation/admin-guide/mm/userfaultfd.rst,
 * UFFDIO_REGISTER_MODE_MISSING), but that whoever comes to such a page fills it on its own thread, and others wait for that.
 */
import { KvmError } from "../base/errors.js";
import { allocate } from "./heap.js";
import { vmLayout } from "./layout.js";
import { canBlock, type VmMemory } from "./memory.js";
import type { FillPage } from "./uapi.js";

/** What the table says of a page of the VM's memory, in an i32 [A]. */
const Page = { there: 0, missing: 1, coming: 2 } as const;

const pageSize = vmLayout.pageSize;
/** A page that does not come in this time never will: its thread has ended, ms. */
const patience = 20_000;

export class MissingPages {
  readonly #memory: VmMemory;
  #fill: FillPage | undefined;

  constructor(memory: VmMemory) {
    this.#memory = memory;
  }

  /** What fills pages on this thread. */
  setFill(fill: FillPage): void {
    this.#fill = fill;
  }

  /**
   * Pages of so many bytes of the user side's memory are missing from now on, a bit each, the first one's in byte 0. Before there
   * is a second thread.
   */
  withhold(address: number, length: number, bits: Uint8Array): void {
    const memory = this.#memory;
    memory.bytes(address, length);
    if (address % pageSize !== 0 || length % pageSize !== 0 || bits.length * 8 < length / pageSize) {
      throw new KvmError("EINVAL", `${length} bytes at ${address} are not pages with a bit each`);
    }
    if (memory.i32(vmLayout.missingPages) !== 0) throw new KvmError("EEXIST", "the VM has missing pages already");
    const first = address / pageSize;
    const count = length / pageSize;
    // One word for each page of all of the memory up to there: who looks a page up adds nothing to its number.
    const table = allocate(memory, 4 * (first + count), pageSize, { lowest: vmLayout.userStart });
    for (let i = 0; i < count; i++) {
      if (((bits[i >>> 3] as number) >>> (i & 7)) & 1) memory.setI32(table + 4 * (first + i), Page.missing);
    }
    memory.setI32(vmLayout.missingPagesEnd, first + count);
    memory.store(vmLayout.missingPages, table);
  }

  /** Has what is missing of these bytes filled. EIO, or what the user side's function throws: it cannot be. */
  need(address: number, length: number): void {
    const memory = this.#memory;
    const table = memory.u32(vmLayout.missingPages);
    if (table === 0 || length === 0) return;
    const end = Math.min(Math.ceil((address + length) / pageSize), memory.i32(vmLayout.missingPagesEnd));
    for (let page = Math.floor(address / pageSize); page < end; page++) {
      if (memory.load(table + 4 * page) !== Page.there) this.#bring(table + 4 * page, page * pageSize);
    }
  }

  /** All that is missing, as for who looks at memory past this. */
  needAll(): void {
    this.need(0, this.#memory.i32(vmLayout.missingPagesEnd) * pageSize);
  }

  #bring(word: number, address: number): void {
    const memory = this.#memory;
    const late = performance.now() + patience;
    for (;;) {
      const was = memory.compareExchange(word, Page.missing, Page.coming);
      if (was === Page.there) return;
      if (was === Page.missing) {
        this.#fillHere(word, address);
        return;
      }
      if (performance.now() > late) throw new KvmError("EIO", `the page at ${address} does not come`);
      if (memory.shared && canBlock()) memory.wait(word, Page.coming, 100);
    }
  }

  #fillHere(word: number, address: number): void {
    const memory = this.#memory;
    let now: number = Page.missing;
    try {
      if (!this.#fill) throw new KvmError("EIO", "pages are missing, and nothing fills them on this thread");
      this.#fill(address, memory.bytes(address, pageSize));
      now = Page.there;
    } finally {
      memory.store(word, now);
      memory.notify(word);
    }
  }
}
