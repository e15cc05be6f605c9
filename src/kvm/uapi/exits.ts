/**
 * Every reason for which run() returns, a row each: what Linux counts it as, whether the next run() takes an answer, and how
 * the exit crosses from the thread of its vCPU to the machine's. Whoever must know a new one is named by the compiler: this
 * table, what completes an exit in each architecture, and each machine that is asked about it.
 */
import type { Exit, ExitReason } from "../uapi.js";

type ExitOf<R extends ExitReason> = Extract<Exit, { readonly reason: R }>;

/** How an exit is put into words that two threads share, and taken out of them. */
export interface ExitWords<R extends ExitReason> {
  readonly put: (exit: ExitOf<R>, words: BigInt64Array) => void;
  /** An exit of its own. */
  readonly get: (words: BigInt64Array) => ExitOf<R>;
  /** Copies what the user side has answered from one exit into another. Nothing if it is not answered. */
  readonly answer?: (from: ExitOf<R>, to: ExitOf<R>) => void;
}

export interface ExitRow<R extends ExitReason> {
  /** Its counter in KVM_GET_STATS_FD. */
  readonly statistic: string;
  /** The next run() takes what the user side has put into it. */
  readonly answered: boolean;
  /** Undefined: the thread that runs the vCPU deals with it, or the run is over. */
  readonly words: ExitWords<R> | undefined;
}

/** 64-bit words that any exit fits in. */
export const exitWordCount = 11;
const hcallArguments = 9;
const hypercallArguments = 6;

const unsigned = (value: bigint | undefined): bigint => BigInt.asUintN(64, value ?? 0n);
const number = (value: bigint | undefined): number => Number(value ?? 0n);

