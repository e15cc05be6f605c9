/** Every hypercall of the kernel side. Dispatch, what is implemented and what is enabled by default come from here. */
import { bulkRemove } from "./bulk-remove.js";
import { cede } from "./cede.js";
import { clearMod } from "./clear-mod.js";
import { clearRef } from "./clear-ref.js";
import { confer } from "./confer.js";
import { enter } from "./enter.js";
import type { Hcall } from "./hcall.js";
import { logicalCiLoad } from "./logical-ci-load.js";
import { logicalCiStore } from "./logical-ci-store.js";
import { pageInit } from "./page-init.js";
import { prod } from "./prod.js";
import { protect } from "./protect.js";
import { random } from "./random.js";
import { read } from "./read.js";
import { registerVpa } from "./register-vpa.js";
import { remove } from "./remove.js";
import { rptInvalidate } from "./rpt-invalidate.js";
import { rtas } from "./rtas.js";
import { setMode } from "./set-mode.js";
import { setSprg0 } from "./set-sprg0.js";
import { getTce } from "./tce-get.js";
import { putTce } from "./tce-put.js";
import { putTceIndirect } from "./tce-put-indirect.js";
import { stuffTce } from "./tce-stuff.js";
import { xicsHcalls } from "./xics-hcalls.js";

export const hcalls: readonly Hcall[] = [
  ...xicsHcalls,
  remove,
  enter,
  read,
  clearMod,
  clearRef,
  protect,
  bulkRemove,
  getTce,
  putTce,
  setSprg0,
  pageInit,
  logicalCiLoad,
  logicalCiStore,
  registerVpa,
  cede,
  confer,
  prod,
  stuffTce,
  putTceIndirect,
  random,
  setMode,
  rptInvalidate,
  rtas,
];

/** By number. */
export const hcallByNumber: ReadonlyMap<number, Hcall> = index(hcalls);

function index(list: readonly Hcall[]): ReadonlyMap<number, Hcall> {
  const map = new Map<number, Hcall>();
  for (const row of list) {
    if (map.has(row.number)) throw new Error(`${row.name} and ${map.get(row.number)?.name} have one number`);
    map.set(row.number, row);
  }
  return map;
}
