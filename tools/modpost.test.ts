import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { moduleList } from "../src/module-list.js";
import { exportSymbol } from "../src/modules/define-module.js";
import { vacJoin } from "../src/vac/module.js";
import { writeModuleFiles } from "./modpost.js";

const dist = fileURLToPath(new URL("..", import.meta.url));

function inFolder(work: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-modpost-"));
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the build leaves its modules' files, and each module's file has it as default export", async () => {
  const { default: kvm } = (await import("../src/arch/powerpc/module.js")) as { default: { name: string } };
  assert.equal(kvm.name, "kvm");
  inFolder((folder) => {
    assert.deepEqual(writeModuleFiles(moduleList(), folder), []);
    for (const name of readdirSync(folder)) {
      assert.equal(readFileSync(join(dist, name), "utf8"), readFileSync(join(folder, name), "utf8"), name);
    }
    assert.match(
      readFileSync(join(folder, "modules.dep"), "utf8"),
      /^src\/arch\/powerpc\/module.js: src\/vac\/module.js$/m,
    );
    assert.match(readFileSync(join(folder, "modules.alias"), "utf8"), /^alias kvm-hv kvm$/m);
  });
  for (const { path, definition } of moduleList()) {
    const { default: found } = (await import(join(dist, path))) as { default: { name: string } };
    assert.equal(found.name, definition.name);
  }
});

test("M9: a build that fails writes nothing", () =>
  inFolder((folder) => {
    const modules = moduleList();
    const [vac] = modules;
    assert.ok(vac);
    const second = { ...vac.definition, name: "usurper", exports: { join: exportSymbol(vacJoin) } };
    const errors = writeModuleFiles([...modules, { path: "usurper.js", definition: second }], folder);
    assert.deepEqual(errors, ["modpost: usurper: 'vac_join' exported twice. Previous export was in vac"]);
    assert.deepEqual(readdirSync(folder), []);
  }));
