/** Each call answers misuse as its row says, on each implementation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { powerpcCalls } from "../../src/arch/powerpc/calls/calls.js";
import { errno } from "../../src/base/errno.test-support.js";
import type { ErrnoName } from "../../src/base/errors.js";
import { cases } from "./all-cases.js";
import type { Misuse } from "./cases.js";
import { Fixture, implementations } from "./fixture.js";

for (const name of implementations) {
  for (const [call, { errors }] of Object.entries(powerpcCalls)) {
    const misuses = cases[call as keyof typeof cases] as Readonly<Partial<Record<ErrnoName, Misuse>>>;
    for (const [code, when] of Object.entries(errors) as [ErrnoName, string][]) {
      test(`${name}: ${call} answers ${code}: ${when}`, async () => {
        const misuse = misuses[code];
        assert.ok(misuse);
        const it = new Fixture(name);
        try {
          await assert.rejects(async () => misuse(it), errno(code));
        } finally {
          it.close();
        }
      });
    }
  }
}
