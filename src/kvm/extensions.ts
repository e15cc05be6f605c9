/**
 * What other modules add to a kvm's VMs. A VM has what was registered when it was made, and holds the modules that it is
 * from, so that their code stays until the VM has gone.
 */
import type { ModuleReference } from "../modules/define-module.js";

export interface Extension {
  /** The module whose code it is. */
  readonly owner: ModuleReference;
  /** The file that a thread imports which attaches to the VM. */
  readonly url: string;
  /** What the architecture makes of it. */
  readonly value: unknown;
}

/** What a VM got: the extensions, and what gives their modules back. */
export interface HeldExtensions {
  readonly list: readonly Extension[];
  release(): void;
}

export class Extensions {
  readonly #registered = new Set<Extension>();

  get list(): readonly Extension[] {
    return [...this.#registered];
  }

  /** Gives it to VMs that are made from now on, until what this returns is called. */
  register(extension: Extension): () => void {
    this.#registered.add(extension);
    return () => void this.#registered.delete(extension);
  }

  /** For a new VM. What is of a module that is still coming, or going, is not there for it. */
  hold(): HeldExtensions {
    const list = [...this.#registered].filter(({ owner }) => owner.tryGet());
    return {
      list,
      release: () => {
        for (const { owner } of list) owner.put();
      },
    };
  }
}
