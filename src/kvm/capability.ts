/** KVM_CHECK_EXTENSION and KVM_ENABLE_CAP, by the architecture's table of capabilities. */
import { KvmError } from "../base/errors.js";
import type { Arch } from "./arch.js";
import type { VmInside } from "./inside.js";
import type { EnableCap } from "./uapi.js";

/** What KVM_CHECK_EXTENSION answers for an implementation, or for one of its VMs. */
export function checkCapability(arch: Arch, implementation: string, cap: number, vm?: VmInside): number {
  const check = arch.capabilities.find((row) => row.cap === cap)?.check ?? 0;
  return typeof check === "number" ? check : check(implementation, vm);
}

/** Finds what `request` enables and does it; `choose` gives a row's way for this kind of object. */
export function enableCapability(
  arch: Arch,
  request: EnableCap,
  choose: (row: Arch["capabilities"][number]) => ((cap: EnableCap) => void) | undefined,
): void {
  const row = arch.capabilities.find(({ cap }) => cap === request.cap);
  const enable = row && choose(row);
  if (!enable) throw new KvmError("EINVAL", `KVM_ENABLE_CAP: extension ${request.cap} cannot be enabled here`);
  if (request.flags) throw new KvmError("EINVAL", "KVM_ENABLE_CAP: no flags are defined");
  enable(request);
}
