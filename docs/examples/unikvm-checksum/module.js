/** The module: gives its hypercalls to kvm while it is loaded. */
import { defineModule } from "unikvm";
import { kvmppcRegisterHcalls } from "unikvm/powerpc";
import { hcalls } from "./hcalls.js";

export default defineModule({
  name: "checksum",
  description: "A hypercall that sums up guest memory",
  license: "MIT",
  version: "1.0.0",
  // kvm provides this symbol, so kvm is loaded before, and stays.
  imports: { registerHcalls: kvmppcRegisterHcalls },
  init: (context) =>
    context.step(
      "checksum: hypercalls",
      () => {
        const url = new URL("./hcalls.js", import.meta.url).href;
        return context.imports.registerHcalls({ owner: context, url, hcalls });
      },
      (unregister) => unregister(),
    ),
});
