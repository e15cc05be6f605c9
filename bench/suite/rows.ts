/** What is measured: one row each. Nothing here knows a guest's architecture. */

/** Rows of one set share an initial RAM disk, and so a boot. */
export interface RowSet {
  readonly name: string;
  /** What stands above its table. */
  readonly title: string;
  /** MB of the guest's memory. */
  readonly memory: number;
  readonly rows: readonly Row[];
}

export interface Row {
  readonly name: string;
  /** Words, run as they are: no shell looks at them. */
  readonly command: string;
  /** A command whose output is the row's standard input; not measured. */
  readonly prepare?: string;
  /** The host, which runs the same source compiled for itself, must get the same output. */
  readonly native?: true;
}

/** Programs of bench/guest/main.c. */
const compiled = (...names: readonly string[]): Row[] =>
  names.map((name) => ({ name, command: `/bench/rows ${name}`, native: true }));

export const bootRow = "boot";

export const smallPrograms: RowSet = {
  name: "small",
  title: "Small programs",
  memory: 512,
  rows: [
    ...compiled("integer", "multiply-divide", "stride", "chase-4m", "chase-64m", "matmul", "nbody", "fir"),
    ...compiled("memcpy-8m", "memcpy-64", "strings", "vectors", "sha256", "crc", "lz", "quicksort", "recursion"),
    ...compiled("interpreter", "virtual-calls", "setjmp", "getppid", "pipe", "page-faults", "mmap", "fork"),
    ...compiled("fork-exec", "tmpfs-reads"),
    { name: "shell-loop", command: "sh /bench/loop.sh" },
    { name: "awk", command: "awk -f /bench/words.awk", prepare: "/bench/rows text 200000" },
    { name: "gzip", command: "gzip -c", prepare: "/bench/rows text 3000000" },
  ],
};
