import assert from "node:assert/strict";
import { test } from "node:test";
import { declareSymbol, defineModule, exportSymbol } from "./define-module.js";
import { ModuleLoader } from "./loader.js";

const double = declareSymbol<(n: number) => number>("double");
const about = { description: "", license: "MIT" };

test("imports, parameters and exports are typed by what is declared", async () => {
  const provider = defineModule({
    ...about,
    name: "provider",
    exports: { twice: exportSymbol(double) },
    init: () => ({ twice: (n) => 2 * n }),
  });
  const user = defineModule({
    ...about,
    name: "user",
    imports: { twice: double },
    params: { count: { type: "uint", default: 4, description: "" } },
    init: ({ imports, parameters }) => imports.twice(parameters.count),
  });
  const loader = new ModuleLoader([provider, user]);
  await loader.modprobe("user");
  assert.equal(loader.offer("user"), 8);

  // What follows must not compile; it is never run.
  const wrong = () => {
    // @ts-expect-error an export without its value
    defineModule({ ...about, name: "a", exports: { twice: exportSymbol(double) }, init: () => ({}) });
    // @ts-expect-error a value of another type
    defineModule({ ...about, name: "b", exports: { twice: exportSymbol(double) }, init: () => ({ twice: "2" }) });
    // @ts-expect-error a function called with what it does not take
    defineModule({ ...about, name: "c", imports: { twice: double }, init: ({ imports }) => imports.twice("2") });
    // @ts-expect-error an import that was not declared
    defineModule({ ...about, name: "d", imports: { twice: double }, init: ({ imports }) => imports.thrice });
    const init = () => {};
    // @ts-expect-error a default of another type
    defineModule({ ...about, name: "e", params: { n: { type: "uint", default: "4", description: "" } }, init });
    // @ts-expect-error a parameter that was not declared
    defineModule({ ...about, name: "f", init: ({ parameters }) => parameters.count });
  };
  assert.equal(typeof wrong, "function");
});
