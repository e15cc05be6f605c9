/** Address spaces of the soft TLB: which context the vCPU is in. */
import {
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
  S_mode,
  S_systemFlags,
  S_tlb,
  MODE_alone,
} from "../engines/runtime/layout.generated";
import { asidAt, contextAt, forgetContext, isRemembered, newAsid, tableOf } from "../../../engine/runtime/contexts.as";
import { codeMapOf } from "../../../engine/runtime/code-pages.as";
import { deriveJumpContext } from "../../../engine/runtime/jump-cache.as";
import { deriveFloat } from "../engines/runtime/float/blocked.as";
import { presentKind } from "./mode.as";
import { control4 } from "./translate.as";

const REMEMBERED = 127;

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

/** The number of a context. Supervisors' are in other tables than users', since they differ in what they access. */
function asidOf(s: i32, pcid: i32, kind: i32): i64 {
  const name = nameOf(pcid, kind);
  const place = placeOf(s, pcid, kind);
  if (isRemembered(s, place, name)) return asidAt(place);
  return newAsid(s, place, name, (kind == CONTEXT_user ? 4 : 0) + (pcid & 3));
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
  store<i32>(s, tableOf(s, fetch), S_fetchTlb);
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

/** Forgets the translations of a process context, but for those of global pages, which would be found again. */
export function dropProcessContext(s: i32, pcid: i32): void {
  for (let kind = 0; kind <= CONTEXT_user; kind++) forgetContext(s, placeOf(s, pcid, kind), nameOf(pcid, kind));
  derive(s);
}
