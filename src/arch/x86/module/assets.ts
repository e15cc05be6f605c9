/** The WebAssembly that is built with the package: which file it is, and how a platform gets it. */
import type { LoadAsset } from "../../../engine/assets.js";
import { memoryShared } from "../../../wasm/binary.js";

/** Reads the files in Node, fetches them elsewhere. One file serves both kinds of memory: they differ in a bit. */
export const loadAssetHere: LoadAsset = async (name) => {
  const plain = name.replace(".shared", "");
  const bytes = await readAsset(new URL(`../engines/${plain}`, import.meta.url));
  return plain === name ? bytes : memoryShared(bytes);
};

async function readAsset(url: URL): Promise<Uint8Array> {
  if (url.protocol === "file:") {
    const { loadAssetFile } = await import("../node/load-asset.js");
    return loadAssetFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.href}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}
