/**
 * Routines of the run-time library that bodies call. They work on registers where these lie in the vCPU's state, so a region,
 * which holds registers in locals, leaves instructions that call one to the interpreter.
 */
import { type HelperSignature, type HelperType, helper } from "../../../semantics/signature.js";
import type { I32, I64, V128 } from "../../../semantics/values.js";

export const helpers = {
  /** Level 0 only. */
  privileged: helper("faults", [], "void"),
  /** The same of what others lack. */
  levelZeroOnly: helper("faults", [], "void"),

  /** 128 bits, the high ones first, by what is more than the high ones. */
  quotientOfWide: helper("pure", ["i64", "i64", "i64"], "i64"),

  // Flags.
  clearInterruptFlag: helper("context", [], "void"),
  /** The next instruction's address. */
  setInterruptFlag: helper("context", ["i64"], "void"),
  /** 0 CLAC, 1 STAC. */
  setAccessFlag: helper("context", ["i32"], "void"),
  /** An image, its size. */
  popFlags: helper("context", ["i64", "i32"], "void"),

  /** Level 0 only, where CR4.UMIP says so: what tells of the system's tables. */
  tablesShown: helper("faults", [], "void"),

  /** In virtual-8086 mode: the I/O privilege level lets PUSHF, POPF, INT and IRET be. */
  flagsAllowed: helper("faults", [], "void"),
  /** Neither real mode nor virtual-8086 mode. */
  protectedMode: helper("faults", [], "void"),
  /** ENTER: the operand size, the bytes of space, the level. */
  enterFrame: helper("faults", ["i32", "i32", "i32"], "void"),

  // Control and debug registers, by number.
  readControl: helper("faults", ["i32"], "i64"),
  writeControl: helper("context", ["i32", "i64"], "void"),
  readDebug: helper("faults", ["i32"], "i64"),
  writeDebug: helper("context", ["i32", "i64"], "void"),
  machineStatus: helper("state", [], "i64"),
  clearTaskSwitched: helper("context", [], "void"),
  loadMachineStatus: helper("context", ["i64"], "void"),
  readExtendedControl: helper("faults", ["i64"], "i64"),
  writeExtendedControl: helper("context", ["i64", "i64"], "void"),
  extendedReady: helper("faults", [], "void"),
  /** The address, the operand size, `SaveKind`. */
  saveExtended: helper("faults", ["i64", "i32", "i32"], "void"),
  /** The address, the operand size, compacted areas alone 1. */
  restoreExtended: helper("context", ["i64", "i32", "i32"], "void"),

  // Tables and segments.
  /** 0 GDT, 1 IDT; the address; the operand size. */
  loadTable: helper("context", ["i32", "i64", "i32"], "void"),
  storeTable: helper("faults", ["i32", "i64"], "void"),
  /** 7 LDTR, 8 TR; the selector. */
  loadSystemSegment: helper("context", ["i32", "i64"], "void"),
  /** The segment's number, the selector, the next instruction's address. */
  loadSegment: helper("context", ["i32", "i64", "i64"], "void"),
  loadFarSegment: helper("context", ["i32", "i64"], "void"),
  selectorOf: helper("state", ["i32"], "i64"),
  /** -1: the selector's descriptor is not to be looked at. */
  accessRights: helper("faults", ["i64"], "i64"),
  segmentLimit: helper("faults", ["i64"], "i64"),
  /** The selector; 0 read, 1 write. */
  verify: helper("faults", ["i64", "i32"], "i32"),
  /** The segment's number. */
  readBase: helper("faults", ["i32"], "i64"),
  writeBase: helper("context", ["i32", "i64"], "void"),

  // Translations.
  invalidatePage: helper("context", ["i64"], "void"),
  /** The type, the descriptor's address. */
  invalidateContext: helper("context", ["i64", "i64"], "void"),
  /** RDPKRU, WRPKRU; these find their operands themselves. */
  readKeys: helper("faults", [], "void"),
  writeKeys: helper("context", [], "void"),
  /** CMPXCHG16B at an address, as with LOCK: 1 if they were equal. It finds its registers itself. */
  exchangePair: helper("faults", ["i64"], "i32"),
  /** Something can be loaded from there. */
  probeLoad: helper("faults", ["i64"], "void"),

  // Registers by name; these find their operands themselves.
  readMsr: helper("context", [], "void"),
  writeMsr: helper("context", [], "void"),
  /** 1: the processor's number too. */
  readTimeStamp: helper("context", ["i32"], "void"),
  timeStamp: helper("state", [], "i64"),
  processorNumber: helper("state", [], "i64"),
  identify: helper("context", [], "void"),

  // Ports: number, bits.
  portIn: helper("faults", ["i32", "i32"], "i64"),
  portOut: helper("faults", ["i32", "i32", "i64"], "void"),
  /** Of several elements: number, bits; the first's address, its offset, the offset's bits; how many; gives how many were done. */
  portInMany: helper("faults", ["i32", "i32", "i64", "i64", "i32", "i64"], "i64"),
  portOutMany: helper("faults", ["i32", "i32", "i64", "i64", "i32", "i64"], "i64"),

  // Repeated strings: as many elements as can be done at once. Addresses (from, to) or (to) and the value; elements, bytes of each.
  copyElements: helper("state", ["i64", "i64", "i64", "i32"], "i64"),
  fillElements: helper("state", ["i64", "i64", "i64", "i32"], "i64"),

  // x87 and SSE: control and images.
  /** Exceptions that wait are raised. */
  beginFloat: helper("faults", [], "void"),
  initializeFloat: helper("faults", [], "void"),
  clearFloatExceptions: helper("faults", [], "void"),
  emptyFloat: helper("faults", [], "void"),
  floatStatus: helper("faults", [], "i64"),
  floatControl: helper("faults", [], "i64"),
  loadFloatControl: helper("faults", ["i64"], "void"),
  /** The address, the operand size. */
  saveFloat: helper("faults", ["i64", "i32"], "void"),
  restoreFloat: helper("faults", ["i64", "i32"], "void"),
  saveEnvironment: helper("faults", ["i64", "i32"], "void"),
  loadEnvironment: helper("faults", ["i64", "i32"], "void"),
  saveFloatState: helper("faults", ["i64", "i32"], "void"),
  restoreFloatState: helper("faults", ["i64", "i32"], "void"),
  mxcsr: helper("state", [], "i64"),
  loadMxcsr: helper("faults", ["i64"], "void"),

  // The x87's instructions (x87-operation.ts numbers them). Where an operand is: its kind, an address or a number.
  floatLoad: helper("faults", ["i32", "i64"], "void"),
  /** Toward zero 1; how often to pop. */
  floatStore: helper("faults", ["i32", "i64", "i32", "i32"], "void"),
  /** The operation, the operand; the result goes to it 1; pops 1. */
  floatArithmetic: helper("faults", ["i32", "i32", "i64", "i32", "i32"], "void"),
  /** The operand; quiet NaNs are valid 1; how often to pop. */
  floatCompare: helper("faults", ["i32", "i64", "i32", "i32"], "void"),
  /** -1, 0, 1; 2 without an order. */
  floatOrder: helper("faults", ["i32", "i32", "i32"], "i32"),
  /** Whether to. */
  floatMove: helper("faults", ["i32", "i32"], "void"),
  floatExchange: helper("faults", ["i32"], "void"),
  floatFree: helper("faults", ["i32"], "void"),
  /** The significand, sign and exponent, what modes do to the last bit. */
  floatConstant: helper("faults", ["i64", "i32", "i32"], "void"),
  floatPlain: helper("faults", ["i32"], "void"),
  /** To the nearest 1. */
  floatRemainder: helper("faults", ["i32"], "void"),
  floatScale: helper("faults", [], "void"),
  floatExtract: helper("faults", [], "void"),
  /** `FloatFunction`. */
  floatFunction: helper("faults", ["i32"], "void"),
  /** The x87 may be used. */
  floatThere: helper("faults", [], "i32"),
  floatLoadDecimal: helper("faults", ["i64"], "void"),
  floatStoreDecimal: helper("faults", ["i64"], "void"),
  floatFreePop: helper("faults", ["i32"], "void"),

  // SSE's arithmetic: bodies look at `checkFloat` afterwards. Doubles 1, singles 0. Parts: `SsePart`.
  /** `SseOperation`, doubles, the part, both operands. */
  sseArithmetic: helper("state", ["i32", "i32", "i32", "v128", "v128"], "v128"),
  /** The predicate, doubles, the part, both operands. */
  sseCompare: helper("state", ["i32", "i32", "i32", "v128", "v128"], "v128"),
  /** Quiet NaNs are valid 1, doubles, both operands: -1, 0, 1; 2 without an order. */
  sseOrder: helper("state", ["i32", "i32", "i64", "i64"], "i32"),
  sseFromInteger: helper("state", ["i32", "i64"], "i64"),
  /** Doubles, bits of the integer, toward zero 1, the number. */
  sseToInteger: helper("state", ["i32", "i32", "i32", "i64"], "i64"),
  /** What it is now: a double 1, a single 0. */
  sseConvert: helper("state", ["i32", "i64"], "i64"),
  /** The part first, here and below. */
  sseConvertPair: helper("state", ["i32", "i32", "v128"], "v128"),
  sseFromIntegers: helper("state", ["i32", "v128"], "v128"),
  /** Doubles, toward zero 1. */
  sseToIntegers: helper("state", ["i32", "i32", "i32", "v128"], "v128"),

  /** Doubles, the part, how (the immediate), both operands. */
  sseRound: helper("state", ["i32", "i32", "i32", "v128", "v128"], "v128"),
  /** `SseFused`, doubles, the part, both factors, the addend. */
  sseFused: helper("state", ["i32", "i32", "i32", "v128", "v128", "v128"], "v128"),
  /** Numbers of 16 bits, in the low half; to them, how to round (the immediate). */
  sseFromHalves: helper("state", ["i32", "v128"], "v128"),
  sseToHalves: helper("state", ["i32", "i32", "v128"], "i64"),
  /** Of the root 1, scalar, both operands. */
  sseReciprocal: helper("pure", ["i32", "i32", "v128", "v128"], "v128"),

  /** 64 bits that nobody can know beforehand. */
  randomBits: helper("state", [], "i64"),

  // Vectors and bits.
  aesEncode: helper("pure", ["v128", "v128"], "v128"),
  aesEncodeLast: helper("pure", ["v128", "v128"], "v128"),
  aesDecode: helper("pure", ["v128", "v128"], "v128"),
  aesDecodeLast: helper("pure", ["v128", "v128"], "v128"),
  aesInverseMix: helper("pure", ["v128"], "v128"),
  /** The round's constant. */
  aesKeyAssist: helper("pure", ["v128", "i32"], "v128"),
  /** Which halves. */
  carrylessProduct: helper("pure", ["v128", "v128", "i32"], "v128"),
  galoisProduct: helper("pure", ["v128", "v128"], "v128"),
  galoisInverse: helper("pure", ["v128"], "v128"),
  sha1Next: helper("pure", ["v128", "v128"], "v128"),
  sha1First: helper("pure", ["v128", "v128"], "v128"),
  sha1Second: helper("pure", ["v128", "v128"], "v128"),
  /** The function's number. */
  sha1Rounds: helper("pure", ["v128", "v128", "i32"], "v128"),
  sha256First: helper("pure", ["v128", "v128"], "v128"),
  sha256Second: helper("pure", ["v128", "v128"], "v128"),
  sha256Rounds: helper("pure", ["v128", "v128", "v128"], "v128"),
  /** How, both lengths (-1: up to the first 0): bits of what is found, CF, ZF, SF, OF from bit 16 on. */
  compareStrings: helper("pure", ["v128", "v128", "i32", "i32", "i32"], "i32"),
  depositBits: helper("pure", ["i64", "i64"], "i64"),
  extractBits: helper("pure", ["i64", "i64"], "i64"),
  /** The remainder, the value, its bits. */
  cyclicRedundancy: helper("pure", ["i64", "i64", "i32"], "i64"),

  halt: helper("context", [], "void"),
  hypercall: helper("context", [], "void"),
  waitFloat: helper("faults", [], "void"),

  // Transfers: these set where the guest goes on.
  /** The vector, the next instruction's address. */
  softwareInterrupt: helper("leaves", ["i32", "i64"], "void"),
  /** INT3 and INT1; the next instruction's address. */
  breakpointInterrupt: helper("leaves", ["i64"], "void"),
  debugInterrupt: helper("leaves", ["i64"], "void"),
  /** The operand size, the next instruction's address. */
  returnFromInterrupt: helper("leaves", ["i32", "i64"], "void"),
  /** The operand size, bytes to take from the stack. */
  returnFar: helper("leaves", ["i32", "i64"], "void"),
  /** The selector, the offset, the operand size; the next instruction's address. */
  jumpFar: helper("leaves", ["i64", "i64", "i32", "i64"], "void"),
  callFar: helper("leaves", ["i64", "i64", "i32", "i64"], "void"),
  /** Outside 64-bit mode: an address in the present code segment, which `checkTarget` has found to be in it, or which faults. */
  jumpNear: helper("leaves", ["i64"], "void"),
  checkTarget: helper("faults", ["i64", "i32"], "void"),
  /** The present instruction is the next one. */
  startOver: helper("leaves", [], "void"),
  systemCall: helper("leaves", ["i64"], "void"),
  systemReturn: helper("leaves", ["i32"], "void"),
  systemEnter: helper("leaves", [], "void"),
  systemExit: helper("leaves", ["i32"], "void"),
} as const satisfies Readonly<Record<string, HelperSignature>>;

export type HelperName = keyof typeof helpers;
type Values = { i32: I32; i64: I64; v128: V128; void: undefined };
export type HelperArguments<N extends HelperName> = ArgumentsOf<(typeof helpers)[N]["params"]>;
type ArgumentsOf<P extends readonly HelperType[]> = { [K in keyof P]: Values[P[K]] };
export type HelperResult<N extends HelperName> = Values[(typeof helpers)[N]["result"]];
