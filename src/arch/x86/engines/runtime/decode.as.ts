/**
 * Reads an instruction's bytes, as isa/decoder.ts does, by the table that engines/dispatch.ts tells of: what a decoded entry
 * holds, a handler's number and the address of the operands' record with the length in its low four bits.
 */
import {
  CUT_byte,
  CUT_doubleword,
  CUT_operand,
  CUT_word,
  DECODE_anyModMask,
  DECODE_anyModShift,
  DECODE_firstMask,
  DECODE_firstShift,
  DECODE_lockMask,
  DECODE_lockShift,
  DECODE_modrmMask,
  DECODE_modrmShift,
  DECODE_nodesAt,
  DECODE_secondMask,
  DECODE_secondShift,
  DECODE_segmentReadMask,
  DECODE_segmentReadShift,
  DECODE_segmentWrittenMask,
  DECODE_segmentWrittenShift,
  DECODE_sizeRuleMask,
  DECODE_sizeRuleShift,
  DECODE_vectorIndexMask,
  DECODE_vectorIndexShift,
  DECODE_vexMask,
  DECODE_vexShift,
  FACTS_byteRegMask,
  FACTS_byteRegShift,
  FACTS_byteRmMask,
  FACTS_byteRmShift,
  FACTS_countsMask,
  FACTS_countsShift,
  FACTS_elsePlainMask,
  FACTS_elsePlainShift,
  FACTS_featureMask,
  FACTS_featureShift,
  FACTS_firstMask,
  FACTS_firstShift,
  FACTS_impliedMask,
  FACTS_impliedShift,
  FACTS_inMemoryMask,
  FACTS_inMemoryShift,
  FACTS_inOpcodeMask,
  FACTS_inOpcodeShift,
  FACTS_repeatsMask,
  FACTS_repeatsShift,
  FACTS_secondMask,
  FACTS_secondShift,
  HANDLER_illegal,
  HANDLER_nextPage,
  IMMEDIATE_address,
  IMMEDIATE_byte,
  IMMEDIATE_far,
  IMMEDIATE_whole,
  IMMEDIATE_word,
  KIND_bits16,
  KIND_long,
  KINDOFFORM_facts,
  KINDOFFORM_form,
  KINDOFFORM_longList,
  KINDOFFORM_otherList,
  KINDOFFORM_size,
  NUMBER_noRegister,
  NUMBER_noSegment,
  PROPERTY_b,
  PROPERTY_l,
  PROPERTY_mode,
  PROPERTY_prefix,
  PROPERTY_reg,
  PROPERTY_register,
  PROPERTY_w,
  RECORD_base,
  RECORD_displacement,
  RECORD_first,
  RECORD_index,
  RECORD_lock,
  RECORD_narrow,
  RECORD_reg,
  RECORD_ripRelative,
  RECORD_rm,
  RECORD_scale,
  RECORD_second,
  RECORD_segment,
  RECORD_vvvv,
  SEGMENT_cs,
  SEGMENT_ds,
  SEGMENT_ss,
  RULE_byte,
  RULE_default64,
  RULE_fixed16,
  RULE_fixed32,
  RULE_forced64,
  RULE_full,
  RULE_native,
  RULE_port,
  RULE_wide,
  S_features,
  TABLE_kindOf,
  TABLE_kinds,
  TABLE_lists,
  TABLE_long,
  TABLE_other,
  VM_decodeTables,
} from "./layout.generated";
import { recordFor, scratch } from "./records.as";

/** An instruction has no more bytes; what has goes too far. */
const LONGEST = 15;

// The instruction that is being read.
let bytes: i32 = 0;
let room: i32 = 0;
let at: i32 = 0;
/** The bytes ended: 1. */
let short: bool = false;
let codeSize: i32 = 64;
let operandSize: i32 = 32;
let addressSize: i32 = 64;
let rexW: i32 = 0;
let operandPrefix: bool = false;
let reg: i32 = 0;
let rm: i32 = 0;
let isRegister: bool = false;
let base: i32 = 0;
let index: i32 = 0;
let scale: i32 = 0;
let displacement: i32 = 0;
let ripRelative: bool = false;
/** The index in memory is a vector register: `rm`. */
let vectorIndex: bool = false;

function next(): i32 {
  if (at >= room) {
    short = true;
    return 0;
  }
  return load<u8>(bytes + at++);
}

function signed(size: i32): i64 {
  let value: u64 = 0;
  for (let i = 0; i < size; i++) value |= (<u64>next()) << (8 * i);
  return <i64>(value << (64 - 8 * size)) >> (64 - 8 * size);
}

// @ts-ignore: decorator
@inline
function node(at: i32): i32 {
  return <i32>load<i16>(VM_decodeTables + DECODE_nodesAt + at * 2);
}

