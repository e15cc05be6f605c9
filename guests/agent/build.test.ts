/** What guests run is what their source makes, byte for byte. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { missing } from "../../test/oracles/oracles.js";
import { agentRecords, buildAgent, compilerVersion, digestOf } from "./build.js";
import { agentArchitectures, agentFile, guestPrograms } from "./index.js";

const oracles = { ppc64le: "littleEndianLibrary", x86_64: "compilerX86", i386: "compilerI386" } as const;

for (const [which, architecture] of guestPrograms.flatMap((one) =>
  agentArchitectures.map((other) => [one, other] as const),
)) {
  const record = agentRecords(which)[architecture];

  test(`the ${which} for ${architecture} has the digest that its record says`, () => {
    assert.equal(digestOf(readFileSync(agentFile(architecture, which))), record.sha256);
  });

  const skip = missing(oracles[architecture]);
  test(`the ${which} for ${architecture} is built again byte for byte`, { skip }, (t) => {
    const compiler = compilerVersion(architecture);
    if (compiler !== record.compiler) return t.skip(`it was built by ${record.compiler}; here is ${compiler}`);
    const folder = mkdtempSync(join(tmpdir(), "unikvm-agent-"));
    try {
      const file = join(folder, "agent");
      buildAgent(which, architecture, file);
      assert.equal(digestOf(readFileSync(file)), record.sha256, "npm run build:agent was forgotten");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
