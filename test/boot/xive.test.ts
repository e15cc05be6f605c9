/** Debian's kernel takes its interrupts by the XIVE's pages, on both engines, with one CPU and with two. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { CpioEntry } from "../../guests/cpio.js";
import {
  boot,
  bootArguments,
  implementations,
  noGuest,
  root,
  textBetween,
  unikvm,
  withInitrd,
} from "./booting.test-support.js";
import { guestModules, virtioRngModules } from "./modules.test-support.js";
import { loadKvm, whileRunning } from "./moving.test-support.js";

const script = (name: string): CpioEntry => ({
  path: name,
  type: "file",
  mode: 0o755,
  data: readFileSync(join(root, "test/boot", name)),
});

const expected = (cpus: number): string => `\
Using IRQ range [0-${cpus - 1}]
Interrupt handling initialized with spapr backend
Using priority 6 for all interrupts
Using 64kB queues
CPUs ${cpus}
not compressible
many interrupts by message
again: virtio_rng.0 512
the console by XIVE
${cpus > 1 ? "many between CPUs\n" : ""}unikvm.run: exit status 0`;
/** Of a pin's level interrupt. */
const interrupted = [1, 2, 3].map((i) => `interrupt ${i}\nasserted 0x0000000${i}, status 18\n`).join("");

for (const type of implementations) {
  for (const cpus of [1, 2]) {
    test(`ic-mode=xive under ${type} with ${cpus} CPUs: messages, a pin's level interrupt, CPUs that wake each other`, {
      skip: noGuest,
    }, async (t) => {
      const drivers = await guestModules([...virtioRngModules, "uio", "uio_pci_generic"]);
      if (typeof drivers === "string") return t.skip(drivers);
      const { status, stdout, stderr } = await boot({
        type,
        append: 'quiet "unikvm.run=/pci-device.sh; /xive.sh"',
        args: [
          "--machine",
          "pseries,ic-mode=xive",
          "--cpus",
          String(cpus),
          "--device",
          "edu",
          "--device",
          "virtio-rng",
        ],
        files: [script("xive.sh"), script("virtio-rng.sh"), script("pci-device.sh"), ...drivers],
      });
      const pin = textBetween(stdout, "interrupt 1", "Using IRQ range");
      assert.equal(pin, `${interrupted}1\nUsing IRQ range [0-${cpus - 1}]`, `${stdout}\n${stderr}`);
      const seen = textBetween(stdout, "Using IRQ range", "unikvm.run:");
      assert.equal(seen, expected(cpus), `${stdout}\n${stderr}`);
      assert.equal(status, 0, stderr);
    });
  }
}

for (const type of implementations) {
  test(`the console's input interrupts by XIVE under ${type}, also after a reboot`, { skip: noGuest }, async () => {
    const { status } = await withInitrd([], async (guest) => {
      const args = ["--machine", "ic-mode=xive"];
      const running = unikvm(bootArguments(guest, { type, append: "quiet", args }), { interactive: true });
      for (const [round, leave] of ["reboot", "poweroff"].entries()) {
        await running.see(round === 0 ? "/root # " : /Restarting system[\s\S]*\/root # /);
        running.type(`awk '/hvc_console/ { print ($2 > 0 ? "typed" : "polled"), ${round}, $3 }' /proc/interrupts\n`);
        await running.see(`\ntyped ${round} XIVE-IRQ\n`);
        running.type(`${leave}\n`);
      }
      return running.finished;
    });
    assert.equal(status, 0);
  });
}

const busy = `#!/bin/sh
for i in 1 2 3 4 5 6 7 8; do
  (for j in $(seq 40); do echo $j | cat >/dev/null; done) &
done
for i in $(seq 400); do echo line $i; done
wait
`;

for (const type of implementations) {
  test(`a guest with a XIVE and two CPUs moves while it works under ${type}`, { skip: noGuest }, async () => {
    const kvms = [await loadKvm(), await loadKvm()] as const;
    const options = {
      kvm: kvms[0].kvm,
      type: type === "hv" ? 1 : 2,
      threads: "worker",
      cpus: 2,
      interruptMode: "xive",
      append: "quiet unikvm.run=/busy.sh",
      files: [{ path: "busy.sh", type: "file", mode: 0o755, data: busy }],
    } as const;
    const text = await whileRunning(options, async ({ run, see, text: shown }) => {
      await see("line 1\n");
      await run.moveTo(kvms[1].kvm);
      assert.deepEqual([kvms[0].references(), kvms[1].references()], [0, 1]);
      const { outcome } = await run.ended;
      assert.deepEqual(outcome, { kind: "powerOff" });
      return shown();
    });
    const expected = Array.from({ length: 400 }, (_, i) => `line ${i + 1}`);
    const printed = textBetween(text, "line 1\n", "unikvm.run:").split("\n");
    assert.deepEqual(printed, [...expected, "unikvm.run: exit status 0"]);
    for (const { unload } of kvms) unload();
  });
}

test("machine options that there are not", async () => {
  for (const [option, why] of [
    ["ic-mode=xicx", /ic-mode is xics or xive/],
    ["pseries,ic=xive", /has no option "ic"/],
  ] as const) {
    const { status, stderr } = await unikvm(["run", "--machine", option]).finished;
    assert.equal(status, 2);
    assert.match(stderr, why);
  }
});
