/** The numbers of x86's that its run-time library shares with TypeScript, by the prefix of their names there. */
import type { ArchitectureTables } from "../../../engine/numbers.js";
import { KVM_GUESTDBG_SINGLESTEP, KVM_GUESTDBG_USE_HW_BP, KVM_GUESTDBG_USE_SW_BP } from "../../../kvm/constants.js";
import { FormBits, Property } from "../isa/decode-table.js";
import { SizeRule } from "../isa/encoding.js";
import { SaveKind } from "../isa/instructions/extended-state.js";
import { Flag, Vector } from "../isa/machine.js";
import { Immediate } from "../isa/operand.js";
import { highByte } from "../isa/registers.js";
import { SseFused, SseOperation, SsePart } from "../isa/sse-operation.js";
import { FloatFunction, FloatOperation, FloatPlace, FloatPlain } from "../isa/x87-operation.js";
import { Context, PageEntry, PageFault, Untranslated } from "../mmu/paging.js";
import { KVM_GUESTDBG_BLOCKIRQ } from "../uapi.js";
import { Cut, FormFacts, fieldsOf, KindPart, nodesAt, TablePart } from "./dispatch.js";
import { AreaPart, compactedAreas, extendedComponents, StateComponent } from "./extended-state.js";
import { features } from "./features.js";
import { FloatControl, FloatException, FloatStatus, Mxcsr } from "./float-words.js";
import {
  archLayout,
  CodeKind,
  CodeMode,
  Ending,
  ExitCode,
  flatData,
  Given,
  InternalError,
  noRegister,
  noSegment,
  Request,
  recordPool,
  Segment,
  Shadow,
} from "./layout.js";
import { msrNumbers, msrPlaces } from "./msrs.js";
import { record } from "./operands.js";
import { Control0, Control4, Debug6, Debug7, DebugControl, Efer, RFlags } from "./registers.js";

export const tables = {
  EXIT: ExitCode,
  REQUEST: Request,
  ERROR: InternalError,
  ARCH: archLayout,
  DEBUG: { breakpoint: 1, watchRead: 2, watchWrite: 4 },
  GUESTDBG: {
    singleStep: KVM_GUESTDBG_SINGLESTEP,
    software: KVM_GUESTDBG_USE_SW_BP,
    hardware: KVM_GUESTDBG_USE_HW_BP,
    blocksInterrupts: KVM_GUESTDBG_BLOCKIRQ,
  },
  DR6: Debug6,
  DR7: Debug7,
  DEBUGCONTROL: DebugControl,
  ENDING: Ending,
  DECODE: { nodesAt, highByte, ...fieldsOf(FormBits) },
  TABLE: TablePart,
  KINDOFFORM: KindPart,
  FACTS: fieldsOf(FormFacts),
  PROPERTY: Property,
  RULE: SizeRule,
  IMMEDIATE: Immediate,
  CUT: Cut,
  RECORD: record,
  POOL: recordPool,
  NUMBER: { noRegister, noSegment },
  SEGMENT: Segment,
  SHADOW: Shadow,
  GIVEN: Given,
  VECTOR: Vector,
  FLAGBIT: Flag,
  RFLAGS: RFlags,
  CR0: Control0,
  CR4: Control4,
  EFER: Efer,
  MSR: msrPlaces,
  MSRNUMBER: msrNumbers,
  PAGE: PageEntry,
  PAGEFAULT: PageFault,
  UNTRANSLATED: Untranslated,
  CONTEXT: Context,
  KIND: CodeKind,
  CODEMODE: CodeMode,
  FLATDATA: flatData,
  FLOAT: FloatException,
  FCW: FloatControl,
  FSW: FloatStatus,
  MXCSR: Mxcsr,
  SSE: SseOperation,
  SSEPART: SsePart,
  COMPONENT: StateComponent,
  AREA: AreaPart,
  AREASIZE: { avx: extendedComponents[0].size, keys: extendedComponents[1].size },
  AREAPLACE: { keys: extendedComponents[1].offset },
  AREAFORM: { compacted: compactedAreas },
  SAVE: SaveKind,
  /** Bits of the state's `features`. */
  FEATURE: { pku: features.indexOf("pku"), xsave: features.indexOf("xsave"), xsavec: features.indexOf("xsavec") },
  FUSED: SseFused,
  X87: FloatOperation,
  X87FROM: FloatPlace,
  X87PLAIN: FloatPlain,
  X87FUNCTION: FloatFunction,
} as const satisfies ArchitectureTables;
