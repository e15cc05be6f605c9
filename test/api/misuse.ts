/** Gives a function everything that its signature does not take, as JavaScript might. */
import assert from "node:assert/strict";
import { KvmError } from "../../src/base/errors.js";
import { anything, type Check, type OptionsCheck, type Signature } from "../../src/base/takes.js";

export type Called = (...given: readonly unknown[]) => unknown;

/** Of each type one, and numbers of wrong kinds. */
const junk = [null, "junk", {}, [], Symbol("junk"), () => 0, true, Number.NaN, 1.5, 7, 7n, -1, undefined];

/** Whether a check takes the value, as far as it knows. */
function accepts(check: Check, value: unknown): boolean {
  try {
    check(value, "a call", "it");
    return true;
  } catch (error) {
    assert.ok(error instanceof KvmError);
    return false;
  }
}

/**
 * Rejects if anything is taken that a check does not know, or is refused otherwise than in a sentence with EINVAL (EBADF).
 * `earlier`: good values for the parameters before the one in question; those that may be left out are.
 */
export async function refusesMisuse(call: Called, signature: Signature, earlier: readonly unknown[]): Promise<void> {
  const refused = async (given: readonly unknown[], what: string): Promise<void> => {
    await assert.rejects(
      async () => call(...given),
      (error) => error instanceof KvmError && /^E(INVAL|BADF)$/.test(error.code) && error.message.length > 20,
      what,
    );
  };
  let asked = 0;
  for (const [position, [parameter, check]] of Object.entries(signature).entries()) {
    if (check === anything) continue;
    const skipped = Array.from({ length: Math.max(0, position - earlier.length) }, () => undefined);
    const given = (value: unknown) => [...earlier.slice(0, position), ...skipped, value];
    for (const value of junk) {
      if (accepts(check, value)) continue;
      await refused(given(value), `${parameter}: ${String(value)}`);
      asked++;
    }
    const { fields } = check as OptionsCheck;
    if (!fields) continue;
    await assert.rejects(async () => call(...given({ nosuch: 1 })), /EINVAL.*no option nosuch/);
    for (const [field, inner] of Object.entries(fields)) {
      for (const value of junk) {
        if (!accepts(inner, value)) await refused(given({ [field]: value }), `${field}: ${String(value)}`);
      }
    }
  }
  assert.ok(asked > 0);
}
