/** A guest whose agent is none: whatever comes out of its port, who waits is told, and the host goes on. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { cpio } from "../../guests/cpio.js";
import { guestDrivers } from "../../guests/index.js";
import { createVm, type LinuxVm, VmError } from "../../src/index-node.js";
import { VirtioConsole } from "../../src/vmm/devices/virtio/console.js";
import { VirtioPciDevice } from "../../src/vmm/devices/virtio/virtio-pci.js";
import { defaultGuest, noGuest } from "./booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-hostile-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Boots the default guest with this in the agent's place: a shell's script, with the port as its stdin and stdout. */
async function bootWith(script: string): Promise<LinuxVm> {
  assert.ok(defaultGuest);
  const { aliases } = new VirtioPciDevice(new VirtioConsole([{ name: "x", output: () => true }]));
  const agent = `#!/bin/sh
until port=$(grep -l org.unikvm.agent.0 /sys/class/virtio-ports/*/name 2>/dev/null); do sleep 0.1; done
port=\${port%/name}
exec <>/dev/\${port##*/} >&0
${script}
sleep 1000
`;
  const initrd = join(folder, "initrd");
  writeFileSync(
    initrd,
    Buffer.concat([
      readFileSync(defaultGuest.initrd),
      await guestDrivers(defaultGuest, aliases, { report: () => undefined }),
      cpio([{ path: "hostile", type: "file", mode: 0o755, data: agent }]),
    ]),
  );
  return createVm({
    kernel: defaultGuest.kernel,
    initrd,
    append: `${defaultGuest.append} unikvm.modules=${aliases.join(",")} unikvm.run=/hostile`,
  });
}

/** A frame's bytes for printf(1). */
const frame = (type: number, length: number): string =>
  `\\0${(length & 0xff).toString(8)}\\0${(length >> 8).toString(8)}\\0\\0\\0${type.toString(8)}\\0\\0\\0\\0\\0\\0\\0`;

const scripts: Readonly<Record<string, string>> = {
  noise: "cat /dev/urandom",
  "zeros without end": "cat /dev/zero",
  "an answer of another version": `printf '${frame(1, 4)}\\0377\\0\\0\\0'`,
  "a program that nobody asked for": `printf '${frame(1, 4)}\\01\\0\\0\\0'; printf '${frame(12, 0)}'`,
  "a frame of which only the head comes, and the port is closed": `printf '${frame(1, 4)}'; exec <&- >&-`,
};

for (const [what, script] of Object.entries(scripts)) {
  test(`${what} in the agent's place`, { skip: noGuest }, async () => {
    // What begins well may have become a VM; its end comes by itself.
    const ended = bootWith(script).then(async (vm) => {
      const calls = vm.exec("true");
      await assert.rejects(calls, { code: "AGENT_FAILED" });
      assert.equal((await vm.closed).kind, "failed");
      throw new VmError("AGENT_FAILED", "after it had begun");
    });
    await assert.rejects(ended, (error) => {
      assert.ok(error instanceof VmError, String(error));
      assert.match(error.code, /^(AGENT_FAILED|BOOT_FAILED)$/, error.message);
      return true;
    });
  });
}
