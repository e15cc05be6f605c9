/** What a row of `npm run bench:use` is, and the VM that rows share. */
import type { GuestArchitecture } from "../../guests/index.js";
import { createVm, type LinuxVm, type VmOptions } from "../../src/index-node.js";

export interface Row {
  /** What is waited for, as the table says it. */
  readonly name: string;
  /** As text, with its unit: "5 ms". */
  readonly target: string;
  readonly unit: "ms" | "s" | "MB/s" | "MB" | "kB";
  /** More is better: of "MB/s". */
  readonly more?: true;
  /** How often it is measured where the command says nothing. */
  readonly runs: number;
  readonly measure: (bench: Bench) => Promise<void>;
}

/** What a row is given. */
export interface Bench {
  readonly type: "hv" | "pr";
  /** As `createVm` calls it. */
  readonly guest: GuestArchitecture;
  /** How often to measure. */
  readonly runs: number;
  /** A VM that runs, for rows that leave it as they found it. */
  readonly shared: SharedVm;
  /** Takes what one run gave, in the row's unit. */
  result(value: number): void;
}

/** Booted when a row first asks for it. */
export class SharedVm {
  readonly #options: VmOptions;
  #vm: Promise<LinuxVm> | undefined;

  constructor(options: VmOptions) {
    this.#options = options;
  }

  get(): Promise<LinuxVm> {
    this.#vm ??= createVm(this.#options);
    return this.#vm;
  }

  async close(): Promise<void> {
    await (await this.#vm?.catch(() => undefined))?.close({ grace: 0 });
  }
}

/** Milliseconds that something takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}
