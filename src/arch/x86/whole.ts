/** All of a vendor's module but what is known of it before it is loaded. The build links it whole, once for each vendor. */
import { KvmError } from "../../base/errors.js";
import {
  type InitOptions,
  initialiseKvm,
  prepareAttachVm as prepareAttach,
  serveBesideVm as serveBeside,
} from "../../engine/kvm-module.js";
import { ordersAccesses } from "../../engine/ordering.js";
import type { ThreadBeside } from "../../kvm/engine.js";
import type { AttachedVm, SharedVm } from "../../kvm/uapi.js";
import type { ModuleContext } from "../../modules/define-module.js";
import type { vacJoin } from "../../vac/module.js";
import { detectWasmFeatures } from "../../wasm/features.js";
import { x86 } from "./arch.js";
import { rows } from "./module/implementations.js";
import type { x86Parameters } from "./module/parameters.js";
import { importTracker, offer } from "./module/untracked.js";
import type { X86Kvm, X86Vm } from "./uapi.js";
import * as vendor from "./vendor.js";

/** EINVAL: no implementation could load, or a parameter says nothing that there is. EOPNOTSUPP: none is configured in, or the platform cannot have this processor. */
export async function initialise(
  context: ModuleContext<{ join: typeof vacJoin }, typeof x86Parameters>,
  implementations: readonly string[] | undefined,
  options: Omit<InitOptions, "ordered">,
): Promise<{ open(): X86Kvm }> {
  const configured = rows.filter(({ name }) => implementations?.includes(name) ?? true);
  const refuse = (why: string): never => {
    throw new KvmError("EOPNOTSUPP", `${vendor.module}: ${why}`);
  };
  if (configured.length === 0) refuse("no implementation is configured in; there are hv and pr");
  // Every x86 processor of 64 bits has SSE2, whose registers are the platform's vectors.
  if (typeof WebAssembly !== "undefined" && !detectWasmFeatures().simd) {
    refuse("the platform's WebAssembly has no 128-bit vectors, and every processor of this vendor's has");
  }
  const ordered = ordersAccesses(vendor.module, context.parameters.ordered);
  const kvm = await initialiseKvm(context, x86, configured, { ...options, ordered });
  return offer(kvm) as unknown as { open(): X86Kvm };
}

export const prepareAttachVm = async (shared: SharedVm, beside?: ThreadBeside): Promise<() => AttachedVm<X86Vm>> =>
  (await prepareAttach(shared, x86, rows, beside, importTracker)) as () => AttachedVm<X86Vm>;

export const preload = async (implementation: string): Promise<void> =>
  rows.find(({ name }) => name === implementation)?.preload();

export const serveBesideVm = (
  shared: SharedVm,
  post: (answer: unknown) => void,
): Promise<((request: unknown) => void) | undefined> => serveBeside(shared, x86, rows, post);
