/** What no compiler has looked at: each wrong argument of a VM's methods is an error with a sentence, and the guest hears nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameType } from "../vmm/agent/frames.js";
import { vmWith, whole } from "./agent.test-support.js";
import { createVmOn } from "./create-vm.js";
import { VmError } from "./error.js";

const asked: number[] = [];
const { vm } = vmWith(({ type, stream }, say) => {
  asked.push(type);
  if (type === FrameType.spawn) say(...whole(stream, new TextEncoder().encode("text")));
});
type Any = (...given: unknown[]) => unknown;
const [exec, spawn] = [vm.exec.bind(vm) as Any, vm.spawn.bind(vm) as Any];
const createVm = createVmOn(() => Promise.reject(new Error("none is needed"))) as unknown as Any;
const net = vm.net as unknown as Readonly<Record<string, Any>>;
const connect = (net["connect"] as Any).bind(vm.net);
const fs = vm.fs as unknown as Readonly<Record<string, Any>>;
const on = (name: string): Any => (fs[name] as Any).bind(vm.fs);

const wrong: Readonly<Record<string, readonly [call: Any, ...given: unknown[]]>> = {
  "options that are null": [exec, "true", null],
  "options that are a number": [spawn, "true", 7],
  "an option of exec that there is not": [exec, "true", { timeOut: 5 }],
  "an option of spawn that there is not": [spawn, "true", { check: true }],
  "a signal that is none": [exec, "true", { signal: 7 }],
  "a folder that is a number": [exec, "true", { cwd: 7 }],
  "a user that is a number": [spawn, "true", { user: 0 }],
  "variables that are text": [exec, "true", { env: "A=B" }],
  "a time limit that is a symbol": [exec, "true", { timeout: Symbol("now") }],
  "check that is text": [exec, "true", { check: "no" }],
  "stdin that is a number": [exec, "true", { stdin: 7 }],
  "no path to read": [on("readFile")],
  "a path that is a number": [on("stat"), 7],
  "a path that is null": [on("readdir"), null],
  "a name that is an object": [on("rename"), "/a", {}],
  "an encoding that there is not": [on("readFile"), "/a", "latin1"],
  "an encoding that there is not, as an option": [on("readFile"), "/a", { encoding: "base64" }],
  "nothing to write": [on("writeFile"), "/a"],
  "a number to write": [on("writeFile"), "/a", 7],
  "a variable that is a number": [exec, "true", { env: { A: 7 } }],
  "a variable that is undefined": [spawn, "true", { env: { A: undefined } }],
  "no user's name": [exec, "true", { user: "" }],
  "null to write with": [on("writeFile"), "/a", "text", null],
  "an encoding to write in that there is not": [on("writeFile"), "/a", "text", "latin1"],
  "an encoding to write in that there is not, as an option": [on("writeFile"), "/a", "text", { encoding: "hex" }],
  "a number to read with": [on("readFile"), "/a", 7],
  "null to make a folder with": [on("mkdir"), "/a", null],
  "permissions in place of options": [on("mkdir"), "/a", 0o700],
  "null to remove with": [on("rm"), "/a", null],
  "true to remove with": [on("rm"), "/a", true],
  "null to upload with": [on("upload"), new ReadableStream(), "/a", null],
  "null to download with": [on("download"), "/a", null],
  "a list to download with": [on("download"), "/a", ["node_modules"]],
  "null to read a stream with": [on("createReadStream"), "/a", null],
  "a signal of a file's stream that is none": [on("createReadStream"), "/a", { signal: {} }],
  "a signal of a file that is none": [on("readFile"), "/a", { signal: 7 }],
  "null to connect with": [connect, 80, null],
  "a signal of a connection that is none": [connect, 80, { signal: "now" }],
  "options of createVm that are null": [createVm, null],
  "a lifetime before now": [createVm, { limits: { lifetime: -1 } }],
  "a lifetime without an end": [createVm, { limits: { lifetime: Infinity } }],
  "a limit of output that is no size": [createVm, { limits: { output: "much" } }],
  "processors that are a part of one": [createVm, { cpus: 0.5 }],
};

for (const [what, [call, ...given]] of Object.entries(wrong)) {
  test(what, async () => {
    const before = asked.length;
    await assert.rejects(
      async () => call(...given),
      (error) => {
        assert.ok(error instanceof VmError, String(error));
        assert.equal(error.code, "EINVAL", error.message);
        return true;
      },
    );
    await new Promise(setImmediate);
    assert.equal(asked.length, before);
  });
}

test("names of UTF-8 as node:fs has them, and options that are left out", async () => {
  const bytes = new TextEncoder().encode("text");
  for (const encoding of ["utf8", "utf-8", "UTF-8"]) {
    assert.equal(await on("readFile")("/a", encoding), "text");
    assert.equal(await on("readFile")("/a", { encoding }), "text");
  }
  for (const options of [undefined, null, {}, { encoding: null }]) {
    assert.deepEqual(await on("readFile")("/a", options), bytes);
  }
  assert.equal(await on("writeFile")("/a", "text", "utf8"), undefined);
  assert.throws(() => vm.events({ signal: 7 } as never), { code: "EINVAL" });
  await assert.rejects(vm.close(null as never), { code: "EINVAL" });
  assert.equal((await vm.close({ grace: 0 })).kind, "closed");
});
