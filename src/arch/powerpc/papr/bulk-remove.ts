import { type Hpt, HpteR, HpteV } from "../mmu/hpt.js";
import { type HcallHandler, HcallStatus } from "./hcall.js";
import { avpnOf } from "./hpt.js";

/** A translation specifier: what is asked or answered in two bits, a code in two, flags, R and C, and the index. */
const typeShift = 62n;
const type = { request: 1n, response: 2n, end: 3n } as const;
const codeShift = 60n;
const code = { success: 0n, notFound: 1n, parameter: 2n } as const;
const flagShift = 56n;
const how = { absolute: 0n, andCondition: 1n, avpn: 2n } as const;
const indexMask = (1n << flagShift) - 1n;
/** R and C of an entry become bits 4 and 5 from the most significant. */
const noteShift = 51n;

const requests = 4;

/** Takes up to four entries out of the page table: pairs of a specifier and an AVPN in r4 to r11. */
export const bulkRemove: HcallHandler = (vcpu, args) => {
  const { hpt } = vcpu.vm;
  if (!hpt) return HcallStatus.function;
  return hpt.locked(() => {
    for (let i = 0; i < requests; i++) {
      const [specifier = 0n, avpn = 0n] = args.slice(2 * i, 2 * i + 2);
      if (specifier >> typeShift === type.end) break;
      const flags = (specifier >> flagShift) & 3n;
      const index = specifier & indexMask;
      const answer = (result: bigint, notes = 0n) =>
        vcpu.setGpr(
          4 + 2 * i,
          (type.response << typeShift) | (result << codeShift) | (flags << flagShift) | notes | index,
        );
      if (specifier >> typeShift !== type.request || flags === 3n || index >= BigInt(hpt.size)) {
        answer(code.parameter);
        return HcallStatus.parameter;
      }
      const found = remove(hpt, Number(index), flags, avpn);
      if (found === undefined) answer(code.notFound);
      else answer(code.success, (found & (HpteR.referenced | HpteR.changed)) << noteShift);
    }
    return HcallStatus.success;
  });
};

/** The second doubleword of what was there. */
function remove(hpt: Hpt, index: number, flags: bigint, avpn: bigint): bigint | undefined {
  const entry = hpt.at(index);
  if (!(entry.v & HpteV.valid)) return undefined;
  if (flags === how.andCondition && entry.v & avpn) return undefined;
  if (flags === how.avpn && avpnOf(entry) !== avpn) return undefined;
  return hpt.remove(index).r;
}
