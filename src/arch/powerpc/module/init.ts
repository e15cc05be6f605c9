/** The kvm module's init, and all that it brings: imported when the module is loaded, not before. */
import { type InitOptions, initialiseKvm, prepareAttachVm, serveBesideVm } from "../../../engine/kvm-module.js";
import type { ThreadBeside } from "../../../kvm/engine.js";
import type { kvmModuleParameters } from "../../../kvm/parameters.js";
import type { AttachedVm, Kvm, SharedVm } from "../../../kvm/uapi.js";
import type { ModuleContext } from "../../../modules/define-module.js";
import { powerpc } from "../arch.js";
import { hcallByNumber } from "../papr/list.js";
import type { PpcKvm, PpcVm } from "../uapi.js";
import { type ImplementationRow, rows } from "./implementations.js";
import type { kvmImports } from "./imports.js";
import { importHcalls, type RegisterHcalls, registerHcalls } from "./register-hcalls.js";

export type { InitOptions } from "../../../engine/kvm-module.js";

/** The module's init. EINVAL: no implementation could load. */
export async function initKvm(
  context: ModuleContext<typeof kvmImports, typeof kvmModuleParameters>,
  configured: readonly ImplementationRow[],
  options: InitOptions,
): Promise<{ open(): PpcKvm; registerHcalls: RegisterHcalls }> {
  const kvm = await initialiseKvm(context, powerpc, configured, options);
  // The architecture puts its own methods on every VM of any kvm that it is handed to.
  const opened: Kvm = kvm;
  return { open: () => opened as PpcKvm, registerHcalls: registerHcalls(kvm.extensions, hcallByNumber) };
}

/** What a thread beside a vCPU's of this VM does for it; undefined: nothing. EINVAL: not a POWER VM's. */
export const serveBeside = (
  shared: SharedVm,
  post: (answer: unknown) => void,
): Promise<((request: unknown) => void) | undefined> => serveBesideVm(shared, powerpc, rows, post);

/** Loads an implementation's code. */
export const preload = async (implementation: string): Promise<void> =>
  rows.find(({ name }) => name === implementation)?.preload();

/** Loads what attaching needs, as long as that takes; what it gives attaches at once. */
export const prepareAttach = async (shared: SharedVm, beside?: ThreadBeside): Promise<() => AttachedVm<PpcVm>> =>
  (await prepareAttachVm(shared, powerpc, rows, beside, importHcalls)) as () => AttachedVm<PpcVm>;
