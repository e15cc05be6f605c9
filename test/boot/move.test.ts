/** Debian's guest goes to other loaded kvms while it works, and nothing of what it does is lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CpioEntry } from "../../guests/cpio.js";
import { implementations, noGuest, textBetween, threadModes } from "./booting.test-support.js";
import { type LoadedKvm, loadKvm, whileRunning, withOtherVersion } from "./moving.test-support.js";

const types = { hv: 1, pr: 2 } as const;
const lines = 4000;
/** Prints numbered lines, then what 100,000 numbers sum up to. */
const script = `#!/bin/sh
i=0
while [ $i -lt ${lines} ]; do echo line $i; i=$((i+1)); done
seq 100000 | sha256sum
`;
const files: readonly CpioEntry[] = [{ path: "move.sh", type: "file", mode: 0o755, data: script }];
const sum = "b2bc7d3f8b652d2e";

for (const type of implementations) {
  for (const threads of threadModes) {
    test(
      `M19: ${type}, ${threads}: the guest moves between two versions, and its console loses no byte`,
      {
        skip: noGuest,
        timeout: 300_000,
      },
      () =>
        withOtherVersion(async (copy) => {
          const kvms: LoadedKvm[] = [await loadKvm(), await loadKvm(copy)];
          const [here, there] = kvms as [LoadedKvm, LoadedKvm];
          const options = {
            kvm: here.kvm,
            type: types[type],
            threads,
            cpus: threads === "worker" ? 2 : 1,
            append: "quiet unikvm.run=/move.sh",
            files,
          };
          let moves = 0;
          const text = await whileRunning(options, async ({ run, see, text: shown }) => {
            await see("line 0\n");
            for (; moves < 6 && !shown().includes(`line ${lines - 1}\n`); moves++) {
              const [from, to] = moves % 2 === 0 ? [here, there] : [there, here];
              await run.moveTo(to.kvm);
              assert.deepEqual([from.references(), to.references()], [0, 1]);
              await new Promise((resolve) => setTimeout(resolve, 150));
            }
            const { outcome } = await run.ended;
            assert.deepEqual(outcome, { kind: "powerOff" });
            return shown();
          });
          const expected = Array.from({ length: lines }, (_, i) => `line ${i}`);
          const printed = textBetween(text, "line 0\n", "unikvm.run:").split("\n");
          assert.deepEqual(printed.slice(0, lines), expected);
          assert.match(printed[lines] ?? "", new RegExp(`^${sum}`));
          assert.ok(moves >= 3, `only ${moves} moves`);
          assert.deepEqual([here.references(), there.references()], [0, 0]);
          for (const { unload } of kvms) unload();
        }),
    );
  }
}
