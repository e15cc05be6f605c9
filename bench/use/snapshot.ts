/** How long a VM takes that goes on from a snapshot, in a process that has kvm open; and how large one is. */
import { createVm } from "../../src/index-node.js";
import type { Row } from "./row.js";

export const createFromSnapshot: Row = {
  name: "createVm({ snapshot }) to the answer of exec true",
  target: "150 ms",
  unit: "ms",
  runs: 10,
  measure: async ({ type, shared, runs, result }) => {
    const snapshot = await (await shared.get()).snapshot();
    for (let i = 0; i < runs; i++) {
      const begin = performance.now();
      const vm = await createVm({ type, snapshot });
      try {
        await vm.exec(["true"], { check: true });
        result(performance.now() - begin);
      } finally {
        await vm.close({ grace: 0 });
      }
    }
  },
};

export const snapshotSize: Row = {
  name: "a portable snapshot of the default guest at its prompt, 512 MB",
  target: "16 MB",
  unit: "MB",
  runs: 1,
  measure: async ({ type, guest, runs, result }) => {
    for (let i = 0; i < runs; i++) {
      // Not the shared one: what commands have left in its memory is none of a prompt's.
      const vm = await createVm({ type, guest, memory: "512M" });
      try {
        result((await (await vm.snapshot({ packing: "deflate" })).blob()).size / 1e6);
      } finally {
        await vm.close({ grace: 0 });
      }
    }
  },
};
