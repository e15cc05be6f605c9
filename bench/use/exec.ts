/** How long a command takes: in a VM that runs, and from the shell. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Row, timed } from "./row.js";

const cli = fileURLToPath(new URL("../../command/node/unikvm.js", import.meta.url));

/** Before the first that counts: what runs often is what is measured. */
const warmUp = 20;

export const execTrue: Row = {
  name: 'vm.exec(["true"]) on a running VM',
  target: "5 ms",
  unit: "ms",
  runs: 100,
  measure: async ({ shared, runs, result }) => {
    const vm = await shared.get();
    for (let i = 0; i < warmUp; i++) await vm.exec(["true"], { check: true });
    for (let i = 0; i < runs; i++) result(await timed(() => vm.exec(["true"], { check: true })));
  },
};

export const execFromShell: Row = {
  name: "unikvm exec -- true from the shell, second time",
  target: "0.6 s",
  unit: "s",
  runs: 5,
  measure: async ({ type, guest, runs, result }) => {
    for (let i = -1; i < runs; i++) {
      const took = await timed(async () => {
        const args = ["exec", "--guest", guest, "--type", type, "--", "true"];
        const { status, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: "utf8" });
        if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
      });
      // The first boots.
      if (i >= 0) result(took / 1000);
    }
  },
};
