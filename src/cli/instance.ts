/** A process that runs guests: its modules, which the commands about modules reach while it runs. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { KvmConfig } from "../arch/powerpc/module.js";
import { messageOf } from "../base/errors.js";
import { type ControlServer, serveControl } from "./control/server.js";
import { importModule } from "./import-module.js";
import { type LoadedKvm, loadKvm, logErrors } from "./kvm.js";

/** A file whose default export is a module, and the module's parameters. */
export interface ModuleFile {
  readonly file: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** As `loadKvm`; `files` are loaded after kvm, with what they need. Errors as modprobe's and importModule's. */
export async function startInstance(config: KvmConfig, files: readonly ModuleFile[] = []): Promise<LoadedKvm> {
  let control: ControlServer | undefined;
  const sizes = new Map<string, number>();
  const loaded = await loadKvm(config, (level, message) => {
    // What a command causes is told to the command.
    if (!control?.log(message)) logErrors(level, message);
  });
  for (const { file, parameters } of files) {
    const definition = await importModule(resolve(file));
    sizes.set(definition.name, statSync(file).size);
    loaded.loader.add(definition);
    await loaded.loader.modprobe(definition.name, parameters);
  }
  try {
    control = await serveControl(loaded.loader, sizes);
  } catch (error) {
    // The guest runs without.
    if (process.env["UNIKVM_DEBUG"]) process.stderr.write(`unikvm: no commands can reach this: ${messageOf(error)}\n`);
  }
  return {
    ...loaded,
    close: () => {
      control?.close();
      // Who uses kvm goes first.
      for (const name of loaded.loader.lsmod().find(({ name: used }) => used === "kvm")?.users ?? []) {
        loaded.loader.rmmod(name);
      }
      loaded.close();
    },
  };
}
