/** Fetching, with programs in place of apt's and dpkg's that say what they were asked for. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { debianRecipe } from "./debian.js";
import { debianGuests } from "./debian-parts.js";
import { bzImageOf, damaged } from "./kernels.test-support.js";
import { GuestUnavailable } from "./unavailable.js";

const vmlinux = new TextEncoder().encode("what the kernel is when it is loaded");

/** Calls `use` with a folder; apt and dpkg find there packages with this kernel, and each package's name is noted. */
async function withPackages(kernel: Uint8Array, use: (folder: string) => Promise<void>): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-debian-"));
  const { PATH: path, XDG_CACHE_HOME: cache } = process.env;
  process.env["XDG_CACHE_HOME"] = join(folder, "cache");
  const bin = join(folder, "bin");
  for (const place of [bin, join(folder, "deb/boot"), join(folder, "deb/bin")]) mkdirSync(place, { recursive: true });
  const script = (name: string, text: string) => writeFileSync(join(bin, name), `#!/bin/sh\n${text}`, { mode: 0o755 });
  writeFileSync(join(folder, "deb/boot/vmlinuz-6.1"), kernel);
  writeFileSync(join(folder, "deb/bin/busybox"), "busybox");
  script(
    "apt-cache",
    `for last; do :; done; echo "show $last" >>'${folder}/asked'
echo "Version: 6.1-1"; echo "Size: 1000000"
case "$last" in linux-image-6.*) ;; linux-*) echo "Depends: kmod, linux-image-6.1-test (= 6.1-1)" ;; esac`,
  );
  script(
    "apt-get",
    `case "$4" in download) echo "download $5" >>'${folder}/asked'; touch "\${5%%:*}_1_all.deb" ;; esac
case "$4" in update) grep '^APT::Architecture ' "$2" >>'${folder}/asked' ;; esac`,
  );
  script("dpkg-deb", `tar --create --file=- --directory='${folder}/deb' .`);
  const into = join(folder, "guest");
  mkdirSync(into);
  try {
    process.env["PATH"] = `${bin}${delimiter}${path}`;
    await use(into);
    return readFileSync(join(folder, "asked"), "utf8");
  } finally {
    process.env["PATH"] = path;
    if (cache === undefined) delete process.env["XDG_CACHE_HOME"];
    else process.env["XDG_CACHE_HOME"] = cache;
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const guest of debianGuests) {
  test(`${guest.port}: its kernel comes by its package, and is unpacked`, async () => {
    const kernel = guest.console === "hvc0" ? vmlinux : bzImageOf(vmlinux);
    const asked = await withPackages(kernel, async (folder) => {
      const recipe = debianRecipe(guest);
      const { packages, description } = await recipe.fetch(folder, () => undefined);
      assert.deepEqual(Object.keys(packages), ["linux-image-6.1-test", "busybox-static"]);
      assert.equal(description, "Debian's Linux 6.1-test with busybox");
      assert.deepEqual(new Uint8Array(readFileSync(join(folder, "vmlinux"))), vmlinux);
      recipe.assemble(folder, () => undefined);
      assert.ok(readFileSync(join(folder, "initrd")).includes("busybox"));
    });
    assert.deepEqual(asked.trim().split("\n"), [
      `APT::Architecture "${guest.port}";`,
      ...[guest.kernelPackage, "linux-image-6.1-test", "busybox-static"].map((name) => `show ${name}:${guest.port}`),
      ...["linux-image-6.1-test", "busybox-static"].map((name) => `download ${name}:${guest.port}`),
    ]);
  });
}

test("a kernel that cannot be unpacked is a sentence, with what to do", async () => {
  const kernel = damaged(bzImageOf(vmlinux));
  for (const guest of debianGuests.slice(0, 2)) {
    await withPackages(kernel, (folder) =>
      assert.rejects(
        debianRecipe(guest).fetch(folder, () => undefined),
        (error: unknown) =>
          error instanceof GuestUnavailable &&
          /gzip data is damaged or cut off/.test(error.message) &&
          error.message.startsWith(`the guest ${guest.port} could not be fetched`) &&
          error.message.includes(`console=${guest.console} `) &&
          error.message.includes(`Linux kernel for ${guest.architecture}`),
      ),
    );
  }
});
