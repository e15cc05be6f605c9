import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { moduleList } from "../src/kernel/module-list.js";
import { exportSymbol } from "../src/modules/define-module.js";
import { modpost } from "../src/modules/modpost.js";
import { vacJoin } from "../src/vac/module.js";
import { writeModuleFiles } from "./modpost.js";

const dist = fileURLToPath(new URL("..", import.meta.url));
const built = join(dist, "modules");

test("the build leaves its modules and the kernel's files about them", async () => {
  for (const [name, text] of modpost(moduleList()).files) {
    assert.equal(readFileSync(join(built, name), "utf8"), text, name);
  }
  assert.match(readFileSync(join(built, "modules.dep"), "utf8"), /^kvm.js: vac.js$/m);
  assert.match(readFileSync(join(built, "modules.alias"), "utf8"), /^alias kvm-hv kvm$/m);
  assert.deepEqual(
    readdirSync(built).filter((name) => name.endsWith(".js")),
    moduleList()
      .map(({ path }) => path)
      .sort(),
  );
  for (const { path, definition } of moduleList()) {
    const found = (await import(join(built, path))) as { default: { name: string }; size: number };
    assert.equal(found.default.name, definition.name);
    assert.ok(found.size > 1000, `${path}: ${found.size} bytes`);
  }
});

test("M9: a build that fails writes nothing", () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-modpost-"));
  try {
    const modules = moduleList();
    const [vac] = modules;
    assert.ok(vac);
    const definition = { ...vac.definition, name: "usurper", exports: { join: exportSymbol(vacJoin) } };
    const errors = writeModuleFiles([...modules, { ...vac, path: "usurper.js", definition }], folder);
    assert.deepEqual(errors, ["modpost: usurper: 'vac_join' exported twice. Previous export was in vac"]);
    assert.equal(existsSync(join(folder, "modules")), false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
