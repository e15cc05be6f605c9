/** The names in /dev that modules have made, each one's own. Source: drivers/char/misc.c, `misc_register`. */
import { KvmError } from "../base/errors.js";

export class DeviceNodes {
  readonly #owners = new Map<string, string>();

  /** By name, the module that has it. */
  get owners(): ReadonlyMap<string, string> {
    return this.#owners;
  }

  /** Gives `module` the name, until what it returns is called. EINVAL: no name of a file. EEXIST: another module has it. */
  create(name: string, module: string): () => void {
    if (!/^\w[\w.-]{0,63}$/.test(name)) {
      throw new KvmError("EINVAL", `${module}: ${JSON.stringify(name)} is no name for a node in /dev`);
    }
    const owner = this.#owners.get(name);
    if (owner !== undefined)
      throw new KvmError("EEXIST", `${module}: /dev/${name} is there already, and is ${owner}'s`);
    this.#owners.set(name, module);
    return () => void this.#owners.delete(name);
  }
}
