/**
 * Error recovery of PCI devices. The bus is one partitionable endpoint, which is never frozen here: a device's bad DMA is the
 * device's error alone. So what remains is to name the endpoint, tell its state, and reset it.
 * Source: LoPAPR, "Enhanced I/O Error Handling (EEH) Option".
 */
import type { PciHostBridge } from "../pci/host-bridge.js";
import { type RtasHost, RtasStatus, rtas, twoWords } from "./rtas.js";

/** Configuration address of the endpoint: that of the bus, marked so that it is not 0. */
const endpointAddress = 1;
/** ibm,get-config-addr-info2: a function shares its endpoint with others. */
const shared = 2;

/** The bridge, if the endpoint or one of its devices is at this address. */
function endpoint(host: RtasHost, inputs: readonly number[]): PciHostBridge | undefined {
  const [address = 0, high = 0, low = 0] = inputs;
  const bridge = host.pciBridge(twoWords(high, low));
  return bridge && (address === endpointAddress || bridge.has(address)) ? bridge : undefined;
}

/** Last input: 0 the endpoint's address, 1 how the device is in it. */
export const getConfigAddrInfo2 = rtas(0x2021, "ibm,get-config-addr-info2", [4, 2], (host, { inputs, outputs }) => {
  const option = inputs[3] ?? 0;
  if (!endpoint(host, inputs) || option > 1) return RtasStatus.parameterError;
  outputs.push(option === 0 ? endpointAddress : shared);
  return RtasStatus.success;
});

/** Last input: 0 off, 1 on, 2 let MMIO go on, 3 let DMA go on. */
export const setEehOption = rtas(0x2020, "ibm,set-eeh-option", [4, 1], (host, { inputs }) =>
  endpoint(host, inputs) && (inputs[3] ?? 0) <= 3 ? RtasStatus.success : RtasStatus.parameterError,
);

/** Outputs: state (0 all works, 1 in reset), 1 recovery is supported, milliseconds until it is available. */
export const readSlotResetState2 = rtas(
  0x2022,
  "ibm,read-slot-reset-state2",
  [3, [4, 5]],
  (host, { inputs, outputs }) => {
    const bridge = endpoint(host, inputs);
    if (!bridge) return RtasStatus.parameterError;
    outputs.push(bridge.inReset ? 1 : 0, 1, 0, 0);
    return RtasStatus.success;
  },
);

/** Last input: 0 end the reset, 1 begin a hot reset, 3 a fundamental one. */
export const setSlotReset = rtas(0x2023, "ibm,set-slot-reset", [4, 1], (host, { inputs }) => {
  const bridge = endpoint(host, inputs);
  const option = inputs[3] ?? 0;
  if (!bridge || ![0, 1, 3].includes(option)) return RtasStatus.parameterError;
  bridge.setReset(option !== 0);
  return RtasStatus.success;
});

/** Restores the bridges between the endpoint and the host, of which there are none. */
export const configurePe = rtas(0x2024, "ibm,configure-pe", [3, 1], (host, { inputs }) =>
  endpoint(host, inputs) ? RtasStatus.success : RtasStatus.parameterError,
);

/** The log of the error, into one of two buffers of the caller's: there was none. */
export const slotErrorDetail = rtas(0x2025, "ibm,slot-error-detail", [8, 1], (host, { inputs }) =>
  endpoint(host, inputs) ? RtasStatus.nothingFound : RtasStatus.parameterError,
);
