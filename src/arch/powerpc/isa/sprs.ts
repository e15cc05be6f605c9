/**
 * The special purpose registers that a guest can name: who may read and write each, and what doing so means.
 * Source: Power ISA v3.0B, Book III "Move To/From System Register Instructions" and the chapters of the registers.
 *
 * Hypervisor registers are listed only for their privilege: a guest never has HV. A number that is not listed, or not for
 * that direction, is dealt with by the fallback definitions in `instructions/move-spr.ts`.
 */
import { bitOf64, FacilityCause, inProblemState, withFacility } from "./common.js";
import type { InsnOptions } from "./insn.js";
import type { I32, I64, Machine } from "./machine.js";
import type { RegisterName, registers } from "./registers.js";

type WideRegister = { [N in RegisterName]: (typeof registers)[N] extends "i64" ? N : never }[RegisterName];

/** The least privileged state from which an access is allowed. */
export type SprAccess = "problem" | "supervisor" | "hypervisor";

export interface Spr {
  readonly number: number;
  readonly name: string;
  readonly read?: SprAccess;
  readonly write?: SprAccess;
  /** Gives the value. Missing with `read`: nothing happens. */
  readonly get?: (m: Machine) => I64;
  /** Missing with `write`: nothing happens. */
  readonly put?: (m: Machine, value: I64) => void;
  /** Runs the access, or raises what stands in its way. */
  readonly guard?: (m: Machine, direction: "read" | "write", access: () => void) => void;
  /** The version of the architecture that brought it. */
  readonly since?: InsnOptions["since"];
  /** Its moves have mnemonics of their own as instructions, mflr and mtlr, because programs are full of them. */
  readonly own?: true;
}

const stored = (register: WideRegister): Pick<Spr, "get" | "put"> => ({
  get: (m) => m.get(register),
  put: (m, value) => m.set(register, value),
});

/** As `stored`, of 32 bits. */
const storedWord = (register: WideRegister): Pick<Spr, "get" | "put"> => ({
  get: (m) => m.get(register),
  put: (m, value) => m.set(register, m.i64.extendU(m.i32.wrap(value))),
});

const problem = { read: "problem", write: "problem" } as const;
const supervisor = { read: "supervisor", write: "supervisor" } as const;

const facility = (cause: keyof typeof FacilityCause): Pick<Spr, "guard"> => ({
  guard: (m, _direction, access) => withFacility(m, FacilityCause[cause], access),
});

/** Counts with the time base: one thread a core, never descheduled as far as the guest can tell. */
const counting = (register: "purr" | "spurr" | "vtb"): Pick<Spr, "get"> => ({
  get: (m) => m.i64.add(m.get(register), m.call("timeBase")),
});

// XER: its bits are kept apart.

const xerBits = [
  ["so", 31],
  ["ov", 30],
  ["ca", 29],
  ["ov32", 19],
  ["ca32", 18],
] as const;
const xerRestMask = 0x1ff3ffffn;

function getXer(m: Machine): I64 {
  const { i32, i64 } = m;
  const bits = xerBits.map(([name, place]) => i32.shl(m.get(name), i32.const(place))).reduce((x, y) => i32.or(x, y));
  return i64.or(i64.extendU(bits), m.get("xerRest"));
}

function putXer(m: Machine, value: I64): void {
  for (const [name, place] of xerBits) m.set(name, bitOf64(m, value, place));
  m.set("xerRest", m.i64.and(value, m.i64.const(xerRestMask)));
}

// Keys. What a state may not change stays: UAMOR decides for problem state, AMOR for the supervisor.

const merge = (m: Machine, old: I64, value: I64, mask: I64): I64 =>
  m.i64.or(m.i64.and(value, mask), m.i64.and(old, m.i64.not(mask)));

function putAmr(m: Machine, value: I64): void {
  const mask = m.select(inProblemState(m), m.get("uamor"), m.get("amor"));
  m.set("amr", merge(m, m.get("amr"), value, mask));
  m.call("contextChanged");
}

const underAmor = (register: "iamr" | "uamor") => (m: Machine, value: I64) => {
  m.set(register, merge(m, m.get(register), value, m.get("amor")));
  m.call("contextChanged");
};

function putPid(m: Machine, value: I64): void {
  m.set("pid", m.i64.extendU(m.i32.wrap(value)));
  m.call("contextChanged");
}

// Event-based branches: BESCR is also set and reset bit by bit, whole or its upper word.

