/** The default guest loads the drivers that it is told to, by kmod's order, from an archive that unikvm made. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { guestNames } from "../../guests/index.js";
import { bootArguments, noGuest, noLongRunOf, unikvm, withInitrd } from "./booting.test-support.js";

const drivers = (...names: readonly string[]) => names.flatMap((name) => ["--guest-module", name]);

test("run --guest-module loads drivers with all they need", { skip: noGuest }, async (context) => {
  const command = "lsmod | cut -d ' ' -f 1 | sort | tr '\\n' ' '";
  const args = ["--append", `console=hvc0 rdinit=/init quiet "unikvm.run=${command}"`, "--timeout", "120"];
  const running = unikvm(["run", ...drivers("virtio_pci", "vfio-pci", "ext4"), ...args]);
  const { status, stdout, stderr } = await running.finished;
  if (/apt/.test(stderr)) return context.skip(`the modules cannot be fetched: ${stderr}`);
  assert.equal(status, 0, stderr);
  const words = stdout.split(/\s+/);
  for (const name of ["ext4", "jbd2", "vfio", "vfio_pci", "vfio_pci_core", "virtio", "virtio_pci", "virtio_ring"]) {
    assert.ok(words.includes(name), `${name} in ${stdout}`);
  }
});

test("without --guest-module the guest loads none, and defends itself against nothing that this processor cannot do", {
  skip: noGuest,
}, async () => {
  const work = "wc -l </proc/modules; cd /sys/devices/system/cpu/vulnerabilities; grep . m[de]* spec*";
  const { stdout } = await withInitrd(
    [],
    (guest) => unikvm(bootArguments(guest, { type: "hv", append: `quiet "unikvm.run=${work}"` })).finished,
  );
  assert.match(stdout, /^0$/m);
  for (const name of ["mds", "meltdown", "spec_store_bypass", "spectre_v1"]) {
    assert.match(stdout, new RegExp(`^${name}:Not affected$`, "m"));
  }
  assert.match(stdout, /^spectre_v2:Mitigation: Indirect branch serialisation \(kernel only\)$/m);
});

for (const guest of guestNames) {
  const skip = guest === guestNames[0] ? noGuest : noLongRunOf(guest);
  test(`${guest}: without options it boots quietly to a prompt, and a panic is seen`, { skip }, async () => {
    const running = unikvm(["run", "--guest", guest, "--no-reboot", "--timeout", "120"], { interactive: true });
    await running.see("/root # ");
    running.type("dmesg | grep -c 'Linux version'; echo c >/proc/sysrq-trigger\n");
    await running.see("Kernel panic - not syncing");
    running.child.kill("SIGTERM");
    const { stdout } = await running.finished;
    const [boot = ""] = stdout.split("Welcome to Linux");
    // Errors alone, of which x86's has one about machine checks.
    assert.ok(boot.split("\n").filter((line) => line.startsWith("[")).length <= 2, boot);
    assert.match(stdout, /^1$/m);
  });
}
