/** The implementations, in order of initialisation and of preference; Linux has one of each vendor's, this two. */
import type { ImplementationRow } from "../../../engine/implementation.js";
import { requireCodeGeneration } from "../../../wasm/features.js";
import { KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR } from "../uapi.js";

export const rows: readonly ImplementationRow[] = [
  {
    name: "hv",
    type: KVM_X86_UNIKVM_HV,
    title: "KVM-HV",
    alias: "kvm-x86-hv",
    require: requireCodeGeneration,
    preload: async () => {
      await import("../engines/target.js");
      await import("../../../engine/translate/load.js");
    },
    engine: async (assets, beside) => {
      const { translatorTarget } = await import("../engines/target.js");
      return (await import("../../../engine/translate/load.js")).loadHv(translatorTarget, assets, beside);
    },
    serveBeside: async () => {
      const { translatorTarget } = await import("../engines/target.js");
      const { serveTranslations } = await import("../../../engine/translate/load.js");
      return (memory, post) => serveTranslations(translatorTarget, memory, post);
    },
  },
  {
    name: "pr",
    type: KVM_X86_UNIKVM_PR,
    title: "KVM-PR",
    alias: "kvm-x86-pr",
    require: () => {},
    preload: async () => void (await import("../../../engine/interpret/load.js")),
    engine: async (assets) => (await import("../../../engine/interpret/load.js")).loadPr(assets),
  },
];
