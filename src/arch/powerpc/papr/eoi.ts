import { HcallStatus, hcall, tooHard } from "./hcall.js";

/** Ends an interrupt: the argument is what H_XIRR gave. */
export const eoi = hcall(0x64, "H_EOI", { enabled: true }, ({ vm, server }, [xirr]) => {
  if (!vm.xics || server === undefined) return tooHard;
  vm.xics.end(server, Number(xirr & 0xffffffffn));
  return HcallStatus.success;
});
