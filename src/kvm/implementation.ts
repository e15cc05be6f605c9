/** One way to run guests, initialised: what kvm-hv.ko or kvm-pr.ko registers. */
import type { Arch } from "./arch.js";
import type { Engine } from "./engine.js";

export interface Implementation {
  /** "hv" or "pr". */
  readonly name: string;
  /** KVM_CREATE_VM's type that asks for exactly this one. */
  readonly type: number;
  readonly arch: Arch;
  /** URL of the module (ES) whose attachVm attaches other threads to its VMs. */
  readonly module: string;
  /** Whether a VM that does not say is in shared memory. */
  readonly sharesByDefault: boolean;
  /** The engine for shared or unshared memory. EOPNOTSUPP: that one was not loaded. */
  engine(shared: boolean): Engine;
}
