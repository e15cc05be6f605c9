/** The kvm module, as the command line loads it: the one place, with vcpu-worker.ts, that names it. */
import { createLoader, type KvmConfig, type KvmOffer } from "../arch/powerpc/module.js";
import type { PpcKvm } from "../arch/powerpc/uapi.js";
import type { Log } from "../base/log.js";

export interface LoadedKvm {
  readonly kvm: PpcKvm;
  /** Removes the module. */
  readonly close: () => void;
}

/** Says on stderr why an implementation could not load. */
const logErrors: Log = (level, message) => {
  if (level === "error") process.stderr.write(`unikvm: ${message}\n`);
};

/** Loads kvm and opens /dev/kvm. Throws KvmError if no implementation loads. */
export async function loadKvm(config: KvmConfig = {}, log: Log = logErrors): Promise<LoadedKvm> {
  const loader = createLoader({ log, ...config });
  await loader.modprobe("kvm");
  return { kvm: loader.offer<KvmOffer>("kvm").open(), close: () => loader.rmmod("kvm") };
}
