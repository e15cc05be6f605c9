/**
 * Storage accesses as functions of the interpreter's module. A look-up in the soft TLB takes a hundred bytes, and most handlers
 * have one: so many that are rarely run call it, and only the core's have it in line.
 */
import type { ValueType } from "../../wasm/function-builder.js";
import type { Exits } from "../ir.js";
import {
  type AccessContext,
  type AccessFunctions,
  emitLoad,
  emitPlace,
  emitPlacedStore,
  emitStore,
} from "../memory-access.js";
import type { CommonFunctions } from "./common-functions.js";

/** The caller looks at `fault`, and its pc is in the state. */
const exits: Exits = {
  storePc: () => {},
  fault: () => {},
  leave: (f) => {
    f.i32Const(1);
    f.return();
  },
  handOver: () => {},
  leaveHandedOver: () => {},
  jump: () => {},
};

/** `contextAt`: what accesses share in a function whose local of that number is the state's address. */
export function accessFunctions(
  common: CommonFunctions,
  contextAt: (stateLocal: number) => AccessContext,
): AccessFunctions {
  const context = (stateLocal: number): AccessContext => ({ ...contextAt(stateLocal), checkFault: () => {} });
  const valueOf = (size: number): ValueType => (size === 16 ? "v128" : "i64");
  const order = (bigEndian: boolean) => (bigEndian ? "big" : "little");
  return {
    load: (size, bigEndian) =>
      common.get(`load ${size} ${order(bigEndian)}`, ["i64", "i32"], [valueOf(size)], (f) => {
        f.get(0);
        emitLoad(f, exits, context(1), size, bigEndian);
      }),
    store: (size, bigEndian) =>
      common.get(`store ${size} ${order(bigEndian)}`, ["i64", valueOf(size), "i32"], [], (f) => {
        f.get(0);
        f.get(1);
        emitStore(f, exits, context(2), size, bigEndian);
      }),
    place: (size, slow) =>
      common.get(`place ${size} ${slow}`, ["i64", "i32"], ["i32"], (f) => {
        f.get(0);
        emitPlace(f, exits, context(1), size, slow);
      }),
    placedStore: (store) => {
      const { size, locked } = store;
      const values: ValueType[] = ["i32", "i64", "i64", ...(locked === "asked" ? (["i32"] as const) : [])];
      return common.get(`placed store ${size} ${locked}`, [...values, "i32"], ["i32"], (f) => {
        for (let i = 0; i < values.length; i++) f.get(i);
        emitPlacedStore(f, exits, context(values.length), store);
        f.i32Const(0);
      });
    },
  };
}
