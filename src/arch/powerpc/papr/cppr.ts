import { HcallStatus, hcall, tooHard } from "./hcall.js";

/** Sets the processor's priority: interrupts of this or a less favoured one wait. */
export const cppr = hcall(0x68, "H_CPPR", { enabled: true }, ({ vm, server }, [priority]) => {
  if (!vm.xics || server === undefined) return tooHard;
  vm.xics.setPriority(server, Number(priority & 0xffn));
  return HcallStatus.success;
});