const upper = (m: Machine, value: I64): I64 => m.i64.shrU(value, m.i64.const(32));
const asUpper = (m: Machine, value: I64): I64 => m.i64.shl(value, m.i64.const(32));
const setEvents = (m: Machine, bits: I64): void => m.set("bescr", m.i64.or(m.get("bescr"), bits));
const resetEvents = (m: Machine, bits: I64): void => m.set("bescr", m.i64.and(m.get("bescr"), m.i64.not(bits)));

// The performance monitor as problem state sees it: MMCR0[PMCC] decides, and masks hide what is the supervisor's.

function pmcc(m: Machine): I32 {
  return m.i32.and(m.i32.wrap(m.i64.shrU(m.get("mmcr0"), m.i64.const(18))), m.i32.const(3));
}

/** `counter56`: PMC5 and PMC6, which PMCC = 3 withdraws. */
const monitored = (counter56 = false): Pick<Spr, "guard"> => ({
  guard: (m, direction, access) => {
    const { i32 } = m;
    const control = pmcc(m);
    let denied = i32.eq(control, i32.const(1));
    if (counter56) denied = i32.or(denied, i32.eq(control, i32.const(3)));
    const allowed = (): void => {
      if (direction === "read") access();
      // PMCC = 0: problem state reads only.
      else m.if(i32.and(inProblemState(m), i32.eqz(control)), () => m.raise("illegal"), access);
    };
    const cause = i32.const(FacilityCause.performanceMonitor);
    m.if(i32.and(inProblemState(m), denied), () => m.call("facilityUnavailable", cause), allowed);
  },
});

/** Problem state sees and changes only the bits of `mask`. */
function masked(register: "mmcr0" | "mmcr2", mask: bigint): Pick<Spr, "get" | "put"> {
  const visible = (m: Machine): I64 => m.select(inProblemState(m), m.i64.const(mask), m.i64.const(-1));
  return {
    get: (m) => m.i64.and(m.get(register), visible(m)),
    put: (m, value) => m.set(register, merge(m, m.get(register), value, visible(m))),
  };
}
/** FC, PMAE, PMAO. */
const mmcr0Mask = 0x84000080n;
/** FC1P to FC6P. */
const mmcr2Mask = [1, 10, 19, 28, 37, 46].reduce((mask, bit) => mask | (1n << BigInt(63 - bit)), 0n);

const counters = [1, 2, 3, 4, 5, 6] as const;

const hypervisorOnly = [
  [177, "dhdes"],
  [180, "dawr0"],
  [181, "dawr1"],
  [186, "rpr"],
  [187, "ciabr"],
  [188, "dawrx0"],
  [189, "dawrx1"],
  [190, "hfscr"],
  [304, "hsprg0"],
  [305, "hsprg1"],
  [306, "hdsisr"],
  [307, "hdar"],
  [310, "hdec"],
  [313, "hrmor"],
  [314, "hsrr0"],
  [315, "hsrr1"],
  [318, "lpcr"],
  [319, "lpidr"],
  [336, "hmer"],
  [337, "hmeer"],
  [338, "pcr"],
  [339, "heir"],
  [349, "amor"],
  [464, "ptcr"],
  [469, "hashpkeyr"],
  [471, "hdexcr"],
  [816, "asdr"],
  [850, "ldbar"],
  [851, "mmcrc"],
  [853, "pmsr"],
  [855, "psscr"],
  [921, "tscr"],
  [922, "ttr"],
  [1008, "hid"],
] as const;

/** Of these, what v3.0 brought, and what v3.1 did. */
const hypervisorSince30: readonly string[] = ["ptcr", "asdr", "psscr"];
const hypervisorSince31: readonly string[] = ["dawr1", "dawrx1", "hashpkeyr", "hdexcr"];

