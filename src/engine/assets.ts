/** The WebAssembly that is built with the package, as a kvm module gets it from its platform and compiles it. */
import { KvmError, messageOf } from "../base/errors.js";
import { mayFail } from "../base/fault.js";
import { memoryShared } from "../wasm/binary.js";
import { requireWebAssembly } from "../wasm/features.js";
import type { EngineAssets, EngineModules } from "./implementation.js";

/**
 * The run-time library and the interpreter, each for unshared and for shared memory, and for shared memory with ordered
 * accesses (ordering.ts). The build makes a file of each name, for platforms that must be given compiled modules.
 */
export const assetNames = [
  "runtime.wasm",
  "runtime.shared.wasm",
  "interpreter.wasm",
  "interpreter.shared.wasm",
  "runtime.ordered.wasm",
  "interpreter.ordered.wasm",
] as const;

export type AssetName = (typeof assetNames)[number];

/**
 * A compiled module where the platform forbids compiling bytes; else the bytes. `arch` says of which architecture's guests:
 * "powerpc" or "x86", whose files in the package are dist/src/arch/ARCH/engines/NAME.
 */
export type LoadAsset = (name: AssetName, arch: string) => Promise<WebAssembly.Module | Uint8Array>;

/** Makes, of a file for shared memory, the one with ordered accesses: `orderAccesses`, for architectures whose guests need that. */
type Order = () => Promise<(bytes: Uint8Array) => Uint8Array>;

/**
 * Reads built files in Node, fetches them elsewhere. `at` says where: bundlers follow a URL only where it stands beside
 * `import.meta.url`. One file serves both kinds of memory, which differ in a bit, and those with ordered accesses are made of it.
 */
export const loadAssetAt =
  (at: (file: string) => URL, order?: Order): LoadAsset =>
  async (name) => {
    const plain = name.replace(/\.(?:shared|ordered)\./, ".");
    const bytes = await readAsset(at(plain));
    if (plain === name) return bytes;
    const shared = memoryShared(bytes);
    if (!name.includes(".ordered.")) return shared;
    if (!order) throw new Error(`there is no ${name}: guests of this architecture order their accesses themselves`);
    return (await order())(shared);
  };

async function readAsset(url: URL): Promise<Uint8Array> {
  if (url.protocol === "file:") {
    const { loadAssetFile } = await import("./node/load-asset.js");
    return loadAssetFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.href}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** EIO: it cannot be read. EPERM: it came as bytes, and the platform does not compile bytes; or there is no WebAssembly. */
async function compile(name: AssetName, arch: string, load: LoadAsset): Promise<WebAssembly.Module> {
  requireWebAssembly();
  let asset: WebAssembly.Module | Uint8Array;
  try {
    mayFail(`bytes of ${name}`);
    asset = await load(name, arch);
  } catch (cause) {
    throw new KvmError("EIO", `${name} cannot be read: ${messageOf(cause)}`, { cause });
  }
  // A module of another realm (a context of node:vm, a frame) is no instance of this one's WebAssembly.Module.
  if (!ArrayBuffer.isView(asset)) return asset;
  mayFail(`compiled ${name}`);
  try {
    return await WebAssembly.compile(asset as Uint8Array<ArrayBuffer>);
  } catch (cause) {
    throw new KvmError("EPERM", `${name} was refused (${messageOf(cause)}); give it as a compiled module`, { cause });
  }
}

/** `ordered`: for shared memory those with ordered accesses too. */
export async function compileAssets(
  shared: boolean,
  arch: string,
  load: LoadAsset,
  ordered = false,
): Promise<EngineAssets> {
  const pair = async (kind: "" | ".shared" | ".ordered"): Promise<EngineModules> => {
    const [runtime, interpreter] = await Promise.all([
      compile(`runtime${kind}.wasm`, arch, load),
      compile(`interpreter${kind}.wasm`, arch, load),
    ]);
    return { runtime, interpreter };
  };
  if (!shared) return pair("");
  return ordered ? { ...(await pair(".shared")), ordered: await pair(".ordered") } : pair(".shared");
}
