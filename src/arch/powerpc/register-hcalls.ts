/** How another module adds hypercalls to kvm's VMs: a symbol that kvm exports. */
import { KvmError } from "../../base/errors.js";
import type { Extensions } from "../../kvm/extensions.js";
import { declareSymbol, type ModuleReference } from "../../modules/define-module.js";
import type { Hcall } from "./papr/hcall.js";

/** PAPR's numbers end below; above are those that each hypervisor has for itself. Source: Linux, KVMPPC_HCALL_BASE. */
export const ownHcallBase = 0xf000;
const ownHcallEnd = 0x10000;

export interface HcallSet {
  /** The module's context: VMs that have these hypercalls keep the module. */
  readonly owner: ModuleReference;
  /**
   * The URL of the file that exports them as `hcalls`. A vCPU's thread is another one than where the module was loaded,
   * and imports them from there; handlers keep what they need in the VM's memory.
   */
  readonly url: string;
  readonly hcalls: readonly Hcall[];
}

/** EINVAL: a number outside 0xf000 to 0xffff, or no handler. EEXIST: the number is taken. */
export type RegisterHcalls = (set: HcallSet) => () => void;

/** VMs that are made later answer these hypercalls in the kernel side. What it returns takes them back. */
export const kvmppcRegisterHcalls = declareSymbol<RegisterHcalls>("kvmppc_register_hcalls");

/** `own` are kvm's. */
export function registerHcalls(extensions: Extensions, own: ReadonlyMap<number, Hcall>): RegisterHcalls {
  return ({ owner, url, hcalls }) => {
    const taken = new Map(own);
    for (const { value } of extensions.list)
      for (const hcall of value as readonly Hcall[]) taken.set(hcall.number, hcall);
    for (const hcall of hcalls) {
      requireHcall(hcall);
      const other = taken.get(hcall.number);
      const number = `0x${hcall.number.toString(16)}`;
      if (other) throw new KvmError("EEXIST", `${hcall.name}: ${other.name} has the number ${number} already`);
      taken.set(hcall.number, hcall);
    }
    return extensions.register({ owner, url, value: hcalls });
  };
}

function requireHcall({ number, name, handler }: Hcall): void {
  if (!(Number.isInteger(number) && number >= ownHcallBase && number < ownHcallEnd)) {
    throw new KvmError("EINVAL", `${name}: a module's hypercalls have numbers from 0xf000 to 0xffff, not ${number}`);
  }
  if (typeof handler !== "function") throw new KvmError("EINVAL", `${name} has no handler`);
}

/** What a thread that attaches imports. ENOEXEC: the file lacks it. */
export async function importHcalls(url: string): Promise<readonly Hcall[]> {
  const { hcalls } = (await import(url)) as { readonly hcalls?: readonly Hcall[] };
  if (!Array.isArray(hcalls)) throw new KvmError("ENOEXEC", `${url} exports no hcalls`);
  for (const hcall of hcalls as readonly Hcall[]) requireHcall(hcall);
  return hcalls;
}
