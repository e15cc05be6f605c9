/** Address spaces of the soft TLB: which context the vCPU is in. */
import {
  ACCESS_fetch,
  CONTEXT_supervisor,
  CONTEXT_supervisorAccess,
  CONTEXT_user,
  CR4_pcid,
  CR4_smap,
  CODEMODE_flat,
  CODEMODE_general,
  CODEMODE_long,
  KIND_flat,
  KIND_long,
  RFLAGS_alignment,
  RFLAGS_resume,
  RFLAGS_trap,
  S_asid,
  S_codeMap,
  S_control,
  S_cpl,
  S_fetchAsid,
  S_fetchTlb,
  S_localCount,
  S_localEntries,
  S_mode,
  S_systemFlags,
  S_tlb,
  MODE_alone,
  N_localEntries,
  TLB_tables,
} from "../engines/runtime/layout.generated";
import {
  asidAt,
  contextAt,
  forgetContext,
  fetchTableOf,
  isRemembered,
  newAsid,
  tableOf,
} from "../../../engine/runtime/contexts.as";
import { codeMapOf } from "../../../engine/runtime/code-pages.as";
import { deriveJumpContext } from "../../../engine/runtime/jump-cache.as";
import { emptyEntry } from "../../../engine/runtime/tlb.as";
import { deriveFloat } from "../engines/runtime/float/blocked.as";
import { presentKind } from "./mode.as";
import { control4, isGlobal } from "./translate.as";

const REMEMBERED = 127;
/** Tables from here on are users'. */
const FIRST_OF_USERS = 4;

export function processContext(s: i32): i32 {
  return control4(s) & CR4_pcid ? <i32>load<u64>(s, S_control + 24) & 0xfff : 0;
}

// @ts-ignore: decorator
@inline
function nameOf(pcid: i32, kind: i32): i64 {
  return 1 + 4 * pcid + kind;
}

// @ts-ignore: decorator
@inline
function placeOf(s: i32, pcid: i32, kind: i32): i32 {
  return contextAt(s, 4 * (pcid & REMEMBERED) + kind);
}

/**
 * The number of a context. Those that alternate are in tables of their own. Supervisors' are the same for all processes: nearly all that
 * a kernel accesses is global, and what is not goes with each write to CR3.
 */
function asidOf(s: i32, pcid: i32, kind: i32): i64 {
  const process = kind == CONTEXT_user ? pcid : 0;
  const name = nameOf(process, kind);
  const place = placeOf(s, process, kind);
  if (isRemembered(s, place, name)) return asidAt(place);
  return newAsid(
    s,
    place,
    name,
    kind == CONTEXT_user ? FIRST_OF_USERS + (pcid & (TLB_tables - FIRST_OF_USERS - 1)) : kind,
  );
}

/** The number of the context that supervisors without EFLAGS.AC are in; 0: it has none just now. */
export function supervisorAsid(s: i32): i64 {
  const place = placeOf(s, 0, CONTEXT_supervisor);
  return isRemembered(s, place, nameOf(0, CONTEXT_supervisor)) ? asidAt(place) : 0;
}

/** Renews what follows from registers. */
export function derive(s: i32): void {
  const pcid = processContext(s);
  const user = load<i32>(s, S_cpl) == 3;
  const flags = load<u64>(s, S_systemFlags);
  const fetchKind = user ? CONTEXT_user : CONTEXT_supervisor;
  const lifted = !user && flags & RFLAGS_alignment && control4(s) & CR4_smap;
  // A new number may take others' away with it: what it took is asked for once more.
  asidOf(s, pcid, fetchKind);
  const data = asidOf(s, pcid, lifted ? CONTEXT_supervisorAccess : fetchKind);
  const fetch = asidOf(s, pcid, fetchKind);
  store<i64>(s, data, S_asid);
  store<i32>(s, tableOf(s, data), S_tlb);
  store<i64>(s, fetch, S_fetchAsid);
  store<i32>(s, fetchTableOf(s, fetch), S_fetchTlb);
  deriveFloat(s);
  if (flags & (RFLAGS_trap | RFLAGS_resume)) store<i32>(s, load<i32>(s, S_mode) | MODE_alone, S_mode);
  deriveCode(s);
}

/** Renews what follows from the kind of code alone: after CS, SS, DS or ES. */
export function deriveCode(s: i32): void {
  const kind = presentKind(s);
  store<i32>(s, codeMapOf(s, kind), S_codeMap);
  deriveJumpContext(s, kind);
  const mode = kind == KIND_long ? CODEMODE_long : kind == KIND_flat ? CODEMODE_flat : CODEMODE_general;
  store<i32>(s, mode | (load<i32>(s, S_mode) & MODE_alone), S_mode);
}

/**
 * The translation found last has become an entry of the soft TLB. Of a supervisor's those that are not global are noted, which are
 * few: nearly all that a kernel accesses is global. Code that is not could also stand in the jump cache.
 */
export function translationEntered(s: i32, entry: i32, access: i32): void {
  if (load<i32>(s, S_cpl) != 3) supervisorTranslationEntered(s, entry, access);
}

/** The same, of an entry of a supervisor's context whoever runs. */
export function supervisorTranslationEntered(s: i32, entry: i32, access: i32): void {
  if (isGlobal) return;
  const count = load<i32>(s, S_localCount);
  if (count > N_localEntries) return;
  const known = access != ACCESS_fetch && count < N_localEntries;
  if (known) store<i32>(s + S_localEntries + 4 * count, entry);
  store<i32>(s, known ? count + 1 : N_localEntries + 1, S_localCount);
}

/** Drops what supervisors' contexts have of pages that are not global. The caller derives anew. */
export function dropLocal(s: i32): void {
  const count = load<i32>(s, S_localCount);
  forgetLocal(s);
  if (count > N_localEntries) {
    forgetContext(s, placeOf(s, 0, CONTEXT_supervisor), nameOf(0, CONTEXT_supervisor));
    forgetContext(s, placeOf(s, 0, CONTEXT_supervisorAccess), nameOf(0, CONTEXT_supervisorAccess));
    return;
  }
  for (let i = 0; i < count; i++) emptyEntry(load<i32>(s + S_localEntries + 4 * i));
}

/** No entry of the soft TLB is noted: all are gone. */
export function forgetLocal(s: i32): void {
  store<i32>(s, 0, S_localCount);
}

/** Forgets the translations of a process context, but for those of supervisors' global pages. */
export function dropProcessContext(s: i32, pcid: i32): void {
  dropLocal(s);
  forgetContext(s, placeOf(s, pcid, CONTEXT_user), nameOf(pcid, CONTEXT_user));
  derive(s);
}
