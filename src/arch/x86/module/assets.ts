/** The WebAssembly that is built with the package: which file it is, and how a platform gets it. */
import { loadAssetAt } from "../../../engine/assets.js";

export const loadAssetHere = loadAssetAt(
  (file) => new URL(`../engines/${file}`, import.meta.url),
  async () => (await import("../../../wasm/order-accesses.js")).orderAccesses,
);
