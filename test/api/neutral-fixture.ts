/** How a misuse is written down: one for each errno of each call; the compiler finds what is missing. */
import type { KvmConfig } from "../../src/engine/kvm-config.js";
import type { calls, Errors } from "../../src/kvm/calls.js";
import type { Kvm, MemoryRegion, Vcpu, Vm } from "../../src/kvm/uapi.js";

/** What the cases of every architecture are given: a fresh VM of one implementation, made as far as a case asks for it. */
export interface AnyFixture {
  readonly kvm: Kvm;
  /** The module that it is of. */
  readonly module: string;
  /** Another one, in a loader of its own. */
  open(options: KvmConfig): Promise<Kvm>;
  /** Of KVM_CREATE_VM. */
  readonly type: number;
  /** With a MiB of RAM in slot 0. */
  readonly vm: Vm;
  readonly region: MemoryRegion;
  /** vCPU 0. */
  readonly cpu: Vcpu;
  /** Makes an interrupt controller that has vCPU 0. */
  readonly controller: unknown;
  /** Gives vCPU 0 code that leaves for the user side at once. */
  exiting(): void;
  close(): void;
}

type Calls = Readonly<Record<string, { readonly errors: Errors }>>;

/** Does what the call answers with the errno. */
export type Misuse<F> = (it: F) => unknown;
export type CasesFor<F, T extends Calls, C extends keyof T = keyof T> = {
  readonly [K in C]: { readonly [E in keyof T[K]["errors"]]: Misuse<F> };
};
export type NeutralCasesOf<C extends keyof typeof calls> = CasesFor<AnyFixture, typeof calls, C>;
