/**
 * Whether an instruction of 64 bits reaches memory through SS: its address begins with RSP or RBP, or it is the stack's own. Then
 * an address that is not canonical is #SS, else #GP. Asked of an instruction that has just faulted, from its bytes.
 * Source: Intel SDM, volume 1, "Default Segment Selection Rules"; volume 3, "Interrupt 12 - Stack Fault Exception (#SS)".
 */
import { ACCESS_load, S_general, S_pc } from "../engines/runtime/layout.generated";
import { findSlot, hostInSlot } from "../../../engine/runtime/slots.as";
import { IMPLICIT, isCanonical, physical, translateAs } from "./translate.as";

/** A byte of the instruction; 0 where there is none any more. */
export function byteAt(s: i32, address: u64): i32 {
  if (translateAs(s, address, ACCESS_load, IMPLICIT) != 0 || !findSlot(physical)) return 0;
  return <i32>load<u8>(hostInSlot(physical));
}

/** PUSH, POP, PUSHF, POPF, RET, IRET, ENTER, LEAVE, CALL. */
function isStacks(opcode: i32): bool {
  if (opcode >= 0x50 && opcode < 0x60) return true;
  if (opcode == 0x68 || opcode == 0x6a || opcode == 0x9c || opcode == 0x9d || opcode == 0xe8) return true;
  return opcode == 0xc2 || opcode == 0xc3 || (opcode >= 0xc8 && opcode <= 0xcb) || opcode == 0xcf;
}

/** Of opcodes of one byte, whether ModRM follows. */
function hasModRm(opcode: i32): bool {
  if (opcode < 0x40) return (opcode & 7) < 4;
  if (opcode == 0x63 || opcode == 0x69 || opcode == 0x6b || (opcode >= 0x80 && opcode < 0x90)) return true;
  if (opcode == 0xc0 || opcode == 0xc1 || opcode == 0xc6 || opcode == 0xc7) return true;
  return (opcode >= 0xd0 && opcode < 0xd4) || (opcode >= 0xd8 && opcode < 0xe0) || (opcode & 0xf6) == 0xf6;
}

export function reachesStack(s: i32): bool {
  let at = load<u64>(s, S_pc);
  const end = at + 15;
  let otherSegment = false;
  let extended = false;
  let opcode = 0;
  for (; at < end; at++) {
    opcode = byteAt(s, at);
    if (opcode == 0x64 || opcode == 0x65) otherSegment = true;
    else if ((opcode & 0xf0) == 0x40) {
      extended = (opcode & 1) != 0;
      continue;
    } else if (
      (opcode & 0xe7) != 0x26 &&
      opcode != 0x66 &&
      opcode != 0x67 &&
      opcode != 0xf0 &&
      (opcode & 0xfe) != 0xf2
    ) {
      break;
    }
    // REX counts only right before the opcode.
    extended = false;
  }
  at++;
  if (opcode == 0xc5 || opcode == 0xc4) {
    const second = byteAt(s, at);
    extended = opcode == 0xc4 && !(second & 0x20);
    at += opcode == 0xc4 ? 3 : 2;
  } else if (opcode == 0x0f) {
    const second = byteAt(s, at);
    // PUSH and POP of FS and GS.
    if ((second & 0xf6) == 0xa0) return true;
    at += second == 0x38 || second == 0x3a ? 2 : 1;
  } else {
    if (isStacks(opcode)) return true;
    if (!hasModRm(opcode)) return false;
    const mayBeStacks = opcode == 0x8f || (opcode == 0xff && ((byteAt(s, at) >> 3) & 7) >= 2);
    if (mayBeStacks && !isCanonical(load<u64>(s + 32, S_general) - 8)) return true;
  }
  if (otherSegment) return false;
  const modRm = byteAt(s, at);
  const mod = modRm >> 6;
  if (mod == 3) return false;
  let base = modRm & 7;
  if (base == 4) base = byteAt(s, at + 1) & 7;
  return !extended && (base == 4 || (base == 5 && mod != 0));
}
