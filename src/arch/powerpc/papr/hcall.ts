/** How a hypercall of the kernel side is declared, and what its handler is given. Source: PAPR, "Hypervisor Call Functions". */
import { boolean, callback, options, taking, text, wholeNumber } from "../../../base/takes.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import type { Xics } from "../interrupts/xics/xics.js";
import type { Hpt } from "../mmu/hpt.js";
import type { KernelHcallName } from "../uapi/hcalls.js";
import type { TceTables } from "../vio/tce-table.js";

/** What a hypercall leaves in r3. */
export const HcallStatus = {
  success: 0n,
  busy: 1n,
  hardware: -1n,
  function: -2n,
  privilege: -3n,
  parameter: -4n,
  ptegFull: -6n,
  notFound: -7n,
  resource: -16n,
  p2: -55n,
  p3: -56n,
  p4: -57n,
  p5: -58n,
  unsupportedFlag: -256n,
} as const;

/** The handler leaves the call to the user side, as if it were not here. */
export const tooHard = Symbol("left to the user side");

/** The VM as a handler sees it. */
export interface HcallVm {
  readonly xics: Xics | undefined;
  readonly tceTables: TceTables;
  /** The hashed page table, if the guest has one. */
  readonly hpt: Hpt | undefined;
  readonly memory: {
    /** A big-endian view of guest physical memory, or undefined if it is not all RAM. */
    read(address: bigint, length: number): DataView | undefined;
    /** Has `work` write there; false, and nothing done, if it is not RAM that can be written. */
    write(address: bigint, length: number, work: (view: DataView) => void): boolean;
    isWritable(address: bigint, length: number): boolean;
    /** After bytes were written that may be code: when it returns, no vCPU runs what was there before. */
    codeWritten(address: bigint, length: number): void;
  };
  /** The vCPU that PAPR calls processor `id`. */
  vcpu(id: bigint): HcallVcpu | undefined;
  /** When it returns, no vCPU uses a translation from before. */
  flushTranslations(): void;
  /** Alternate interrupt location (0, 2, 3) and byte order in which interrupts are taken. */
  setInterruptMode(mode: { ail?: number; littleEndian?: boolean }): void;
  /** A vCPU's store outside memory, bytes as in storage, that the kernel side can complete: true if it did. */
  busWrite(vcpu: HcallVcpu, address: bigint, length: number, data: bigint): boolean;
  /** A load there: undefined if it is the user side's. */
  busRead(vcpu: HcallVcpu, address: bigint, length: number): bigint | undefined;
  /** The name of the RTAS call that the user side gave this token, if the kernel side handles it. */
  rtasCall(token: number): string | undefined;
}

/** The calling vCPU (or another, as far as that is safe: see each). */
export interface HcallVcpu {
  readonly core: VcpuInside;
  readonly vm: HcallVm;
  readonly id: number;
  /** Its server number in the XICS, if it is connected. */
  readonly server: number | undefined;
  /** The same in the XIVE. */
  readonly xiveServer: number | undefined;
  /** r4 and up: what a call returns besides its status. */
  setGpr(number: number, value: bigint): void;
  getRegister(name: "msr" | "pc" | "ciabr" | "dawr0" | "dawrx0"): bigint;
  setRegister(name: "msr" | "ciabr" | "dawr0" | "dawrx0" | "sprg0", value: bigint): void;
  timeBase(): bigint;
  /** Sleeps until an interrupt or a prod. */
  halt(): void;
  /** Lets other vCPUs run first, if they share this one's thread. */
  giveWay(): void;
  /** Takes a pending prod. */
  takeProd(): boolean;
  /** Gives a prod. [any thread] */
  prod(): void;
  trace(category: "hcall" | "rtas" | "interrupt" | "mmu", name: string, values: Record<string, bigint | number>): void;
}

/** r4 to r12. */
export type HcallArguments = readonly [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];

/** What answers: the status for r3, or `tooHard`. */
export type HcallHandler = (vcpu: HcallVcpu, args: HcallArguments) => bigint | typeof tooHard;
/** Of one subject, by the names of their rows. */
export type HcallHandlers = Readonly<Partial<Record<KernelHcallName, HcallHandler>>>;

export interface Hcall {
  readonly number: number;
  readonly name: string;
  /** Whether the kernel side handles it before KVM_CAP_PPC_ENABLE_HCALL says so. As in Linux. */
  readonly enabled: boolean;
  readonly handler: HcallHandler;
}

/** Declares a hypercall: a row of the list, or one that a module adds (register-hcalls.ts). */
export const hcall = taking(
  "hcall",
  { number: wholeNumber, name: text, options: options({ enabled: boolean }), handler: callback },
  (number: number, name: string, options: { readonly enabled: boolean }, handler: Hcall["handler"]): Hcall => ({
    number,
    name,
    ...options,
    handler,
  }),
);
