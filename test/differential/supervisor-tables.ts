/**
 * The page tables that cases run on. Three processes, all with trees of the form that Linux has (13, 9, 9 bits, then 9 for
 * 4 KiB pages or 5 for 64 KiB):
 *
 *   PID 0   the kernel's: memory at 0 and (by quadrant 3) at 0xc000..., for the supervisor, in 2 MiB pages; the other
 *           trees' views of the window from 1 GiB on
 *   PID 1   the first 2 MiB and the cases' code at their real addresses, in 4 KiB pages; from 8 MiB one of 2 MiB, from
 *           1 GiB one of 1 GiB, both of real address 0
 *   PID 2   the same with 64 KiB pages
 *
 * A case changes entries while it runs. Source: Power ISA v3.0B, Book III "Radix Tree Translation".
 */

const valid = 1n << 63n;
const leaf = 1n << 62n;
const referenced = 0x100n;
const changed = 0x80n;
export const Pte = { valid, leaf, referenced, changed, privileged: 8n, read: 4n, write: 2n, execute: 1n } as const;
const everything = valid | leaf | referenced | changed | Pte.read | Pte.write | Pte.execute;

export const tablesStart = 0x600000;
const processTable = tablesStart;
const root = (pid: number) => tablesStart + 0x10000 * (pid + 1);
const page = (n: number) => tablesStart + 0x40000 + 0x1000 * n;
const gibibytes = (pid: number) => page(pid);
const mebibytes = (pid: number) => page(3 + pid);
/** The kernel's second GiB: the views. */
const views0 = page(6);
const low = [0, page(7), page(8)] as const;
const code = [0, page(9), page(10)] as const;
export const tablesSize = 0x40000 + 0x1000 * 11;
/** What H_REGISTER_PROC_TBL is told: 4 KiB. */
export const processTableRegistration = { base: processTable, size: 0 } as const;

/** The cases' code lies in these 2 MiB. */
export const codeStart = 0x400000;

/** Page table entries of log2(page) bytes. */
const shiftOf = (pid: 1 | 2) => (pid === 1 ? 12 : 16);
const directory = (table: number, bits: number) => valid | BigInt(table) | BigInt(bits);

/** All tables, as they lie in memory from `tablesStart` on: big-endian in any case. */
export function buildTables(): Uint8Array {
  const bytes = new Uint8Array(tablesSize);
  const view = new DataView(bytes.buffer);
  const set = (table: number, index: number, value: bigint) =>
    view.setBigUint64(table - tablesStart + 8 * index, value);
  for (const pid of [0, 1, 2]) {
    // RTS = 21: 52 bits.
    set(processTable, 2 * pid, (2n << 61n) | (5n << 5n) | BigInt(root(pid)) | 13n);
    set(root(pid), 0, directory(gibibytes(pid), 9));
    set(gibibytes(pid), 0, directory(mebibytes(pid), 9));
  }
  for (let n = 0; n < 16; n++) set(mebibytes(0), n, everything | Pte.privileged | BigInt(n << 21));
  set(gibibytes(0), 1, directory(views0, 9));
  set(views0, 0, directory(low[1], 9));
  set(views0, 1, directory(low[2], 5));
  set(views0, 2, everything);
  set(gibibytes(0), 2, everything);
  for (const pid of [1, 2] as const) {
    const shift = shiftOf(pid);
    set(mebibytes(pid), 0, directory(low[pid], 21 - shift));
    set(mebibytes(pid), codeStart >> 21, directory(code[pid], 21 - shift));
    set(mebibytes(pid), 4, everything);
    set(gibibytes(pid), 1, everything);
    for (let n = 0; n < 1 << (21 - shift); n++) {
      set(low[pid], n, everything | BigInt(n << shift));
      set(code[pid], n, everything | BigInt(codeStart + (n << shift)));
    }
  }
  return bytes;
}

/** An entry that a case may change. */
export interface Entry {
  /** Its real address. */
  readonly at: number;
  /** Real address of its page. */
  readonly page: number;
}

/** A way to get at real address 0 and what follows. */
export interface View {
  /** Effective address of real address 0. */
  readonly base: bigint;
  /** Log2 of the page's bytes. */
  readonly shift: number;
  /** The entry for a real address below 2 MiB. */
  readonly entry: (real: number) => Entry;
  /** The directory entry above, where there is one of its own. */
  readonly above?: number;
}

function small(base: bigint, pid: 1 | 2, above: number): View {
  const shift = shiftOf(pid);
  const entry = (real: number) => ({ at: low[pid] + 8 * (real >> shift), page: (real >> shift) << shift });
  return { base, shift, entry, above };
}
const large = (base: bigint, shift: number, at: number): View => ({ base, shift, entry: () => ({ at, page: 0 }) });

/** Quadrant 0 of a process. */
export function processViews(pid: 1 | 2): readonly View[] {
  return [
    small(0n, pid, mebibytes(pid)),
    large(0x800000n, 21, mebibytes(pid) + 8 * 4),
    large(0x4000_0000n, 30, gibibytes(pid) + 8),
  ];
}

const quadrant3 = 0xc000_0000_0000_0000n;
/** Quadrant 3, which is the same in every process. */
export const kernelViews: readonly View[] = [
  small(quadrant3 + 0x4000_0000n, 1, views0),
  small(quadrant3 + 0x4020_0000n, 2, views0 + 8),
  large(quadrant3 + 0x4040_0000n, 21, views0 + 16),
  large(quadrant3 + 0x8000_0000n, 30, gibibytes(0) + 16),
];

/** The entry for a case's code at this real address. */
export function codeEntry(pid: 1 | 2, real: number): Entry {
  const shift = shiftOf(pid);
  return { at: code[pid] + 8 * ((real - codeStart) >> shift), page: (real >> shift) << shift };
}
