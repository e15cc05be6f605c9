/**
 * Who keeps a VM: its own handles, together, and whoever got it from outside (VFIO). The counts lie in the VM's memory, so
 * that any thread can get and put; what ends the VM runs on the thread that created it, since its numbers and its module
 * are there. Source: kvm_get_kvm_safe, kvm_put_kvm in virt/kvm/kvm_main.c.
 */
import type { ModuleReference } from "../modules/define-module.js";
import { vmLayout } from "./layout.js";
import type { VmMemory } from "./memory.js";

type AsyncWait = { async: false } | { async: true; value: Promise<string> };
type WaitAsync = (array: Int32Array, index: number, value: number) => AsyncWait;

/** Where there is no Atomics.waitAsync. */
const pollMs = 4;

/** The view of the thread that created the VM. */
export class VmReferences {
  readonly #memory: VmMemory;
  readonly #module: ModuleReference;
  readonly #destroy: () => void;
  readonly #released: () => void;
  #state: "alive" | "destroyed" | "released" = "alive";
  #watching = false;

  /** `destroy` ends the VM; `released` gives back the module's reference that the VM held from its creation on. */
  constructor(memory: VmMemory, module: ModuleReference, destroy: () => void, released: () => void) {
    this.#memory = memory;
    this.#module = module;
    this.#destroy = destroy;
    this.#released = released;
    memory.store(vmLayout.users, 1);
  }

  /** First the module, so that the code of the last put cannot go; then the VM, unless it is dying. */
  get(): boolean {
    if (!this.#module.tryGet()) return false;
    if (getUnlessZero(this.#memory)) return true;
    this.#module.put();
    return false;
  }

  put(): void {
    this.#drop();
    this.#module.put();
  }

  /** The VM's own handles are closed. */
  closed(): void {
    this.#drop();
    // Another thread may put last.
    if (this.#state !== "released") void this.#watch();
  }

  /** Lets nobody get the VM from outside any more. False: somebody has it. */
  freeze(): boolean {
    return this.#memory.compareExchange(vmLayout.users, 1, 0) === 1;
  }

  /** Undoes `freeze`. */
  thaw(): void {
    this.#memory.store(vmLayout.users, 1);
  }

  /** The frozen VM is another kvm's now. */
  depart(): void {
    this.#state = "released";
    this.#released();
  }

  #drop(): void {
    if (this.#memory.add(vmLayout.users, -1) === 1) this.#end();
  }

  #end(): void {
    if (this.#state === "alive") {
      this.#state = "destroyed";
      this.#destroy();
    }
    // A put on another thread may still be on its way out.
    if (this.#state !== "destroyed" || this.#memory.load(vmLayout.pins) > 0) return;
    this.#state = "released";
    this.#released();
  }

  async #watch(): Promise<void> {
    if (!this.#memory.shared || this.#watching) return;
    this.#watching = true;
    const waitAsync = (Atomics as { waitAsync?: WaitAsync }).waitAsync;
    while (this.#state !== "released") {
      const seen = this.#memory.load(vmLayout.puts);
      if (this.#memory.load(vmLayout.users) === 0) this.#end();
      if ((this.#state as string) === "released") return;
      if (waitAsync) {
        const wait = waitAsync(this.#memory.i32s, vmLayout.puts >>> 2, seen);
        if (wait.async) await wait.value;
      } else {
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    }
  }
}

/** The view of a thread that attached: what it holds keeps the module too, on the thread that has it. */
export class AttachedReferences {
  readonly #memory: VmMemory;
  readonly #generation: number;

  /** `generation` is vmLayout.moves while this thread's handle is good. */
  constructor(memory: VmMemory, generation: number) {
    this.#memory = memory;
    this.#generation = generation;
  }

  get(): boolean {
    if (this.#memory.load(vmLayout.moves) > this.#generation + 1) return false;
    this.#memory.add(vmLayout.pins, 1);
    if (getUnlessZero(this.#memory)) return true;
    this.#unpin();
    return false;
  }

  put(): void {
    this.#memory.add(vmLayout.users, -1);
    this.#unpin();
  }

  #unpin(): void {
    this.#memory.add(vmLayout.pins, -1);
    this.#memory.add(vmLayout.puts, 1);
    this.#memory.notify(vmLayout.puts);
  }
}

/** kvm_get_kvm_safe. */
function getUnlessZero(memory: VmMemory): boolean {
  for (;;) {
    const users = memory.load(vmLayout.users);
    if (users === 0) return false;
    if (memory.compareExchange(vmLayout.users, users, users + 1) === users) return true;
  }
}
