/** `pr` where the platform really forbids to generate code: M1, M2 without a pretence. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

interface Result {
  readonly compile: string;
  readonly construct: string;
  readonly strings: string;
  readonly messages: readonly string[];
  readonly hv: string;
  readonly byDefault: string;
  readonly implementation: string;
  readonly exit: string;
  readonly number: number;
  readonly sum: number;
  readonly bytes: string;
  readonly left: string;
}

test("pr runs a guest where no code may be generated, and hv says why it cannot", async () => {
  const program = fileURLToPath(new URL("./node/no-code-generation-fixture.js", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--experimental-vm-modules", program]);
  const result = JSON.parse(stdout) as Result;
  assert.equal(result.compile, "CompileError", "the context allows WebAssembly.compile");
  assert.equal(result.construct, "CompileError", "the context allows new WebAssembly.Module");
  assert.equal(result.strings, "EvalError", "the context allows new Function");
  assert.match(result.messages[0] ?? "", /^KVM-HV: could not load \(-1\): EPERM: .*does not let code be generated/);
  assert.equal(result.hv, "KvmError EINVAL");
  assert.equal(result.byDefault, "pr");
  assert.equal(result.implementation, "pr");
  assert.deepEqual([result.exit, result.number, result.sum], ["papr_hcall", 0x58, 3000]);
  assert.equal(result.bytes, "KvmError EINVAL");
  assert.equal(result.left, "vac 0");
  assert.equal(result.messages.length, 3, result.messages.join("\n"));
});
