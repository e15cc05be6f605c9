/** The vac module: loaded under every kvm, so that what exists once has one owner. */
import { thisPackage } from "../base/package.js";
import { declareSymbol, defineModule, exportSymbol } from "../modules/define-module.js";
import { acquireVac, releaseVac, type Vac } from "./vac.js";

export type { Member, Vac } from "./vac.js";

/** A kvm becomes a member, and holds through it what must exist once. */
export const vacJoin = declareSymbol<Vac["join"]>("vac_join");

export const vac = defineModule({
  name: "vac",
  description: "Singletons under any number of loaded KVMs",
  license: "MIT",
  version: thisPackage.version,
  inTree: true,
  exports: { join: exportSymbol(vacJoin, { gplOnly: true, namespace: "module:kvm,kvm-*" }) },
  init: async (context) => {
    const acquired = await context.step(
      "vac: the process's",
      () => acquireVac(thisPackage),
      // Another version's kvm may still be a member: then it stays.
      (vac) => {
        if (vac.members().length === 0) releaseVac(vac);
      },
    );
    return { join: (member) => acquired.join(member) };
  },
});

export default vac;
