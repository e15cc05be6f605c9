/** Debian's guest goes to other loaded kvms while it works, and nothing of what it does is lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CpioEntry } from "../../guests/cpio.js";
import type { Kvm } from "../../src/kvm/uapi.js";
import { implementations, noGuest, textBetween, threadModes } from "./booting.test-support.js";
import { type LoadedKvm, loadKvm, whileRunning, withOtherVersion } from "./moving.test-support.js";

const types = { hv: 1, pr: 2 } as const;
/** As many as are printed during some moves, also on a host where each takes a third of a second. */
const linesOf = { hv: 12_000, pr: 4000 } as const;
/** Prints numbered lines, then what 100,000 numbers sum up to. */
const script = (lines: number): string => `#!/bin/sh
i=0
while [ $i -lt ${lines} ]; do echo line $i; i=$((i+1)); done
seq 100000 | sha256sum
`;
const sum = "b2bc7d3f8b652d2e";

for (const type of implementations) {
  const lines = linesOf[type];
  const files: readonly CpioEntry[] = [{ path: "move.sh", type: "file", mode: 0o755, data: script(lines) }];
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
              await new Promise((resolve) => setTimeout(resolve, 50));
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

/** Prints numbered lines for ever. */
const counting = `#!/bin/sh
i=0
while true; do i=$((i+1)); echo count $i; done
`;

for (const threads of threadModes) {
  test(`a machine moves from hv to pr and back, ${threads}`, { skip: noGuest, timeout: 300_000 }, async () => {
    const [here, there] = [await loadKvm(), await loadKvm()];
    const came: string[] = [];
    /** That kvm, which notes under which implementation the VM comes. */
    const noting = ({ kvm }: LoadedKvm): Kvm => ({
      getApiVersion: () => kvm.getApiVersion(),
      checkExtension: (cap) => kvm.checkExtension(cap),
      createVm: (type, options) => kvm.createVm(type, options),
      takeOver: (leaving) => {
        const arrival = kvm.takeOver(leaving);
        came.push(arrival.share.implementation);
        return arrival;
      },
    });
    const options = {
      kvm: here.kvm,
      type: types.hv,
      threads,
      append: "quiet unikvm.run=/count.sh",
      files: [{ path: "count.sh", type: "file", mode: 0o755, data: counting }] as const,
    };
    await whileRunning(options, async ({ run, see, text }) => {
      /** It counts on, from wherever it is. */
      const counts = async () => {
        const last = Number(/.*count (\d+)\n/s.exec(text())?.[1] ?? 0);
        await see(`count ${last + 20}\n`);
      };
      await counts();
      await assert.rejects(run.moveTo(there.kvm, { type: 7 }), /EINVAL.*type 7/);
      await counts();
      await run.moveTo(noting(there), { type: types.pr });
      assert.deepEqual([here.references(), there.references()], [0, 1]);
      await counts();
      await run.moveTo(noting(here), { type: types.hv, timeout: 5000 });
      assert.deepEqual([here.references(), there.references()], [1, 0]);
      await counts();
    });
    assert.deepEqual(came, ["pr", "hv"]);
    for (const { unload } of [here, there]) unload();
  });
}
