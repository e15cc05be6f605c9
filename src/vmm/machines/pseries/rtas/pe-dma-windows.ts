/**
 * Dynamic DMA windows: a second, larger one beside the 32-bit one that is there from the start. The inputs begin with a
 * configuration address, which names the endpoint, and the bridge's unit address.
 * Source: LoPAPR, "Dynamic DMA Windows (DDW) Option".
 */
import { RtasStatus, rtas, twoWords } from "./rtas.js";

/**
 * Outputs: windows that may be created, most entries of one (one word or two, as the caller has room), page sizes as bits,
 * and which of them can migrate.
 */
export const queryPeDmaWindow = rtas(0x2026, "ibm,query-pe-dma-window", [3, [5, 6]], (host, call) => {
  const { inputs, outputs, outputCount } = call;
  const [address = 0, high = 0, low = 0] = inputs;
  const bridge = host.pciBridge(twoWords(high, low));
  if (!bridge?.has(address)) return RtasStatus.parameterError;
  const { windows, entries, pageSizes } = bridge.dma.query();
  outputs.push(windows, ...(outputCount === 6 ? [0, entries] : [entries]), pageSizes, 0);
  return RtasStatus.success;
});

/** Further inputs: log2 of the page's and of the window's size. Outputs: its bus number, its address as two words. */
export const createPeDmaWindow = rtas(0x2027, "ibm,create-pe-dma-window", [5, 4], (host, { inputs, outputs }) => {
  const [address = 0, high = 0, low = 0, pageShift = 0, windowShift = 0] = inputs;
  const bridge = host.pciBridge(twoWords(high, low));
  if (!bridge?.has(address)) return RtasStatus.parameterError;
  const range = bridge.dma.create(pageShift, windowShift);
  if (!range) return RtasStatus.parameterError;
  if (range === "exists" || range === "no room") return RtasStatus.hardwareError;
  outputs.push(range.liobn, Number(range.start >> 32n), Number(range.start & 0xffff_ffffn));
  return RtasStatus.success;
});

/** Takes a window's bus number alone. */
export const removePeDmaWindow = rtas(0x2028, "ibm,remove-pe-dma-window", [1, 1], ({ pci }, { inputs: [liobn = 0] }) =>
  pci?.dma.remove(liobn) ? RtasStatus.success : RtasStatus.parameterError,
);

/** Brings the window of the start back. */
export const resetPeDmaWindow = rtas(0x2029, "ibm,reset-pe-dma-window", [3, 1], (host, { inputs }) => {
  const [address = 0, high = 0, low = 0] = inputs;
  const bridge = host.pciBridge(twoWords(high, low));
  if (!bridge?.has(address)) return RtasStatus.parameterError;
  bridge.dma.reset();
  return RtasStatus.success;
});
