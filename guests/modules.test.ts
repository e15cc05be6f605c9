import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { buildModule } from "../src/modules/elf/elf-builder.test-support.js";
import { moduleArchive } from "./modules.js";

const root = mkdtempSync(join(tmpdir(), "unikvm-guest-modules-"));
after(() => rmSync(root, { recursive: true, force: true }));
const folder = join(root, "lib/modules/6.1.0");

const files: Readonly<Record<string, Uint8Array>> = {
  "kernel/bus.ko": buildModule({ exports: [{ name: "bus" }], info: ["alias=pci:v*"] }),
  "kernel/drivers/card.ko.gz": new Uint8Array(gzipSync(buildModule({ imports: [{ name: "bus" }] }))),
  "kernel/other.ko": buildModule({ info: ["softdep=pre: bus"] }),
};
for (const [path, data] of Object.entries(files)) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), data);
}
writeFileSync(join(folder, "modules.order"), "kernel/other.ko\nkernel/drivers/card.ko\nkernel/bus.ko\n");

/** The archive's paths, with the text of those that are text. */
function contents(archive: Uint8Array): Map<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; ; ) {
    const header = new TextDecoder().decode(archive.subarray(at, at + 110));
    const field = (index: number) => Number.parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
    const [size, nameSize] = [field(6), field(11)];
    const name = new TextDecoder().decode(archive.subarray(at + 110, at + 110 + nameSize - 1));
    const dataAt = (at + 110 + nameSize + 3) & ~3;
    if (name === "TRAILER!!!") return found;
    found.set(name, new TextDecoder("latin1").decode(archive.subarray(dataAt, dataAt + size)));
    at = (dataAt + size + 3) & ~3;
  }
}

test("the archive has what is asked for, what that needs, and what modprobe reads; all unpacked", async () => {
  const { archive, included, unknown } = await moduleArchive(folder, ["card", "lost"]);
  assert.deepEqual(included, ["bus", "card"]);
  assert.deepEqual(unknown, ["lost"]);
  const place = "lib/modules/6.1.0";
  const found = contents(archive);
  assert.deepEqual(
    [...found.keys()],
    [
      ...["lib", "lib/modules", place, `${place}/kernel`, `${place}/kernel/drivers`],
      ...["kernel/bus.ko", "kernel/drivers/card.ko"].map((path) => `${place}/${path}`),
      ...["dep", "alias", "symbols", "softdep"].map((name) => `${place}/modules.${name}`),
    ],
  );
  assert.equal(found.get(`${place}/modules.dep`), "kernel/bus.ko:\nkernel/drivers/card.ko: kernel/bus.ko\n");
  assert.match(found.get(`${place}/modules.alias`) ?? "", /^alias pci:v\* bus$/m);
  assert.equal(found.get(`${place}/kernel/drivers/card.ko`)?.slice(1, 4), "ELF");
});

test("soft dependencies and aliases count, and a tree that depmod has seen gives the same", async () => {
  assert.deepEqual((await moduleArchive(folder, ["other"])).included, ["bus", "other"]);
  const before = await moduleArchive(folder, ["pci:v1", "card"]);
  writeFileSync(join(folder, "modules.dep"), "kernel/drivers/card.ko.gz: kernel/bus.ko\nkernel/bus.ko:\n");
  writeFileSync(join(folder, "modules.alias"), "alias pci:v* bus\n");
  assert.deepEqual(await moduleArchive(folder, ["pci:v1", "card"]), before);
});

test("a folder that is not there, and files that modules.dep only claims", async () => {
  await assert.rejects(moduleArchive(join(root, "nowhere"), ["x"]), /ENOENT/);
  writeFileSync(join(folder, "modules.dep"), "kernel/gone.ko:\n/etc/out.ko:\nkernel/../../up.ko:\n");
  await assert.rejects(moduleArchive(folder, ["gone"]), /ENOENT/);
  await assert.rejects(moduleArchive(folder, ["out"]), /\/etc\/out\.ko is not in/);
  await assert.rejects(moduleArchive(folder, ["up"]), /is not in/);
});
