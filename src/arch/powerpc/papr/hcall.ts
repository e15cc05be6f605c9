/** How a hypercall of the kernel side is declared, and what its handler is given. Source: PAPR, "Hypervisor Call Functions". */
import { boolean, callback, options, taking, text, wholeNumber } from "../../../base/takes.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import type { Xics } from "../interrupts/xics/xics.js";
import type { Hpt } from "../mmu/hpt.js";
import type { KernelHcallName } from "../uapi/hcalls.js";
import type { TceTables } from "../vio/tce-table.js";

/** What a hypercall leaves in r3. */
export const HcallStatus = {
  /** H_SUCCESS. */
  success: 0n,
  /** H_BUSY: try again. */
  busy: 1n,
  /** H_HARDWARE. */
  hardware: -1n,
  /** H_FUNCTION: there is no such call. */
  function: -2n,
  /** H_PRIVILEGE. */
  privilege: -3n,
  /** H_PARAMETER. */
  parameter: -4n,
  /** H_PTEG_FULL. */
  ptegFull: -6n,
  /** H_NOT_FOUND. */
  notFound: -7n,
  /** H_RESOURCE. */
  resource: -16n,
  /** H_P2: the second parameter is wrong. */
  p2: -55n,
  /** H_P3: the third is. */
  p3: -56n,
  /** H_P4: the fourth is. */
  p4: -57n,
  /** H_P5: the fifth is. */
  p5: -58n,
  /** H_UNSUPPORTED_FLAG: of the flag in bit 0; the next is one less. */
  unsupportedFlag: -256n,
} as const;

/** The handler leaves the call to the user side, as if it were not here. */
export const tooHard = Symbol("left to the user side");

/** The VM as a handler sees it. */
export interface HcallVm {
  /** The XICS, if the VM has one. */
  readonly xics: Xics | undefined;
  /** By their buses' numbers. */
  readonly tceTables: TceTables;
  /** The hashed page table, if the guest has one. */
  readonly hpt: Hpt | undefined;
  /** Guest physical memory. */
  readonly memory: {
    /** A big-endian view of guest physical memory, or undefined if it is not all RAM. */
    read(address: bigint, length: number): DataView | undefined;
    /** Has `work` write there; false, and nothing done, if it is not RAM that can be written. */
    write(address: bigint, length: number, work: (view: DataView) => void): boolean;
    /** Whether it is all RAM that can be written. */
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
  /** What the neutral core knows of it. */
  readonly core: VcpuInside;
  /** Its VM. */
  readonly vm: HcallVm;
  /** As it was created. */
  readonly id: number;
  /** Its server number in the XICS, if it is connected. */
  readonly server: number | undefined;
  /** The same in the XIVE. */
  readonly xiveServer: number | undefined;
  /** r4 and up: what a call returns besides its status. */
  setGpr(number: number, value: bigint): void;
  /** As it is now: of another vCPU, while that does not run. */
  getRegister(name: "msr" | "pc" | "ciabr" | "dawr0" | "dawrx0"): bigint;
  /** Of another vCPU, while that does not run. */
  setRegister(name: "msr" | "ciabr" | "dawr0" | "dawrx0" | "sprg0", value: bigint): void;
  /** The guest's time base. */
  timeBase(): bigint;
  /** Sleeps until an interrupt or a prod. */
  halt(): void;
  /** Lets other vCPUs run first, if they share this one's thread. */
  giveWay(): void;
  /** Takes a pending prod. */
  takeProd(): boolean;
  /** Gives a prod. [any thread] */
  prod(): void;
  /** Tells who traces, if anybody does. */
  trace(category: "hcall" | "rtas" | "interrupt" | "mmu", name: string, values: Record<string, bigint | number>): void;
}

/** r4 to r12. */
export type HcallArguments = readonly [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];

/** What answers: the status for r3, or `tooHard`. */
export type HcallHandler = (vcpu: HcallVcpu, args: HcallArguments) => bigint | typeof tooHard;
/** Of one subject, by the names of their rows. */
export type HcallHandlers = Readonly<Partial<Record<KernelHcallName, HcallHandler>>>;

/** A hypercall that the kernel side can answer. */
export interface Hcall {
  /** What the guest has in r3. */
  readonly number: number;
  /** As PAPR has it, "H_...". */
  readonly name: string;
  /** Whether the kernel side handles it before KVM_CAP_PPC_ENABLE_HCALL says so. As in Linux. */
  readonly enabled: boolean;
  /** What answers it. */
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
