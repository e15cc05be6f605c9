/**
 * CFAR in regions: written when somebody asks. The local `from` has the offset of the last taken branch, with bit 0 set;
 * 0: none was taken since the region was entered, or since this was done last.
 */

import type { TranslatorTarget } from "../../../engine/translate/target.js";
import { regionLocals } from "../../../engine/translate/template.js";
import { state } from "./layout.js";

export const branches: TranslatorTarget["branches"] = {
  note: (f, offset) => {
    f.i32Const(offset | 1);
    f.set(regionLocals.from);
  },
  settle: (f) => {
    f.get(regionLocals.from);
    f.if();
    f.get(regionLocals.state);
    f.get(regionLocals.base);
    f.get(regionLocals.from);
    f.convert("extendU");
    f.i64("add");
    f.i64Const(-2n);
    f.i64("and");
    f.store("i64", state.cfar.offset);
    f.get(regionLocals.state);
    f.i32Const(0);
    f.tee(regionLocals.from);
    f.store("i32", state.branchEntry.offset);
    f.end();
  },
  settleAt: (f, offset) => {
    f.get(regionLocals.state);
    f.get(regionLocals.base);
    f.i64Const(BigInt(offset));
    f.i64("add");
    f.store("i64", state.cfar.offset);
    f.get(regionLocals.state);
    f.i32Const(0);
    f.tee(regionLocals.from);
    f.store("i32", state.branchEntry.offset);
  },
};
