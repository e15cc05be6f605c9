/** What an x86 kvm does where no other module can track what guests write; with KVM_EXTERNAL_WRITE_TRACKING write-tracking.ts stands here. */
import type { KvmCore } from "../../../kvm/kvm.js";

export { flushTranslations as memoryChanged } from "../processor/vcpu.js";
export { saveVm } from "../vm/saved.js";

export const engineEvent = (): void => {};

/** What init returns. */
export const offer = (kvm: KvmCore) => ({ open: () => kvm });

/** What a thread that attaches makes of other modules' files. */
export const importTracker = undefined;
