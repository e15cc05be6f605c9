/** The numbers of POWER's that its run-time library shares with TypeScript, by the prefix of their names there. */
import type { ArchitectureTables } from "../../../engine/numbers.js";
import { Ciabr, Dawrx } from "../interrupts/debug-registers.js";
import { Magic } from "../interrupts/magic.js";
import { Vector } from "../interrupts/vectors.js";
import { FacilityCause } from "../isa/common.js";
import { suffixRoots } from "../isa/decoder.js";
import { PendingFloat } from "../isa/float-pending.js";
import { Fpscr } from "../isa/fpscr.js";
import { Facility, Msr } from "../isa/msr.js";
import { OuterProduct } from "../isa/outer-product.js";
import { prefixBoundary } from "../isa/pattern.js";
import { Cause, Untranslated } from "../mmu/causes.js";
import { HpteR, HpteV, hpteGroup, hpteSize } from "../mmu/hpte.js";
import { KVMPPC_DEBUG_BREAKPOINT, KVMPPC_DEBUG_WATCH_READ, KVMPPC_DEBUG_WATCH_WRITE } from "../uapi/registers.js";
import { archLayout, decodeRoot, ExitCode, InternalError, Request, trapCode } from "./layout.js";

export const tables = {
  EXIT: ExitCode,
  REQUEST: Request,
  ERROR: InternalError,
  ARCH: archLayout,
  DEBUG: {
    breakpoint: KVMPPC_DEBUG_BREAKPOINT,
    watchRead: KVMPPC_DEBUG_WATCH_READ,
    watchWrite: KVMPPC_DEBUG_WATCH_WRITE,
  },
  MSR: Msr,
  FPSCR: Fpscr,
  FACILITY: Facility,
  FACILITYCAUSE: FacilityCause,
  VECTOR: Vector,
  CAUSE: Cause,
  UNTRANSLATED: Untranslated,
  CIABR: Ciabr,
  DAWRX: Dawrx,
  MAGIC: Magic,
  HPT: { groupSize: hpteGroup, entrySize: hpteSize },
  HPTEV: HpteV,
  HPTER: HpteR,
  TRAP: trapCode,
  PENDINGFLOAT: PendingFloat,
  OUTERPRODUCT: OuterProduct,
  DECODE: { suffixRoots, boundary: prefixBoundary, rootWithPrefixes: decodeRoot("3.1") },
} as const satisfies ArchitectureTables;
