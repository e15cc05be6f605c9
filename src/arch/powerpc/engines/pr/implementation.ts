import { KVM_VM_PPC_PR } from "../../../../kvm/constants.js";
import type { ImplementationRow } from "../shared/implementation.js";

export const pr: ImplementationRow = {
  name: "pr",
  type: KVM_VM_PPC_PR,
  title: "KVM-PR",
  alias: "kvm-pr",
  require: () => {},
  engine: async (assets) => (await import("./load.js")).loadPr(assets),
};