/** Address of a part of the table. */
// @ts-ignore: decorator
@inline
function part(which: i32): i32 {
  return VM_decodeTables + load<i32>(VM_decodeTables + which);
}

/** What a part has of the form with this number, a halfword. */
// @ts-ignore: decorator
@inline
function ofForm(which: i32, number: i32): i32 {
  return <i32>load<u16>(part(which) + 2 * (number - 1));
}

function sizeBy(rule: i32): i32 {
  const byPrefix = (codeSize == 16) == operandPrefix ? 32 : 16;
  const long = codeSize == 64;
  switch (rule) {
    case RULE_byte:
      return 8;
    case RULE_full:
      return rexW && long ? 64 : byPrefix;
    case RULE_default64:
      if (!long) return byPrefix;
      return operandPrefix && !rexW ? 16 : 64;
    case RULE_forced64:
      return long ? 64 : byPrefix;
    case RULE_wide:
      return rexW && long ? 64 : 32;
    case RULE_native:
      return long ? 64 : 32;
    case RULE_port:
      return rexW && long ? 32 : byPrefix;
    case RULE_fixed16:
      return 16;
    case RULE_fixed32:
      return 32;
    default:
      return 64;
  }
}

function readModrm(modrm: i32, extendR: i32, extendX: i32, extendB: i32): void {
  const mod = modrm >> 6;
  const low = modrm & 7;
  reg = ((modrm >> 3) & 7) | extendR;
  rm = low | extendB;
  isRegister = mod == 3;
  if (isRegister) return;
  if (addressSize == 16) {
    // BX+SI, BX+DI, BP+SI, BP+DI, SI, DI, BP, BX.
    base = low < 2 || low == 7 ? 3 : low == 4 ? 6 : low == 5 ? 7 : 5;
    if (low < 4) index = 6 + (low & 1);
    if (mod == 0 && low == 6) {
      base = NUMBER_noRegister;
      displacement = <i32>signed(2);
    } else if (mod != 0) displacement = <i32>signed(mod);
    return;
  }
  base = rm;
  let none = mod == 0 && low == 5;
  if (low == 4) {
    const sib = next();
    scale = sib >> 6;
    const number = ((sib >> 3) & 7) | extendX;
    if (vectorIndex) rm = number;
    else if (number != 4) index = number;
    base = (sib & 7) | extendB;
    none = mod == 0 && (sib & 7) == 5;
  } else if (none && codeSize == 64) ripRelative = true;
  if (none) base = NUMBER_noRegister;
  if (none || mod == 2) displacement = <i32>signed(4);
  else if (mod == 1) displacement = <i32>signed(1);
}

function immediate(kind: i32): i64 {
  switch (kind) {
    case IMMEDIATE_byte:
      return signed(1);
    case IMMEDIATE_word:
      return signed(2);
    case IMMEDIATE_address:
      return signed(addressSize >> 3);
    case IMMEDIATE_whole:
      return signed(operandSize >> 3);
    default:
      return signed(operandSize == 16 ? 2 : 4);
  }
}

function cut(value: i64, how: i32): i64 {
  const size = how == CUT_byte ? 8 : how == CUT_word ? 16 : how == CUT_doubleword ? 32 : operandSize;
  if (how < CUT_byte || how > CUT_operand || size == 64) return value;
  return value & (((<i64>1) << size) - 1);
}

/** Where a general register is in their file: a byte register without REX may be a second byte. */
function placeOf(number: i32, isByte: bool, rex: bool): i32 {
  if (isByte && !rex && number >= 4 && number < 8) return 8 * (number - 4) + 1;
  return 8 * number;
}

/**
 * The handler (low half) and the word of the instruction at a host address, of which so many bytes may be read; HANDLER_nextPage
 * if it has more, HANDLER_illegal if there is none. What is longer than any instruction is as one that is none.
 */
export function decodeIn(s: i32, host: i32, available: i32, kind: i32): u64 {
  bytes = host;
  room = available;
  at = 0;
  short = false;
  codeSize = kind == KIND_long ? 64 : kind == KIND_bits16 ? 16 : 32;
  const found = read(s);
  if (short) return available < LONGEST ? <u64>HANDLER_nextPage : <u64>HANDLER_illegal;
  return found;
}

