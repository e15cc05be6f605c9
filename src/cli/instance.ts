/** A process that runs guests: its modules, which the commands about modules reach while it runs. */
import type { KvmConfig } from "../arch/powerpc/module.js";
import { messageOf } from "../base/errors.js";
import { type ControlServer, serveControl } from "./control/server.js";
import { type LoadedKvm, loadKvm, logErrors } from "./kvm.js";

/** As `loadKvm`. */
export async function startInstance(config: KvmConfig): Promise<LoadedKvm> {
  let control: ControlServer | undefined;
  const loaded = await loadKvm(config, (level, message) => {
    // What a command causes is told to the command.
    if (!control?.log(message)) logErrors(level, message);
  });
  try {
    control = await serveControl(loaded.loader);
  } catch (error) {
    // The guest runs without.
    if (process.env["UNIKVM_DEBUG"]) process.stderr.write(`unikvm: no commands can reach this: ${messageOf(error)}\n`);
  }
  return {
    ...loaded,
    close: () => {
      control?.close();
      loaded.close();
    },
  };
}
