/** Each call answers misuse as its row says, on each implementation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../src/base/errno.test-support.js";
import type { ErrnoName } from "../../src/base/errors.js";
import type { Errors } from "../../src/kvm/calls.js";
import type { Misuse } from "./neutral-fixture.js";

export function errorTests<F extends { close(): void }>(
  title: string,
  calls: Readonly<Record<string, { readonly errors: Errors }>>,
  cases: Readonly<Record<string, Readonly<Partial<Record<ErrnoName, Misuse<F>>>>>>,
  make: () => F,
): void {
  for (const [call, { errors }] of Object.entries(calls)) {
    for (const [code, when] of Object.entries(errors) as [ErrnoName, string][]) {
      test(`${title}: ${call} answers ${code}: ${when}`, async () => {
        const misuse = cases[call]?.[code];
        assert.ok(misuse);
        const it = make();
        try {
          await assert.rejects(async () => misuse(it), errno(code));
        } finally {
          it.close();
        }
      });
    }
  }
}