/** Every special purpose register, by rising number. */
export const sprs: readonly Spr[] = (
  [
    { number: 1, name: "xer", ...problem, get: getXer, put: putXer, own: true },
    { number: 3, name: "udscr", ...problem, ...stored("dscr"), ...facility("dscr") },
    { number: 8, name: "lr", ...problem, ...stored("lr"), own: true },
    { number: 9, name: "ctr", ...problem, ...stored("ctr"), own: true },
    { number: 13, name: "uamr", ...problem, get: (m) => m.get("amr"), put: putAmr },
    { number: 17, name: "dscr", ...supervisor, ...stored("dscr") },
    { number: 18, name: "dsisr", ...supervisor, ...storedWord("dsisr") },
    { number: 19, name: "dar", ...supervisor, ...stored("dar") },
    {
      number: 22,
      name: "dec",
      ...supervisor,
      get: (m) => m.call("decrementer"),
      put: (m, value) => m.call("setDecrementer", value),
    },
    { number: 26, name: "srr0", ...supervisor, ...stored("srr0") },
    { number: 27, name: "srr1", ...supervisor, ...stored("srr1") },
    {
      number: 28,
      name: "cfar",
      ...supervisor,
      get: (m) => m.call("comeFrom"),
      put: (m, value) => m.call("setComeFrom", value),
    },
    { number: 29, name: "amr", ...supervisor, get: (m) => m.get("amr"), put: putAmr },
    { number: 48, name: "pid", ...supervisor, get: (m) => m.get("pid"), put: putPid },
    { number: 61, name: "iamr", ...supervisor, get: (m) => m.get("iamr"), put: underAmor("iamr") },
    { number: 136, name: "ctrl", read: "problem", get: (m) => m.get("ctrl") },
    { number: 144, name: "tidr", ...supervisor, ...stored("tidr"), since: "3.0" },
    {
      number: 152,
      name: "ctrl",
      write: "supervisor",
      // RUN, which also shows in the thread's place in TS.
      put: (m, value) => {
        const run = m.i64.and(value, m.i64.const(1));
        m.set("ctrl", m.i64.or(run, m.i64.shl(run, m.i64.const(15))));
      },
    },
    { number: 153, name: "fscr", ...supervisor, ...stored("fscr") },
    { number: 157, name: "uamor", ...supervisor, get: (m) => m.get("uamor"), put: underAmor("uamor") },
    { number: 159, name: "pspb", ...supervisor, ...storedWord("pspb") },
    { number: 256, name: "vrsave", ...problem, ...storedWord("vrsave") },
    { number: 259, name: "usprg3", read: "problem", get: (m) => m.get("sprg3") },
    { number: 268, name: "tb", read: "problem", get: (m) => m.call("timeBase") },
    { number: 269, name: "tbu", read: "problem", get: (m) => upper(m, m.call("timeBase")) },
    { number: 272, name: "sprg0", ...supervisor, ...stored("sprg0") },
    { number: 273, name: "sprg1", ...supervisor, ...stored("sprg1") },
    { number: 274, name: "sprg2", ...supervisor, ...stored("sprg2") },
    { number: 275, name: "sprg3", ...supervisor, ...stored("sprg3") },
    { number: 284, name: "tbl", write: "hypervisor" },
    { number: 285, name: "tbu", write: "hypervisor" },
    { number: 286, name: "tbu40", write: "hypervisor" },
    { number: 287, name: "pvr", read: "supervisor", get: (m) => m.get("pvr") },
    { number: 308, name: "spurr", read: "supervisor", write: "hypervisor", ...counting("spurr") },
    { number: 309, name: "purr", read: "supervisor", write: "hypervisor", ...counting("purr") },
    // No aspect can be turned on: hashst and hashchk do nothing.
    { number: 455, name: "uhdexcr", read: "problem", get: (m) => m.i64.const(0), since: "3.1" },
    { number: 468, name: "hashkeyr", ...supervisor, get: (m) => m.i64.const(0), since: "3.1" },
    { number: 812, name: "udexcr", read: "problem", get: (m) => m.i64.const(0), since: "3.1" },
    { number: 828, name: "dexcr", ...supervisor, get: (m) => m.i64.const(0), since: "3.1" },
    { number: 736, name: "usier2", read: "problem", get: (m) => m.get("sier2"), ...monitored(), since: "3.1" },
    { number: 737, name: "usier3", read: "problem", get: (m) => m.get("sier3"), ...monitored(), since: "3.1" },
    { number: 738, name: "ummcr3", read: "problem", get: (m) => m.get("mmcr3"), ...monitored(), since: "3.1" },
    { number: 752, name: "sier2", ...supervisor, ...stored("sier2"), since: "3.1" },
    { number: 753, name: "sier3", ...supervisor, ...stored("sier3"), since: "3.1" },
    { number: 754, name: "mmcr3", ...supervisor, ...stored("mmcr3"), since: "3.1" },
    { number: 446, name: "tir", read: "supervisor", get: (m) => m.get("tir") },
    { number: 768, name: "usier", read: "problem", get: (m) => m.get("sier"), ...monitored() },
    { number: 769, name: "ummcr2", ...problem, ...masked("mmcr2", mmcr2Mask), ...monitored() },
    { number: 770, name: "ummcra", ...problem, ...stored("mmcra"), ...monitored() },
    ...counters.map((n) => ({
      number: 770 + n,
      name: `upmc${n}`,
      ...problem,
      ...storedWord(`pmc${n}`),
      ...monitored(n > 4),
    })),
    { number: 779, name: "ummcr0", ...problem, ...masked("mmcr0", mmcr0Mask), ...monitored() },
    { number: 780, name: "usiar", read: "problem", get: (m) => m.get("siar"), ...monitored() },
    { number: 781, name: "usdar", read: "problem", get: (m) => m.get("sdar"), ...monitored() },
    { number: 782, name: "ummcr1", read: "problem", get: (m) => m.get("mmcr1"), ...monitored() },
    { number: 784, name: "sier", ...supervisor, ...stored("sier") },
    { number: 785, name: "mmcr2", ...supervisor, ...stored("mmcr2") },
    { number: 786, name: "mmcra", ...supervisor, ...stored("mmcra") },
    ...counters.map((n) => ({ number: 786 + n, name: `pmc${n}`, ...supervisor, ...storedWord(`pmc${n}`) })),
    { number: 795, name: "mmcr0", ...supervisor, ...storedWord("mmcr0") },
    { number: 796, name: "siar", ...supervisor, ...stored("siar") },
    { number: 797, name: "sdar", ...supervisor, ...stored("sdar") },
    { number: 798, name: "mmcr1", ...supervisor, ...stored("mmcr1") },
    { number: 800, name: "bescrs", ...problem, get: (m) => m.get("bescr"), put: setEvents, ...facility("eventBranch") },
    {
      number: 801,
      name: "bescrsu",
      ...problem,
      get: (m) => upper(m, m.get("bescr")),
      put: (m, value) => setEvents(m, asUpper(m, value)),
      ...facility("eventBranch"),
    },
    {
      number: 802,
      name: "bescrr",
      ...problem,
      get: (m) => m.get("bescr"),
      put: resetEvents,
      ...facility("eventBranch"),
    },
    {
      number: 803,
      name: "bescrru",
      ...problem,
      get: (m) => upper(m, m.get("bescr")),
      put: (m, value) => resetEvents(m, asUpper(m, value)),
      ...facility("eventBranch"),
    },
    { number: 804, name: "ebbhr", ...problem, ...stored("ebbhr"), ...facility("eventBranch") },
    { number: 805, name: "ebbrr", ...problem, ...stored("ebbrr"), ...facility("eventBranch") },
    { number: 806, name: "bescr", ...problem, ...stored("bescr"), ...facility("eventBranch") },
    // Reserved numbers that do nothing in any state.
    ...[808, 809, 810, 811].map((number) => ({ number, name: `reserved${number}`, ...problem })),
    { number: 815, name: "tar", ...problem, ...stored("tar"), ...facility("targetAddress") },
    { number: 823, name: "psscr", ...supervisor, ...stored("psscr"), since: "3.0" },
    { number: 848, name: "ic", read: "supervisor", write: "hypervisor", get: (m) => m.get("ic") },
    { number: 849, name: "vtb", read: "supervisor", write: "hypervisor", ...counting("vtb") },
    { number: 895, name: "wort", ...supervisor, ...stored("wort") },
    { number: 896, name: "ppr", ...problem, ...stored("ppr") },
    {
      number: 898,
      name: "ppr32",
      ...problem,
      get: (m) => upper(m, m.get("ppr")),
      put: (m, value) => m.set("ppr", merge(m, m.get("ppr"), asUpper(m, value), m.i64.const(0xffffffff00000000n))),
    },
    { number: 1023, name: "pir", read: "supervisor", get: (m) => m.get("pir") },
    ...hypervisorOnly.map(([number, name]) => ({
      number,
      name,
      read: "hypervisor" as const,
      write: "hypervisor" as const,
      ...(hypervisorSince30.includes(name) ? { since: "3.0" as const } : {}),
      ...(hypervisorSince31.includes(name) ? { since: "3.1" as const } : {}),
    })),
  ] satisfies Spr[] as Spr[]
).toSorted((a, b) => a.number - b.number);
