/**
 * Every hypercall: one row says its number, who answers it, whether that is so at first, and what promises it to a guest.
 * Dispatch of both sides, KVM_CAP_PPC_ENABLE_HCALL, traces, statistics, the device tree and docs/kvm-api.md come from the
 * rows; those that nobody answers are there for their names.
 * Source: Power Architecture Platform Requirements, "Hypervisor Call Functions".
 */

export interface HcallRow {
  readonly number: number;
  /** The kernel side has a handler in papr/: whether it is on before KVM_CAP_PPC_ENABLE_HCALL says so. As in Linux. */
  readonly kernel?: "on" | "off";
  /** Machine pseries turns it on: in every VM, or in one with devices that have DMA. */
  readonly turnedOn?: "always" | "with DMA";
  /** Machine pseries has a handler in hcalls/, on the vCPU's own thread or on the machine's. */
  readonly user?: "vcpu" | "machine";
  /** The name in ibm,hypertas-functions that promises it. */
  readonly set?: string;
}

export const hcallTable = {
  H_REMOVE: { number: 0x4, kernel: "on", set: "hcall-pft" },
  H_ENTER: { number: 0x8, kernel: "on", set: "hcall-pft" },
  H_READ: { number: 0xc, kernel: "on", set: "hcall-pft" },
  H_CLEAR_MOD: { number: 0x10, kernel: "off" },
  H_CLEAR_REF: { number: 0x14, kernel: "off" },
  H_PROTECT: { number: 0x18, kernel: "on", set: "hcall-pft" },
  H_GET_TCE: { number: 0x1c, kernel: "on", set: "hcall-tce" },
  H_PUT_TCE: { number: 0x20, kernel: "on", set: "hcall-tce" },
  H_SET_SPRG0: { number: 0x24, kernel: "off", turnedOn: "always", set: "hcall-sprg0" },
  H_SET_DABR: { number: 0x28 },
  H_PAGE_INIT: { number: 0x2c, kernel: "off", turnedOn: "always" },
  H_LOGICAL_CI_LOAD: { number: 0x3c, kernel: "off" },
  H_LOGICAL_CI_STORE: { number: 0x40, kernel: "off" },
  H_LOGICAL_CACHE_LOAD: { number: 0x44 },
  H_LOGICAL_CACHE_STORE: { number: 0x48 },
  H_LOGICAL_ICBI: { number: 0x4c },
  H_LOGICAL_DCBF: { number: 0x50 },
  H_GET_TERM_CHAR: { number: 0x54, user: "vcpu", set: "hcall-term" },
  H_PUT_TERM_CHAR: { number: 0x58, user: "vcpu", set: "hcall-term" },
  H_REAL_TO_LOGICAL: { number: 0x5c },
  H_HYPERVISOR_DATA: { number: 0x60 },
  H_EOI: { number: 0x64, kernel: "on", set: "hcall-interrupt" },
  H_CPPR: { number: 0x68, kernel: "on", set: "hcall-interrupt" },
  H_IPI: { number: 0x6c, kernel: "on", set: "hcall-interrupt" },
  H_IPOLL: { number: 0x70, kernel: "on", set: "hcall-interrupt" },
  H_XIRR: { number: 0x74, kernel: "on", set: "hcall-interrupt" },
  H_MIGRATE_DMA: { number: 0x78 },
  H_PERFMON: { number: 0x7c },
  H_REGISTER_VPA: { number: 0xdc, kernel: "on", set: "hcall-splpar" },
  H_CEDE: { number: 0xe0, kernel: "on", set: "hcall-splpar" },
  H_CONFER: { number: 0xe4, kernel: "on", set: "hcall-splpar" },
  H_PROD: { number: 0xe8, kernel: "on", set: "hcall-splpar" },
  H_GET_PPP: { number: 0xec },
  H_SET_PPP: { number: 0xf0 },
  H_PURR: { number: 0xf4 },
  H_PIC: { number: 0xf8 },
  H_REG_CRQ: { number: 0xfc },
  H_FREE_CRQ: { number: 0x100 },
  H_VIO_SIGNAL: { number: 0x104 },
  H_SEND_CRQ: { number: 0x108 },
  H_COPY_RDMA: { number: 0x110 },
  H_REGISTER_LOGICAL_LAN: { number: 0x114 },
  H_FREE_LOGICAL_LAN: { number: 0x118 },
  H_ADD_LOGICAL_LAN_BUFFER: { number: 0x11c },
  H_SEND_LOGICAL_LAN: { number: 0x120 },
  H_BULK_REMOVE: { number: 0x124, kernel: "on", set: "hcall-bulk" },
  H_MULTICAST_CTRL: { number: 0x130 },
  H_SET_XDABR: { number: 0x134 },
  H_STUFF_TCE: { number: 0x138, kernel: "off", turnedOn: "with DMA", set: "hcall-multi-tce" },
  H_PUT_TCE_INDIRECT: { number: 0x13c, kernel: "off", turnedOn: "with DMA", set: "hcall-multi-tce" },
  H_CHANGE_LOGICAL_LAN_MAC: { number: 0x14c },
  H_VTERM_PARTNER_INFO: { number: 0x150 },
  H_REGISTER_VTERM: { number: 0x154 },
  H_FREE_VTERM: { number: 0x158 },
  H_GET_CPU_CHARACTERISTICS: { number: 0x1c8, user: "machine" },
  H_JOIN: { number: 0x298 },
  H_VASI_SIGNAL: { number: 0x2a0 },
  H_VASI_STATE: { number: 0x2a4 },
  H_VIOCTL: { number: 0x2a8 },
  H_ENABLE_CRQ: { number: 0x2b0 },
  H_GET_EM_PARMS: { number: 0x2b8 },
  H_SET_MPP: { number: 0x2d0 },
  H_GET_MPP: { number: 0x2d4 },
  H_REG_SUB_CRQ: { number: 0x2dc },
  H_FREE_SUB_CRQ: { number: 0x2e0 },
  H_SEND_SUB_CRQ: { number: 0x2e4 },
  H_SEND_SUB_CRQ_INDIRECT: { number: 0x2e8 },
  H_HOME_NODE_ASSOCIATIVITY: { number: 0x2ec },
  H_BEST_ENERGY: { number: 0x2f4 },
  H_XIRR_X: { number: 0x2fc, kernel: "on" },
  H_RANDOM: { number: 0x300, kernel: "off", turnedOn: "always" },
  H_COP: { number: 0x304 },
  H_GET_MPP_X: { number: 0x314 },
  H_SET_MODE: { number: 0x31c, kernel: "off", turnedOn: "always", set: "hcall-set-mode" },
  H_BLOCK_REMOVE: { number: 0x328 },
  H_CLEAR_HPT: { number: 0x358 },
  H_RESIZE_HPT_PREPARE: { number: 0x36c },
  H_RESIZE_HPT_COMMIT: { number: 0x370 },
  H_REGISTER_PROC_TBL: { number: 0x37c, user: "machine" },
  H_SIGNAL_SYS_RESET: { number: 0x380 },
  H_ALLOCATE_VAS_WINDOW: { number: 0x388 },
  H_MODIFY_VAS_WINDOW: { number: 0x38c },
  H_DEALLOCATE_VAS_WINDOW: { number: 0x390 },
  H_QUERY_VAS_WINDOW: { number: 0x394 },
  H_QUERY_VAS_CAPABILITIES: { number: 0x398 },
  H_QUERY_NX_CAPABILITIES: { number: 0x39c },
  H_GET_NX_FAULT: { number: 0x3a0 },
  H_INT_GET_SOURCE_INFO: { number: 0x3a8, user: "machine" },
  H_INT_SET_SOURCE_CONFIG: { number: 0x3ac, user: "machine" },
  H_INT_GET_SOURCE_CONFIG: { number: 0x3b0, user: "machine" },
  H_INT_GET_QUEUE_INFO: { number: 0x3b4, user: "machine" },
  H_INT_SET_QUEUE_CONFIG: { number: 0x3b8, user: "machine" },
  H_INT_GET_QUEUE_CONFIG: { number: 0x3bc, user: "machine" },
  H_INT_SET_OS_REPORTING_LINE: { number: 0x3c0 },
  H_INT_GET_OS_REPORTING_LINE: { number: 0x3c4 },
  H_INT_ESB: { number: 0x3c8, user: "machine" },
  H_INT_SYNC: { number: 0x3cc, user: "machine" },
  H_INT_RESET: { number: 0x3d0, user: "machine" },
  H_RPT_INVALIDATE: { number: 0x448, kernel: "off" },
  H_RTAS: { number: 0xf000, kernel: "on", user: "machine" },
} as const satisfies Readonly<Record<string, HcallRow>>;

