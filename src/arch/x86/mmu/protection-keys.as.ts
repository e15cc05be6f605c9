/**
 * Protection keys for users' pages: bits 59 to 62 of the entry that maps a page give its key, PKRU says what may be done to the
 * pages of each. Source: Intel SDM, volume 3, "Protection Keys"; volume 2, RDPKRU and WRPKRU.
 */
import {
  CR4_protectionKeys,
  S_keysSeen,
  S_pkru,
  VECTOR_generalProtection,
  VECTOR_invalidOpcode,
} from "../engines/runtime/layout.generated";
import { RAX, RCX, RDX } from "../engines/runtime/general.as";
import { raiseWith } from "../interrupts/deliver.as";
import { rightsChanged } from "./invalidate.as";
import { control4 } from "./translate.as";

/** Whether these instructions are there, and ECX is what it must be; else a fault has been raised. */
function allowed(s: i32): bool {
  if (!(control4(s) & CR4_protectionKeys)) raiseWith(s, VECTOR_invalidOpcode, 0);
  else if (load<u32>(s, RCX) != 0) raiseWith(s, VECTOR_generalProtection, 0);
  else return true;
  return false;
}

export function readKeys(s: i32): void {
  if (!allowed(s)) return;
  store<u64>(s, <u64>load<u32>(s, S_pkru), RAX);
  store<u64>(s, 0, RDX);
}

export function writeKeys(s: i32): void {
  if (!allowed(s)) return;
  if (load<u32>(s, RDX) != 0) raiseWith(s, VECTOR_generalProtection, 0);
  else setKeys(s, load<u32>(s, RAX));
}

/**
 * PKRU is written. Translations are as it was: they go, if one of a page may be there whose key's bits are other ones now. Systems
 * write it in every switch between programs, of which few have a page with a key.
 */
export function setKeys(s: i32, value: u32): void {
  const changed = load<u32>(s, S_pkru) ^ value;
  store<u32>(s, value, S_pkru);
  const keys = (changed | (changed >> 1)) & 0x55555555;
  if (!(keys & load<u32>(s, S_keysSeen))) return;
  store<u32>(s, 0, S_keysSeen);
  rightsChanged(s);
}
