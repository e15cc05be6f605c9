import type { ImplementationRow } from "../../../engine/implementation.js";
import { KVM_X86_UNIKVM_PR } from "../uapi.js";

export const pr: ImplementationRow = {
  name: "pr",
  type: KVM_X86_UNIKVM_PR,
  title: "KVM-PR",
  alias: "kvm-x86-pr",
  require: () => {},
  preload: async () => void (await import("../../../engine/interpret/load.js")),
  engine: async (assets) => (await import("../../../engine/interpret/load.js")).loadPr(assets),
};
