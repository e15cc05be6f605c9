/** The symbols that the kvm module imports. */
import { vacJoin } from "../../../vac/module.js";

export const kvmImports = { join: vacJoin };
