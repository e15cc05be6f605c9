/** What /dev/kvm answers to: the implementations that have initialised, and VMs of them. */
import { KvmError } from "../base/errors.js";
import type { Member } from "../vac/vac.js";
import { checkCapability } from "./capability.js";
import type { Implementation, ModuleReference } from "./implementation.js";
import { KVM_API_VERSION, type Kvm, type VmOptions } from "./uapi.js";
import { VmCore } from "./vm.js";

export class KvmCore implements Kvm {
  readonly #implementations: readonly Implementation[];
  readonly #module: ModuleReference;
  readonly #vac: Member;

  /** `implementations` by preference: the first is the default type's. */
  constructor(implementations: readonly Implementation[], module: ModuleReference, vac: Member) {
    this.#implementations = implementations;
    this.#module = module;
    this.#vac = vac;
  }

  getApiVersion(): number {
    return KVM_API_VERSION;
  }

  checkExtension(cap: number): number {
    const [first] = this.#implementations;
    return first ? checkCapability(first.arch, first.name, cap) : 0;
  }

  createVm(type = 0, options: VmOptions = {}): VmCore {
    const implementation =
      type === 0 ? this.#implementations[0] : this.#implementations.find((candidate) => candidate.type === type);
    if (!implementation) {
      const loaded = this.#implementations.map(({ name, type: number }) => `${number} (${name})`).join(", ");
      throw new KvmError("EINVAL", `KVM_CREATE_VM: no implementation of type ${type} is loaded; there are ${loaded}`);
    }
    if (!this.#module.tryGet()) throw new KvmError("ENOENT", "KVM_CREATE_VM: the kvm module is going away");
    let held = true;
    const release = (): void => {
      if (held) this.#module.put();
      held = false;
    };
    try {
      return VmCore.create(implementation, this.#vac, options, release);
    } catch (error) {
      release();
      throw error;
    }
  }
}
