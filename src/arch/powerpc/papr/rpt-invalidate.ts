import { HcallStatus, hcall } from "./hcall.js";

/** Targets: the caller's own threads, all of the partition; other bits ask for more than a guest may. */
const targets = 1n | 2n;

/** Invalidates translations that the radix tables no longer hold. Everything is dropped: never wrong, only slow. */
export const rptInvalidate = hcall(0x448, "H_RPT_INVALIDATE", { enabled: false }, (vcpu, [pid, target, type]) => {
  if (target & ~targets) return HcallStatus.p2;
  vcpu.trace("mmu", "RPT_INVALIDATE", { pid, target, type });
  vcpu.vm.flushTranslations();
  return HcallStatus.success;
});
