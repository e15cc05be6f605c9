import { HcallStatus, hcall } from "./hcall.js";
import { HptFlag, withEntry } from "./hpt.js";

const several = 4;

/** An entry of the page table in r4 and r5, valid or not; with H_READ_4 four of them, to r11. */
export const read = hcall(0x0c, "H_READ", { enabled: true }, (vcpu, [flags, index]) =>
  withEntry(vcpu.vm, index, (hpt, at) => {
    const count = flags & HptFlag.read4 ? several : 1;
    const first = at - (at % count);
    for (let i = 0; i < count; i++) {
      const { v, r } = hpt.at(first + i);
      vcpu.setGpr(4 + 2 * i, v);
      vcpu.setGpr(5 + 2 * i, r);
    }
    return HcallStatus.success;
  }),
);
