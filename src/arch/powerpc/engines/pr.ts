import type { ImplementationRow } from "../../../engine/implementation.js";
import { KVM_VM_PPC_PR } from "../../../kvm/constants.js";

export const pr: ImplementationRow = {
  name: "pr",
  type: KVM_VM_PPC_PR,
  title: "KVM-PR",
  alias: "kvm-pr",
  require: () => {},
  preload: async () => void (await import("../../../engine/interpret/load.js")),
  engine: async (assets) => (await import("../../../engine/interpret/load.js")).loadPr(assets),
};
