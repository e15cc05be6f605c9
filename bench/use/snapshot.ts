/** How long a VM takes that goes on from a snapshot, in a process that has kvm open. */
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