function read(s: i32): u64 {
  operandPrefix = false;
  let addressPrefix = false;
  let lock = false;
  let repeat = 0;
  let segment = -1;
  let rex = 0;
  let byte: i32;
  const long = codeSize == 64;
  for (;;) {
    byte = next();
    if (short) return HANDLER_illegal;
    if (byte == 0x66) operandPrefix = true;
    else if (byte == 0x67) addressPrefix = true;
    else if (byte == 0xf0) lock = true;
    else if (byte == 0xf2 || byte == 0xf3) repeat = byte;
    else if ((byte & 0xe7) == 0x26) {
      if (!long) segment = (byte >> 3) & 3;
    } else if (byte == 0x64 || byte == 0x65) segment = byte - 0x60;
    else if (long && (byte & 0xf0) == 0x40) {
      rex = byte;
      continue;
    } else break;
    rex = 0;
  }
  addressSize = long ? (addressPrefix ? 32 : 64) : (codeSize == 16) == addressPrefix ? 32 : 16;
  rexW = (rex >> 3) & 1;
  let extendR = (rex & 4) << 1;
  let extendX = (rex & 2) << 2;
  let extendB = (rex & 1) << 3;
  let prefix = repeat == 0xf3 ? 2 : repeat == 0xf2 ? 3 : operandPrefix ? 1 : 0;
  let map = 0;
  let l = 0;
  let vex = false;
  let vvvv = 0;
  if (byte == 0x0f) {
    map = 1;
    byte = next();
    if (byte == 0x38 || byte == 0x3a) {
      map = byte == 0x38 ? 2 : 3;
      byte = next();
    }
  } else if (byte == 0xc4 || byte == 0xc5) {
    const second = at < room ? <i32>load<u8>(bytes + at) : next();
    if (long || second >> 6 == 3) {
      if (lock || repeat != 0 || operandPrefix || rex != 0) return HANDLER_illegal;
      vex = true;
      next();
      let last = second;
      map = 5;
      extendX = 0;
      extendB = 0;
      if (byte == 0xc4) {
        map = 4 + (second & 31);
        if (map == 4 || map > 7) return HANDLER_illegal;
        last = next();
        rexW = last >> 7;
        if (long) {
          extendX = (~second & 0x40) >> 3;
          extendB = (~second & 0x20) >> 2;
        }
      }
      extendR = long ? (~second & 0x80) >> 4 : 0;
      vvvv = (~last >> 3) & (long ? 15 : 7);
      l = (last >> 2) & 1;
      prefix = last & 3;
      byte = next();
    }
  }
  const inOpcode = (byte & 7) | extendB;
  let word = 0;
  let modrm = -1;
  let facts = 0;
  let kindAt = 0;
  for (;;) {
    word = node(map * 256 + byte);
    while (word < 0) {
      const property = node(-word);
      let value = 0;
      if (property == PROPERTY_mode) value = i32(long);
      else if (property == PROPERTY_prefix) value = prefix;
      else if (property == PROPERTY_w) value = long || vex ? rexW : 0;
      else if (property == PROPERTY_l) value = l;
      else if (property == PROPERTY_b) value = extendB >> 3;
      else {
        if (modrm < 0) modrm = next();
        if (property == PROPERTY_register) value = i32(modrm >= 0xc0);
        else if (property == PROPERTY_reg) value = (modrm >> 3) & 7;
        else value = modrm & 7;
      }
      word = node(1 + value - word);
    }
    if (word == 0) return HANDLER_illegal;
    kindAt = part(TABLE_kinds) + KINDOFFORM_size * ofForm(TABLE_kindOf, word);
    facts = load<i32>(kindAt, KINDOFFORM_facts);
    const feature = (facts >> FACTS_featureShift) & FACTS_featureMask;
    if (!feature || (load<u64>(s, S_features) >> (feature - 1)) & 1) break;
    // Without it, there is none; or the prefix does nothing.
    if (prefix < 2 || !((facts >> FACTS_elsePlainShift) & FACTS_elsePlainMask)) return HANDLER_illegal;
    prefix = operandPrefix ? 1 : 0;
  }
  const form = load<i32>(kindAt, KINDOFFORM_form);
  if (vex && !((form >> DECODE_vexShift) & DECODE_vexMask) && vvvv != 0) return HANDLER_illegal;
  operandSize = sizeBy((form >> DECODE_sizeRuleShift) & DECODE_sizeRuleMask);
  reg = 0;
  rm = 0;
  isRegister = false;
  base = NUMBER_noRegister;
  index = NUMBER_noRegister;
  scale = 0;
  displacement = 0;
  ripRelative = false;
  vectorIndex = ((form >> DECODE_vectorIndexShift) & DECODE_vectorIndexMask) != 0;
  const hasModrm = ((form >> DECODE_modrmShift) & DECODE_modrmMask) != 0;
  if (hasModrm) {
    if (modrm < 0) modrm = next();
    if ((form >> DECODE_anyModShift) & DECODE_anyModMask) modrm |= 0xc0;
    readModrm(modrm, extendR, extendX, extendB);
    // SIB must be there, and the three vectors are different ones.
    const sib = addressSize != 16 && (modrm & 7) == 4;
    if (vectorIndex && (!sib || rm == reg || rm == vvvv || reg == vvvv)) return HANDLER_illegal;
  }
  const firstKind = (form >> DECODE_firstShift) & DECODE_firstMask;
  const secondKind = (form >> DECODE_secondShift) & DECODE_secondMask;
  let first: i64 = firstKind ? immediate(firstKind) : 0;
  let second: i64 = secondKind ? immediate(secondKind) : 0;
  if (firstKind == IMMEDIATE_far) second = signed(2) & 0xffff;
  if (short) return HANDLER_illegal;
  const sreg = reg & 7;
  if ((form >> DECODE_segmentReadShift) & DECODE_segmentReadMask && sreg > 5) return HANDLER_illegal;
  if ((form >> DECODE_segmentWrittenShift) & DECODE_segmentWrittenMask && (sreg > 5 || sreg == 1)) {
    return HANDLER_illegal;
  }
  if (lock && (!((form >> DECODE_lockShift) & DECODE_lockMask) || isRegister)) return HANDLER_illegal;

  // What engines ask of the form.
  const list = <i32>(long ? load<u16>(kindAt, KINDOFFORM_longList) : load<u16>(kindAt, KINDOFFORM_otherList));
  const memory = hasModrm && !isRegister;
  const inMemory = ((facts >> FACTS_inMemoryShift) & FACTS_inMemoryMask) != 0;
  const implied = ((facts >> FACTS_impliedShift) & FACTS_impliedMask) != 0;
  const counts = ((facts >> FACTS_countsShift) & FACTS_countsMask) != 0;
  const repeats = ((facts >> FACTS_repeatsShift) & FACTS_repeatsMask) != 0;
  let place = 31 - clz(operandSize) - 3;
  if (inMemory || implied || counts) {
    let way = 0;
    const full = addressSize == (long ? 64 : 32);
    // Outside 64-bit mode an override of ES, SS or DS names what may have no base, as the segment without one.
    const usual = segment < 0 || (segment <= SEGMENT_ds && segment != SEGMENT_cs);
    if (counts) way = full ? 0 : 3;
    else if (implied) way = full ? 2 : 3;
    else if (memory) way = usual && !ripRelative && full ? 1 : full ? 2 : 3;
    place = place * 4 + way;
  }
  if (repeats) place = place * 3 + (repeat == 0 ? 0 : repeat == 0xf2 ? 1 : 2);
  const further = <i32>load<u16>(part(TABLE_lists) + 2 * (list + place));
  if (further == 0) return HANDLER_illegal;
  const handler = ofForm(long ? TABLE_long : TABLE_other, word) + further;

  const byteReg = (facts >> FACTS_byteRegShift) & FACTS_byteRegMask;
  const byteRm = (facts >> FACTS_byteRmShift) & FACTS_byteRmMask;
  const regBytes = byteReg == 1 || (byteReg == 2 && operandSize == 8);
  const rmBytes = byteRm == 1 || (byteRm == 2 && operandSize == 8);
  const opcodeRegister = ((facts >> FACTS_inOpcodeShift) & FACTS_inOpcodeMask) != 0;
  const record = scratch(s);
  store<i64>(record, cut(first, (facts >> FACTS_firstShift) & FACTS_firstMask), RECORD_first);
  store<i64>(record, cut(second, (facts >> FACTS_secondShift) & FACTS_secondMask), RECORD_second);
  store<i32>(record, displacement, RECORD_displacement);
  store<u8>(record, hasModrm ? placeOf(reg, regBytes, rex != 0) : 0, RECORD_reg);
  let other = 0;
  if (opcodeRegister) other = placeOf(inOpcode, rmBytes, rex != 0);
  else if (hasModrm && isRegister) other = placeOf(rm, rmBytes, rex != 0);
  else if (vectorIndex) other = 8 * rm;
  store<u8>(record, other, RECORD_rm);
  store<u8>(record, 8 * vvvv, RECORD_vvvv);
  store<u8>(record, 8 * (memory ? base : NUMBER_noRegister), RECORD_base);
  store<u8>(record, 8 * (memory ? index : NUMBER_noRegister), RECORD_index);
  store<u8>(record, memory ? scale : 0, RECORD_scale);
  if (segment < 0) {
    segment = NUMBER_noSegment;
    // rSP and rBP are in SS, everything else in DS.
    if (!long) segment = memory && (base == 4 || base == 5) ? SEGMENT_ss : SEGMENT_ds;
  }
  store<u8>(record, 8 * segment, RECORD_segment);
  store<u8>(record, i32(addressSize == (long ? 32 : 16)), RECORD_narrow);
  store<u8>(record, memory && ripRelative ? 1 : 0, RECORD_ripRelative);
  store<u8>(record, i32(lock), RECORD_lock);
  return ((<u64>(recordFor(s) | at)) << 32) | <u64>handler;
}
