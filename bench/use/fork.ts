/** How long a twin takes. */
import { setTimeout as sleep } from "node:timers/promises";
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
