/** Message-signalled interrupts of PCI devices: the platform chooses them. Source: LoPAPR, "MSI Support". */
import type { MessageKind } from "../pci/host-bridge.js";
import { RtasStatus, rtas, twoWords } from "./rtas.js";

/** Functions of ibm,change-msi. Those for messages below 4 GiB are not offered: the bridge takes them above only. */
const changeDefault = 1;
const resetMessages = 2;
const changeKind: Readonly<Record<number, MessageKind>> = { 3: "msi", 4: "msix" };
/** What it answers as the kind that the device got. */
const kindCode = { msi: 1, msix: 2 } as const;

/**
 * Configuration address, the bridge's unit address, function, number of interrupts (0: none any more), sequence number.
 * Outputs: number given, next sequence number, kind (where the caller has room).
 */
export const changeMsi = rtas(0x2019, "ibm,change-msi", [6, [3, 4]], (host, { inputs, outputs }) => {
  const [address = 0, high = 0, low = 0, code = 0, wanted = 0, sequence = 0] = inputs;
  const bridge = host.pciBridge(twoWords(high, low));
  const kind = code === changeDefault || code === resetMessages ? bridge?.messageKind(address) : changeKind[code];
  if (!bridge || !kind) return RtasStatus.parameterError;
  const reset = wanted === 0 || code === resetMessages;
  const given = reset ? (bridge.clearMessages(address) ? 0 : undefined) : bridge.setMessages(address, kind, wanted);
  if (given === undefined) return RtasStatus.parameterError;
  outputs.push(given, sequence + 1, kindCode[kind]);
  return given === 0 && !reset ? RtasStatus.hardwareError : RtasStatus.success;
});

/** Configuration address, the bridge's unit address, index of the message. Outputs: its interrupt, 1 for an edge. */
export const queryInterruptSourceNumber = rtas(
  0x2018,
  "ibm,query-interrupt-source-number",
  [4, 3],
  (host, { inputs, outputs }) => {
    const [address = 0, high = 0, low = 0, index = 0] = inputs;
    const source = host.pciBridge(twoWords(high, low))?.messageSource(address, index);
    if (source === undefined) return RtasStatus.parameterError;
    outputs.push(source, 1);
    return RtasStatus.success;
  },
);
