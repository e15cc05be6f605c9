/** How long a twin takes. */
import { setTimeout as sleep } from "node:timers/promises";
import type { VmEvent } from "../../src/index-node.js";
import { type Row, timed } from "./row.js";

/** Until a thread waits for the next twin again, ms. */
const between = 2500;

export const forkOne: Row = {
  name: "vm.fork(1) until the twin answers",
  target: "100 ms",
  unit: "ms",
  runs: 10,
  measure: async ({ shared, runs, result }) => {
    const vm = await shared.get();
    for (let i = 0; i < runs; i++) {
      await sleep(between);
      let twin: Awaited<ReturnType<typeof vm.fork>>[number] | undefined;
      result(
        await timed(async () => {
          [twin] = await vm.fork(1);
        }),
      );
      await twin?.close({ grace: 0 });
    }
  },
};

/** For how long the VM stood still when it was copied. */
async function nextStop(events: AsyncIterator<VmEvent>): Promise<number> {
  for (;;) {
    const { value, done } = await events.next();
    if (done) throw new Error("the VM ended");
    if (value.type === "copied") return value.stopped;
  }
}

export const forkStop: Row = {
  name: "how long the parent of vm.fork(1) stands still",
  target: "30 ms",
  unit: "ms",
  runs: 10,
  measure: async ({ shared, runs, result }) => {
    const vm = await shared.get();
    const events = vm.events();
    try {
      for (let i = 0; i < runs; i++) {
        await sleep(between);
        const [twin] = await vm.fork(1);
        await twin?.close({ grace: 0 });
        result(await nextStop(events));
      }
    } finally {
      await events.return?.();
    }
  },
};
