/** Built WebAssembly from the files next to the module. */
import { readFile } from "node:fs/promises";

export const loadAssetFile = (url: URL): Promise<Uint8Array> => readFile(url);