/** In the order of their counters in a vCPU's record. */
export const exitTable = {
  mmio: {
    statistic: "mmio_exits",
    answered: true,
    words: {
      put: ({ physAddr, data, length, isWrite }, words) => {
        words.set([physAddr, data, BigInt(length), isWrite ? 1n : 0n]);
      },
      get: ([physAddr, data, length, isWrite]) => ({
        reason: "mmio",
        physAddr: unsigned(physAddr),
        data: unsigned(data),
        length: number(length),
        isWrite: isWrite !== 0n,
      }),
      answer: ({ data }, to) => {
        to.data = data;
      },
    },
  },
  io: {
    statistic: "io_exits",
    answered: true,
    words: {
      put: ({ direction, size, port, count, data, dataOffset = 0 }, words) => {
        words.set([BigInt(direction), BigInt(size), BigInt(port), BigInt(count), data, BigInt(dataOffset)]);
      },
      get: ([direction, size, port, count, data, dataOffset]) => ({
        reason: "io",
        direction: number(direction),
        size: number(size),
        port: number(port),
        count: number(count),
        data: unsigned(data),
        ...(dataOffset ? { dataOffset: number(dataOffset) } : {}),
      }),
      // Those of several accesses are in memory that all threads have.
      answer: ({ data }, to) => {
        to.data = data;
      },
    },
  },
  papr_hcall: {
    statistic: "papr_hcall_exits",
    answered: true,
    words: {
      put: ({ nr, ret, args }, words) => {
        words.set([BigInt(nr), ret]);
        for (let i = 0; i < hcallArguments; i++) words[2 + i] = args[i] ?? 0n;
      },
      get: ([nr, ret = 0n, ...args]) => ({
        reason: "papr_hcall",
        nr: number(nr),
        ret,
        args: args.slice(0, hcallArguments),
      }),
      answer: ({ ret, args }, to) => {
        to.ret = ret;
        for (const [i, value] of args.entries()) to.args[i] = value;
      },
    },
  },
  debug: { statistic: "debug_exits", answered: false, words: undefined },
  intr: { statistic: "signal_exits", answered: false, words: undefined },
  hlt: { statistic: "hlt_exits", answered: false, words: undefined },
  system_event: {
    statistic: "system_event_exits",
    answered: false,
    words: {
      put: ({ type, flags }, words) => words.set([BigInt(type), flags]),
      get: ([type, flags]) => ({ reason: "system_event", type: number(type), flags: unsigned(flags) }),
    },
  },
  internal_error: { statistic: "internal_error_exits", answered: false, words: undefined },
  shutdown: {
    statistic: "shutdown_exits",
    answered: false,
    words: { put: () => {}, get: () => ({ reason: "shutdown" }) },
  },
  fail_entry: {
    statistic: "fail_entry_exits",
    answered: false,
    words: {
      put: ({ hardwareEntryFailureReason }, words) => words.set([hardwareEntryFailureReason]),
      get: ([reason]) => ({ reason: "fail_entry", hardwareEntryFailureReason: unsigned(reason) }),
    },
  },
  dirty_ring_full: { statistic: "dirty_ring_full_exits", answered: false, words: undefined },
  nmi: {
    statistic: "nmi_exits",
    answered: false,
    words: {
      put: ({ flags }, words) => words.set([BigInt(flags)]),
      get: ([flags]) => ({ reason: "nmi", flags: number(flags) }),
    },
  },
  // Nobody has asked for it on another thread: its 32 registers do not fit.
  osi: { statistic: "osi_exits", answered: true, words: undefined },
  x86_rdmsr: {
    statistic: "x86_rdmsr_exits",
    answered: true,
    words: {
      put: ({ msrReason, index, data, error }, words) => {
        words.set([BigInt(msrReason), BigInt(index), data, BigInt(error)]);
      },
      get: ([msrReason, index, data, error]) => ({
        reason: "x86_rdmsr",
        msrReason: number(msrReason),
        index: number(index),
        data: unsigned(data),
        error: number(error),
      }),
      answer: ({ data, error }, to) => {
        to.data = data;
        to.error = error;
      },
    },
  },
  x86_wrmsr: {
    statistic: "x86_wrmsr_exits",
    answered: true,
    words: {
      put: ({ msrReason, index, data, error }, words) => {
        words.set([BigInt(msrReason), BigInt(index), data, BigInt(error)]);
      },
      get: ([msrReason, index, data, error]) => ({
        reason: "x86_wrmsr",
        msrReason: number(msrReason),
        index: number(index),
        data: unsigned(data),
        error: number(error),
      }),
      answer: ({ error }, to) => {
        to.error = error;
      },
    },
  },
  hypercall: {
    statistic: "hypercall_exits",
    answered: true,
    words: {
      put: ({ nr, flags, ret, args }, words) => {
        words.set([BigInt(nr), BigInt(flags), ret]);
        for (let i = 0; i < hypercallArguments; i++) words[3 + i] = args[i] ?? 0n;
      },
      get: ([nr, flags, ret, ...args]) => ({
        reason: "hypercall",
        nr: number(nr),
        flags: number(flags),
        ret: unsigned(ret),
        args: args.slice(0, hypercallArguments).map(unsigned),
      }),
      answer: ({ ret }, to) => {
        to.ret = ret;
      },
    },
  },
  irq_window_open: {
    statistic: "request_irq_exits",
    answered: false,
    words: { put: () => {}, get: () => ({ reason: "irq_window_open" }) },
  },
  set_tpr: {
    statistic: "set_tpr_exits",
    answered: false,
    words: {
      put: ({ cr8 }, words) => words.set([BigInt(cr8)]),
      get: ([cr8]) => ({ reason: "set_tpr", cr8: number(cr8) }),
    },
  },
  ioapic_eoi: {
    statistic: "ioapic_eoi_exits",
    answered: false,
    words: {
      put: ({ vector }, words) => words.set([BigInt(vector)]),
      get: ([vector]) => ({ reason: "ioapic_eoi", vector: number(vector) }),
    },
  },
  tpr_access: {
    statistic: "tpr_access_exits",
    answered: false,
    words: {
      put: ({ rip, isWrite }, words) => words.set([rip, isWrite ? 1n : 0n]),
      get: ([rip, isWrite]) => ({ reason: "tpr_access", rip: unsigned(rip), isWrite: isWrite !== 0n }),
    },
  },
} as const satisfies { readonly [R in ExitReason]: ExitRow<R> };

/** In the order of their counters. */
export const exitReasons = Object.keys(exitTable) as readonly ExitReason[];

/** Exits that the machine's thread is asked about. */
export type ForwardedReason = {
  [R in ExitReason]: (typeof exitTable)[R]["words"] extends undefined ? never : R;
}[ExitReason];
export type ForwardedExit = ExitOf<ForwardedReason>;

/** Exits whose answer the next run() takes. */
export type AnsweredExit = ExitOf<
  { [R in ExitReason]: (typeof exitTable)[R]["answered"] extends true ? R : never }[ExitReason]
>;

export function isForwarded(exit: Exit): exit is ForwardedExit {
  return exitTable[exit.reason].words !== undefined;
}

export function isAnswered(exit: Exit): exit is AnsweredExit {
  return exitTable[exit.reason].answered;
}

/** The row's words; the table's type says for each reason that they fit it. */
export function wordsOf(reason: ForwardedReason): ExitWords<ForwardedReason> {
  return exitTable[reason].words as unknown as ExitWords<ForwardedReason>;
}
