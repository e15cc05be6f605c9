/** The vac module: loaded under every kvm, so that what exists once has one owner. */
import { thisPackage } from "../base/package.js";
import { defineModule } from "../modules/define-module.js";
import { acquireVac, releaseVac, type Vac } from "./vac.js";

export type { Member, Vac } from "./vac.js";

export const vac = defineModule<Vac>({
  name: "vac",
  description: "Singletons under any number of loaded KVMs",
  license: "MIT",
  init: (context) =>
    context.step(
      "vac: the process's",
      () => acquireVac(thisPackage),
      // Another version's kvm may still be a member: then it stays.
      (acquired) => {
        if (acquired.members().length === 0) releaseVac(acquired);
      },
    ),
});
