import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { threadArguments } from "./thread-arguments.js";

test("a thread has its process's arguments, unless Node would refuse them", () => {
  assert.deepEqual(threadArguments(["--max-old-space-size=200", "--no-warnings"]), {});
  assert.deepEqual(threadArguments(["--input-type", "module", "--eval"]), { execArgv: [] });
  assert.deepEqual(threadArguments(["--input-type=module"]), { execArgv: [] });
});

test("a program with arguments of V8's, from a file or the command line, starts threads", () => {
  const module = new URL("./thread-arguments.js", import.meta.url).href;
  const program = `
    import { Worker } from "node:worker_threads";
    import { threadArguments } from ${JSON.stringify(module)};
    new Worker(new URL("data:text/javascript,console.log('started')"), threadArguments());`;
  for (const args of [["--input-type=module"], ["--input-type=module", "--max-old-space-size=200"]]) {
    assert.equal(execFileSync(process.execPath, [...args, "--eval", program], { encoding: "utf8" }), "started\n");
  }
});
