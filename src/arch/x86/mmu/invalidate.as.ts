/** What makes translations go: writes of control registers, INVLPG, INVPCID. */
import { CR4_pcid, S_control, S_hugePages } from "../engines/runtime/layout.generated";
import { flushAddress, flushTranslations } from "../../../engine/runtime/invalidate.as";
import { derive, dropLocal, dropProcessContext, forgetLocal, processContext } from "./context.as";
import { forgetLarge, LARGE_PART, takeLarge } from "./large-pages.as";
import { control4, hasSmallEntries, hugeBit } from "./translate.as";

/** Drops all translations, of global pages too. */
export function dropAll(s: i32): void {
  forgetLarge(s);
  store<u64>(s, 0, S_hugePages);
  forgetLocal(s);
  flushTranslations(s);
}

/** Drops what there is by large pages of the 2 MiB that an address is in. */
function dropLarge(s: i32, ea: u64): void {
  let parts = takeLarge(s, ea);
  while (parts) {
    flushAddress(s, (ea & ~0x1fffff) + ((<u64>ctz<i32>(parts)) << LARGE_PART), LARGE_PART);
    parts &= parts - 1;
  }
}

/** Drops the translations of the page that an address is in, in whatever context: INVLPG. */
export function dropAddress(s: i32, ea: u64): void {
  if (load<u64>(s, S_hugePages) & hugeBit(ea)) {
    dropAll(s);
    return;
  }
  flushAddress(s, ea, 12);
  dropLarge(s, ea);
  // Pages of 4 MiB.
  if (hasSmallEntries(s)) dropLarge(s, ea ^ 0x200000);
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
