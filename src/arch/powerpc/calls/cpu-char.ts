/**
 * KVM_PPC_GET_CPU_CHAR: what a guest need not defend itself against. Nothing here runs an instruction before it is known to
 * be needed, so there are no traces of such a one in a cache to flush and no predictor of the guest's to empty. Without an
 * answer Linux takes the worst for granted and empties the L1 cache by hundreds of loads at each return to user space.
 * Source: Power Architecture Platform Requirements, H_GET_CPU_CHARACTERISTICS; Linux, asm/hvcall.h.
 */
import {
  H_CPU_BEHAV_BNDS_CHK_SPEC_BAR,
  H_CPU_BEHAV_FAVOUR_SECURITY,
  H_CPU_BEHAV_FLUSH_COUNT_CACHE,
  H_CPU_BEHAV_L1D_FLUSH_PR,
  H_CPU_BEHAV_NO_L1D_FLUSH_ENTRY,
  H_CPU_BEHAV_NO_L1D_FLUSH_UACCESS,
  H_CPU_BEHAV_NO_STF_BARRIER,
  H_CPU_CHAR_BCCTRL_SERIALISED,
  type PpcCpuChar,
} from "../uapi.js";

/** Not "count cache disabled", which would be as true: Linux takes it as a reason to flush the link stack. */
const character = H_CPU_CHAR_BCCTRL_SERIALISED;
const behaviour = H_CPU_BEHAV_NO_L1D_FLUSH_ENTRY | H_CPU_BEHAV_NO_L1D_FLUSH_UACCESS | H_CPU_BEHAV_NO_STF_BARRIER;
/** What would be asked of the guest, and is not: these bits are known to be 0. */
const notNeeded =
  H_CPU_BEHAV_FAVOUR_SECURITY |
  H_CPU_BEHAV_L1D_FLUSH_PR |
  H_CPU_BEHAV_BNDS_CHK_SPEC_BAR |
  H_CPU_BEHAV_FLUSH_COUNT_CACHE;

export const cpuChar: PpcCpuChar = {
  character,
  behaviour,
  characterMask: character,
  behaviourMask: behaviour | notNeeded,
};