export type HcallName = keyof typeof hcallTable;
/** Names of the rows that have this. */
type NamesWith<What> = {
  [Name in HcallName]: (typeof hcallTable)[Name] extends What ? Name : never;
}[HcallName];
export type KernelHcallName = NamesWith<{ readonly kernel: string }>;
export type UserHcallName<Thread extends "vcpu" | "machine"> = NamesWith<{ readonly user: Thread }>;

export const hcallRows: readonly (readonly [name: HcallName, row: HcallRow])[] = Object.entries(hcallTable) as [
  HcallName,
  HcallRow,
][];

/** What becomes of a VM's hypercalls: `dma`, whether it has devices with DMA. */
export interface HcallChoices {
  readonly dma: boolean;
}

const isTurnedOn = ({ turnedOn }: HcallRow, { dma }: HcallChoices): boolean =>
  turnedOn === "always" || (turnedOn === "with DMA" && dma);

/** Those that the kernel side has but answers only once it is told to. */
export const turnedOnHcalls = (choices: HcallChoices): readonly number[] =>
  hcallRows.filter(([, row]) => isTurnedOn(row, choices)).map(([, { number }]) => number);

/** Linux derives its firmware features from this list, so a name stands here only if its hypercalls are there. */
export function hypertasFunctions(choices: HcallChoices): readonly string[] {
  const there = hcallRows.filter(([, row]) => row.kernel !== "off" || isTurnedOn(row, choices));
  return [...new Set(there.flatMap(([, { set }]) => set ?? []))];
}

const names = new Map<number, HcallName>(hcallRows.map(([name, { number }]) => [number, name]));
if (names.size < hcallRows.length) throw new Error("two hypercalls have one number");

/** The name under which a hypercall is counted. The guest chooses the number: all that have no name are counted as one. */
export const hcallCounter = (number: number): string => names.get(number) ?? "others";

/** The hypercall's name, or its number in hexadecimal. */
export const hcallName = (number: number): string => names.get(number) ?? `0x${number.toString(16)}`;
