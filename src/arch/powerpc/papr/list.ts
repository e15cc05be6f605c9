/** Every hypercall of the kernel side: the rows of uapi/hcalls.ts that it answers, each with its handler. */
import { hcallRows, type KernelHcallName } from "../uapi/hcalls.js";
import { dmaHcalls } from "./dma.js";
import { type Hcall, type HcallHandler, hcall } from "./hcall.js";
import { pageTableHcalls } from "./page-table.js";
import { platformHcalls } from "./platform.js";
import { processorHcalls } from "./processors.js";
import { storageHcalls } from "./storage.js";
import { xicsHcalls } from "./xics-hcalls.js";

/** A row without a handler does not compile. What is configured out has none, and is the user side's. */
const handlers: Readonly<Record<KernelHcallName, HcallHandler>> = {
  ...pageTableHcalls,
  ...dmaHcalls,
  ...storageHcalls,
  ...xicsHcalls,
  ...processorHcalls,
  ...platformHcalls,
};

export const hcalls: readonly Hcall[] = hcallRows.flatMap(([name, { number, kernel }]) => {
  const handler = (handlers as Readonly<Partial<Record<string, HcallHandler>>>)[name];
  return kernel && handler ? hcall(number, name, { enabled: kernel === "on" }, handler) : [];
});

/** By number. */
export const hcallByNumber: ReadonlyMap<number, Hcall> = new Map(hcalls.map((row) => [row.number, row]));
