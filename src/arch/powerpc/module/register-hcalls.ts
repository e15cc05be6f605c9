/** How another module adds hypercalls to kvm's VMs: a symbol that kvm exports. */
import { KvmError } from "../../../base/errors.js";
import {
  boolean,
  type Check,
  callback,
  having,
  listOf,
  taking,
  text,
  thing,
  wholeNumber,
} from "../../../base/takes.js";
import type { Extensions } from "../../../kvm/extensions.js";
import { declareSymbol, type ModuleReference } from "../../../modules/define-module.js";
import type { Hcall } from "../papr/hcall.js";

/** PAPR's numbers end below; above are those that each hypervisor has for itself. Source: Linux, KVMPPC_HCALL_BASE. */
export const ownHcallBase = 0xf000;
const ownHcallEnd = 0x10000;

/** Hypercalls of a module. */
export interface HcallSet {
  /** The module's context: VMs that have these hypercalls keep the module. */
  readonly owner: ModuleReference;
  /**
   * The URL of the file that exports them as `hcalls`. A vCPU's thread is another one than where the module was loaded,
   * and imports them from there; handlers keep what they need in the VM's memory.
   */
  readonly url: string;
  /** What is added; numbers from 0xf000 to 0xffff. */
  readonly hcalls: readonly Hcall[];
}

/** EINVAL: a number outside 0xf000 to 0xffff, or something is missing. EEXIST: the number is taken. */
export type RegisterHcalls = (set: HcallSet) => () => void;

/** VMs that are made later answer these hypercalls in the kernel side. What it returns takes them back. */
export const kvmppcRegisterHcalls = declareSymbol<RegisterHcalls>("kvmppc_register_hcalls");

const ownNumber: Check = (number, call, name) => {
  wholeNumber(number, call, name);
  if ((number as number) >= ownHcallBase && (number as number) < ownHcallEnd) return;
  throw new KvmError("EINVAL", `${call}: a module's hypercalls have numbers from 0xf000 to 0xffff, not ${number}`);
};
// A module made for another version of this package may give more.
const listOfHcalls = listOf(having({ number: ownNumber, name: text, enabled: boolean, handler: callback }));
const set = having({
  owner: thing("the context of the module that registers them", ["tryGet", "put"]),
  url: text,
  hcalls: listOfHcalls,
});

/** `own` are kvm's. */
export function registerHcalls(extensions: Extensions, own: ReadonlyMap<number, Hcall>): RegisterHcalls {
  return taking("kvmppc_register_hcalls", { set }, ({ owner, url, hcalls }: HcallSet) => {
    const taken = new Map(own);
    for (const { value } of extensions.list)
      for (const hcall of value as readonly Hcall[]) taken.set(hcall.number, hcall);
    for (const hcall of hcalls) {
      const other = taken.get(hcall.number);
      const number = `0x${hcall.number.toString(16)}`;
      if (other) throw new KvmError("EEXIST", `${hcall.name}: ${other.name} has the number ${number} already`);
      taken.set(hcall.number, hcall);
    }
    return extensions.register({ owner, url, value: hcalls });
  });
}

/** What a thread that attaches imports. ENOEXEC: the file lacks it. */
export async function importHcalls(url: string): Promise<readonly Hcall[]> {
  const { hcalls } = (await import(url)) as { readonly hcalls?: readonly Hcall[] };
  if (!Array.isArray(hcalls)) throw new KvmError("ENOEXEC", `${url} exports no hcalls`);
  listOfHcalls(hcalls, url, "hcalls");
  return hcalls;
}
