/** Every hypercall that the user side answers; all others that reach it are H_FUNCTION. */
import { getCpuCharacteristics } from "./get-cpu-characteristics.js";
import { getTermChar } from "./get-term-char.js";
import type { Hcall } from "./hcall.js";
import { putTermChar } from "./put-term-char.js";
import { registerProcessTable } from "./register-process-table.js";
import { hRtas } from "./rtas.js";
import { xiveHcalls } from "./xive.js";

export const hcalls: readonly Hcall[] = [
  getCpuCharacteristics,
  getTermChar,
  putTermChar,
  registerProcessTable,
  hRtas,
  ...xiveHcalls,
];

/** By number. Throws if two have one number. */
export function hcallsByNumber(list: readonly Hcall[] = hcalls): ReadonlyMap<number, Hcall> {
  const map = new Map<number, Hcall>();
  for (const hcall of list) {
    if (map.has(hcall.number)) throw new Error(`two hypercalls have number 0x${hcall.number.toString(16)}`);
    map.set(hcall.number, hcall);
  }
  return map;
}
