/** Every RTAS call of the machine. The device tree's tokens, dispatch and KVM's share all come from this list. */
import { checkException } from "./check-exception.js";
import { displayCharacter } from "./display-character.js";
import {
  configurePe,
  getConfigAddrInfo2,
  readSlotResetState2,
  setEehOption,
  setSlotReset,
  slotErrorDetail,
} from "./eeh.js";
import { eventScan } from "./event-scan.js";
import { getSystemParameter } from "./get-system-parameter.js";
import { getTimeOfDay } from "./get-time-of-day.js";
import { nmiInterlock } from "./nmi-interlock.js";
import { nmiRegister } from "./nmi-register.js";
import { nvramFetch } from "./nvram-fetch.js";
import { nvramStore } from "./nvram-store.js";
import { osTerm } from "./os-term.js";
import { ibmReadPciConfig, ibmWritePciConfig, readPciConfig, writePciConfig } from "./pci-config.js";
import { changeMsi, queryInterruptSourceNumber } from "./pci-messages.js";
import { createPeDmaWindow, queryPeDmaWindow, removePeDmaWindow, resetPeDmaWindow } from "./pe-dma-windows.js";
import { powerOff } from "./power-off.js";
import { queryCpuStoppedState } from "./query-cpu-stopped-state.js";
import type { Rtas } from "./rtas.js";
import { setSystemParameter } from "./set-system-parameter.js";
import { setTimeOfDay } from "./set-time-of-day.js";
import { startCpu } from "./start-cpu.js";
import { stopSelf } from "./stop-self.js";
import { systemReboot } from "./system-reboot.js";
import { getXive, intOff, intOn, setXive } from "./xics.js";

export const rtasCalls: readonly Rtas[] = [
  displayCharacter,
  getTimeOfDay,
  setTimeOfDay,
  powerOff,
  systemReboot,
  queryCpuStoppedState,
  startCpu,
  stopSelf,
  getSystemParameter,
  setSystemParameter,
  setXive,
  getXive,
  intOff,
  intOn,
  checkException,
  eventScan,
  nvramFetch,
  nvramStore,
  readPciConfig,
  writePciConfig,
  ibmReadPciConfig,
  ibmWritePciConfig,
  queryInterruptSourceNumber,
  changeMsi,
  osTerm,
  nmiRegister,
  nmiInterlock,
  setEehOption,
  getConfigAddrInfo2,
  readSlotResetState2,
  setSlotReset,
  configurePe,
  slotErrorDetail,
  queryPeDmaWindow,
  createPeDmaWindow,
  removePeDmaWindow,
  resetPeDmaWindow,
];

/** By token. Throws if two calls have one token. */
export function rtasByToken(calls: readonly Rtas[] = rtasCalls): ReadonlyMap<number, Rtas> {
  const map = new Map<number, Rtas>();
  for (const call of calls) {
    if (map.has(call.token)) throw new Error(`two RTAS calls have token 0x${call.token.toString(16)}`);
    map.set(call.token, call);
  }
  return map;
}
