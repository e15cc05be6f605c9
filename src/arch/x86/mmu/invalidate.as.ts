/** What makes translations go: writes of control registers, INVLPG, INVPCID. */
import { CR4_pcid, N_largePages, S_control, S_hugePages, S_largePages } from "../engines/runtime/layout.generated";
import { flushAddress, flushTranslations } from "../../../engine/runtime/invalidate.as";
import { derive, dropLocal, dropProcessContext, forgetLocal, processContext } from "./context.as";
import { control4, hasSmallEntries, hugeBit, mayBeLarge } from "./translate.as";

/** Drops all translations, of global pages too. */
export function dropAll(s: i32): void {
  memory.fill(s + S_largePages, 0, 8 * N_largePages);
  store<u64>(s, 0, S_hugePages);
  forgetLocal(s);
  flushTranslations(s);
}

/** Drops the translations of the page that an address is in, in whatever context: INVLPG. */
export function dropAddress(s: i32, ea: u64): void {
  if (load<u64>(s, S_hugePages) & hugeBit(ea)) {
    dropAll(s);
    return;
  }
  const large = mayBeLarge(s, ea);
  if (large && hasSmallEntries(s)) flushAddress(s, ea & ~0x3fffff, 22);
  else if (large) flushAddress(s, ea & ~0x1fffff, 21);
  else flushAddress(s, ea, 12);
}

/** CR3 is written. */
export function setControl3(s: i32, value: u64): void {
  const keep = value >> 63 && control4(s) & CR4_pcid;
  store<u64>(s, value & 0x7fffffffffffffff, S_control + 24);
  if (keep) {
    dropLocal(s);
    derive(s);
  } else dropProcessContext(s, processContext(s));
}

/** After what decides about rights in all contexts has changed: CR0, CR4, EFER. */
export function rightsChanged(s: i32): void {
  dropAll(s);
}
