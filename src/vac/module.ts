/** The vac module: loaded under every kvm, so that what exists once has one owner. */
import { defineModule } from "../modules/define-module.js";
import { accountCode, allocateLpid, codeBytes, freeLpid } from "./vac.js";

export const vacOffer = { allocateLpid, freeLpid, accountCode, codeBytes } as const;
export type Vac = typeof vacOffer;

export const vac = defineModule<Vac>({
  name: "vac",
  description: "Singletons under any number of loaded KVMs",
  license: "MIT",
  init: () => vacOffer,
});
