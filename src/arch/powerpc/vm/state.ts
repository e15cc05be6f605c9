/**
 * The kernel side's own plain data of a POWER VM, besides what the engines read (engines/layout.ts).
 * [I] set before a second thread can see it; [L] under the VM's lock; [A] Atomics; [V] the vCPU's thread while it runs.
 */
import { struct } from "../../../base/struct.js";
import { vmLayout } from "../../../kvm/layout.js";

/** Hypercall numbers that are counted and can be switched: multiples of 4 below this. */
export const hcallLimit = 0x800;
/** RTAS calls with a kernel-side handler, at most. */
export const rtasMax = 16;
export const tceTableMax = 64;

/** Where a VM's memory has the address of `ppcVm`, in the architecture's area behind what the engines use. */
export const ppcVmPointer = vmLayout.arch + 256;

/** Per VM. */
export const ppcVm = struct({
  /** [I] Partition number. */
  lpid: "i32",
  /** [A] One bit per hypercall number / 4: the kernel side handles it. */
  hcallEnabled: ["i32", hcallLimit / 4 / 32],
  /** [A] How often each was called, by number / 4; the last entry counts all others. */
  hcallCount: ["i32", hcallLimit / 4 + 1],
  /** [L] Token of each RTAS call that the kernel side handles, by its place in the list; 0 none. */
  rtasTokens: ["i32", rtasMax],
  /** [I] Address of the XICS's state, 0 before KVM_CREATE_DEVICE. */
  xics: "i32",
  /** [I] The same of the XIVE. A VM has one of them. */
  xive: "i32",
  /** [L] A hashed page table that is being prepared: address and log2 of its bytes in one, as archLayout.hpt; 0 for none. */
  preparedHpt: "i32",
  /** [L] TCE tables: addresses of `tceTable`. */
  tceTableCount: "i32",
  tceTables: ["i32", tceTableMax],
});

/** One TCE table. */
export const tceTable = struct({
  liobn: "i32",
  pageShift: "i32",
  /** 0 once closed. */
  open: "i32",
  /** Address of the entries, 64 bits each. */
  entries: "i32",
  offset: "i64",
  size: "i64",
});

/**
 * Registers of ONE_REG that this processor has not, or that do nothing: they keep what the user side writes, as in Linux,
 * so that it can move a guest without knowing them.
 */
export const keptRegisters = [
  "DABR",
  "DABRX",
  "MMCRS",
  "PMC7",
  "PMC8",
  "SPMC1",
  "SPMC2",
  "CSIGR",
  "TACR",
  "TCSCR",
  "ACOP",
] as const;

/** Per vCPU, behind the core's record. */
export const ppcVcpu = struct({
  /** [I] Server number in the XICS plus 1; 0: not connected. */
  xicsServer: "i32",
  /** [I] The same in the XIVE. */
  xiveServer: "i32",
  /** [V] 1 once the engine has readied the state for its first run. */
  ready: "i32",
  /** [V] KVM_REG_PPC_ARCH_COMPAT, _ONLINE. */
  archCompat: "i32",
  online: "i32",
  vpaLength: "i32",
  slbShadowLength: "i32",
  dtlLength: "i32",
  /** Entries written to the dispatch trace log since it was registered. */
  dtlIndex: "i32",
  /** [V] Guest physical addresses, 0 none. */
  vpa: "i64",
  slbShadow: "i64",
  dtl: "i64",
  /** [V] By order of keptRegisters. */
  kept: ["i64", keptRegisters.length],
});
