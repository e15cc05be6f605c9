/** Debian's kernel finds a PCI device of ours, its driver gets the device's interrupts, on both engines. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { CpioEntry } from "../../guests/cpio.js";
import { boot, implementations, noGuest, root, textBetween } from "./booting.test-support.js";
import { guestModules, virtioRngModules } from "./modules.test-support.js";

const script = (name: string): CpioEntry => ({
  path: name,
  type: "file",
  mode: 0o755,
  data: readFileSync(join(root, "test/boot", name)),
});

const found = `\
edu 0x1234 0x756b 0xff0000 0x01 0x1234 0x756b
0x0000200080004000 0x0000200080004fff 0x0000000000040200
0x0000200080005000 0x0000200080005fff 0x0000000000040200
0x0000210000000000 0x000021000000ffff 0x000000000014220c
capability 05 58 84 01
capability 11 00 03 00
in an IOMMU group`;
const interrupted = `\
identification 0x756B0001, liveness 0xEDCBA987
interrupt 1
asserted 0x00000001, status 18
interrupt 2
asserted 0x00000002, status 18
interrupt 3
asserted 0x00000003, status 18
1`;

const random = `\
device 0x0004, features 11
hw_random: virtio_rng.0
32768 bytes
32768 bytes
not the same
not compressible
many interrupts by message
again: virtio_rng.0 512`;

for (const type of implementations) {
  test(`PCI devices under ${type}: a pin's interrupt, random bytes through virtio-rng, MSI-X and DMA`, {
    skip: noGuest,
  }, async (t) => {
    const drivers = await guestModules([...virtioRngModules, "uio", "uio_pci_generic"]);
    const hasDrivers = typeof drivers !== "string";
    if (!hasDrivers) t.diagnostic(`SKIPPED the interrupts and virtio-rng: ${drivers}`);
    const { status, stdout, stderr } = await boot({
      type,
      append: `quiet "unikvm.run=/pci-device.sh${hasDrivers ? "; /virtio-rng.sh" : ""}"`,
      args: ["--device", "edu", "--device", "virtio-rng"],
      files: [script("pci-device.sh"), script("virtio-rng.sh"), ...(hasDrivers ? drivers : [])],
    });
    const expected = hasDrivers ? `${found}\n${interrupted}\n${random}` : found;
    const seen = textBetween(stdout, "edu 0x", "unikvm.run:");
    assert.equal(seen, `${expected}\nunikvm.run: exit status 0`, `${stdout}\n${stderr}`);
    assert.equal(status, 0, stderr);
  });

  {
    const device = "vfio-pci,host=virtio-rng";
    test(`random bytes through ${device}, MSI-X and DMA under ${type}`, { skip: noGuest }, async (t) => {
      const drivers = await guestModules(virtioRngModules);
      if (typeof drivers === "string") return t.skip(drivers);
      const { status, stdout, stderr } = await boot({
        type,
        append: "quiet unikvm.run=/virtio-rng.sh",
        args: ["--device", device],
        files: [script("virtio-rng.sh"), ...drivers],
      });
      const seen = textBetween(stdout, "device 0x", "unikvm.run:");
      assert.equal(seen, `${random}\nunikvm.run: exit status 0`, `${stdout}\n${stderr}`);
      assert.equal(status, 0, stderr);
    });
  }
}
