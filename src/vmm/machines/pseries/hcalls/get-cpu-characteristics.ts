import { HcallStatus, machineHcall } from "./hcall.js";

/**
 * What the guest need not defend itself against, as KVM tells it: characteristics in r4, behaviours in r5.
 * Source: Power Architecture Platform Requirements, H_GET_CPU_CHARACTERISTICS.
 */
export const getCpuCharacteristics = machineHcall(0x1c8, "H_GET_CPU_CHARACTERISTICS", ({ vm }, args) => {
  const { character, behaviour } = vm.getCpuChar();
  args[0] = character;
  args[1] = behaviour;
  return HcallStatus.success;
});
