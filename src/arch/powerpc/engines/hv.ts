import type { ImplementationRow } from "../../../engine/implementation.js";
import { KVM_VM_PPC_HV } from "../../../kvm/constants.js";
import { requireCodeGeneration } from "../../../wasm/features.js";

export const hv: ImplementationRow = {
  name: "hv",
  type: KVM_VM_PPC_HV,
  title: "KVM-HV",
  alias: "kvm-hv",
  require: requireCodeGeneration,
  preload: async () => {
    await import("./translator-target.js");
    await import("../../../engine/translate/load.js");
  },
  engine: async (assets, beside) => {
    const { translatorTarget } = await import("./translator-target.js");
    return (await import("../../../engine/translate/load.js")).loadHvBeside(translatorTarget, assets, beside);
  },
  serveBeside: async () => {
    const { translatorTarget } = await import("./translator-target.js");
    const { serveTranslations } = await import("../../../engine/translate/beside.js");
    return (memory, post) => serveTranslations(translatorTarget, memory, post);
  },
};
