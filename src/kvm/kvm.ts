/** What /dev/kvm answers to: the implementations that have initialised, and VMs of them. */
import { KvmError } from "../base/errors.js";
import { describePackage, thisPackage } from "../base/package.js";
import { guard } from "../base/takes.js";
import type { ModuleReference } from "../modules/define-module.js";
import type { Member } from "../vac/vac.js";
import { checkCapability } from "./capability.js";
import { type Extension, Extensions } from "./extensions.js";
import { vmHandle } from "./handle.js";
import type { Implementation } from "./implementation.js";
import { type KvmParameters, kvmDefaults, setDefaults } from "./parameters.js";
import { type SavedVm, savedFormat } from "./saved.js";
import { kvmSignatures } from "./signatures.js";
import {
  type Arrival,
  KVM_API_VERSION,
  type Kvm,
  type LeavingVm,
  type SharedVm,
  type Vm,
  type VmOptions,
} from "./uapi.js";
import { VmCore } from "./vm.js";

export class KvmCore implements Kvm {
  static {
    guard(KvmCore.prototype, "kvm", kvmSignatures);
  }

  /** What other modules add to the VMs. */
  readonly extensions = new Extensions();
  readonly #implementations: readonly Implementation[];
  readonly #module: ModuleReference;
  readonly #vac: Member;
  readonly #parameters: KvmParameters;

  /** `implementations` by preference: the first is the default type's. `parameters` may change while it lives. */
  constructor(
    implementations: readonly Implementation[],
    module: ModuleReference,
    vac: Member,
    parameters: KvmParameters = kvmDefaults,
  ) {
    this.#parameters = parameters;
    // All are of one architecture.
    Object.assign(this, implementations[0]?.arch.systemMethods());
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

  createVm(type = 0, options: VmOptions = {}): Vm {
    const implementation = this.#find(type);
    const { release, extensions } = this.#get();
    try {
      const vm = VmCore.create(implementation, this.#vac, options, this.#module, release);
      vm.extensions = extensions;
      setDefaults(vm.mem, this.#parameters);
      return vmHandle(vm);
    } catch (error) {
      release();
      throw error;
    }
  }

  takeOver(leaving: LeavingVm): Arrival {
    const { format, arch, type, implementation: name, memory, generation } = leaving;
    if (format !== savedFormat) {
      throw new KvmError(
        "EOPNOTSUPP",
        `${describePackage(thisPackage)} takes VMs of state format ${savedFormat}, not ${format}; update the older package`,
      );
    }
    const named = this.#implementations.find((candidate) => candidate.name === name);
    const implementation = type === 0 && named ? named : this.#find(type);
    if (implementation.arch.name !== arch) {
      throw new KvmError("EINVAL", `a VM for ${arch} cannot move to a kvm for ${implementation.arch.name}`);
    }
    const shared = !(memory.buffer instanceof ArrayBuffer);
    const engine = implementation.engine(shared);
    const { release, extensions } = this.#get();
    const missing = leaving.extensions?.filter((url) => !extensions.some((extension) => extension.url === url)) ?? [];
    if (missing.length > 0) {
      release();
      throw new KvmError("ENOENT", `the VM uses ${missing.join(", ")}; load that module beside the other kvm first`);
    }
    const share: SharedVm = {
      version: 1,
      arch,
      implementation: implementation.name,
      memory,
      engine: engine.share,
      module: implementation.module,
      generation,
      vac: this.#vac.page.buffer,
      extensions: extensions.map(({ url }) => url),
    };
    return {
      share,
      arrive: (saved) => {
        const state = saved as SavedVm;
        const vm = VmCore.arrive(implementation, engine, this.#vac, memory, generation, state, this.#module, release);
        vm.extensions = extensions;
        return vmHandle(vm);
      },
      abandon: release,
    };
  }

  /** The implementation of a type. EINVAL: none is loaded. */
  #find(type: number): Implementation {
    const found =
      type === 0 ? this.#implementations[0] : this.#implementations.find((candidate) => candidate.type === type);
    if (found) return found;
    const loaded = this.#implementations.map(({ name, type: number }) => `${number} (${name})`).join(", ");
    throw new KvmError("EINVAL", `KVM_CREATE_VM: no implementation of type ${type} is loaded; there are ${loaded}`);
  }

  /** Takes references on the modules whose code the VM is; `release` gives them back, once. ENOENT: one is going away. */
  #get(): { readonly release: () => void; readonly extensions: readonly Extension[] } {
    if (!this.#module.tryGet()) throw new KvmError("ENOENT", "KVM_CREATE_VM: the kvm module is going away");
    const extensions = this.extensions.hold();
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      extensions.release();
      this.#module.put();
    };
    return { release, extensions: extensions.list };
  }
}
