/** Each known fault of an oracle says how it is recognised, and names a judge that is there. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { tests } from "../../guests/selftest/index.js";
import { parseCases } from "../engines/case-file.js";
import { knownFaults } from "./known-faults.js";

const root = new URL("../../../", import.meta.url);

/** Whether such a case or test exists. */
function present(judge: string): boolean {
  const [, place = "", name = ""] = /^(.+?): (.+)$/.exec(judge) ?? [];
  if (place === "selftest") return tests.some((one) => one.name === name);
  const cases = place.endsWith(".txt");
  const file = new URL(cases ? `test/engines/cases/${place}` : place, root);
  if (!existsSync(file)) return false;
  const text = readFileSync(file, "utf8");
  return cases ? parseCases(text).some((one) => one.name === name) : text.includes(`"${name}"`);
}

test("every known fault of an oracle is recognised by something, and judged by a case or test that exists", () => {
  const faults = knownFaults();
  assert.ok(faults.length > 80, `only ${faults.length} faults are listed`);
  for (const { oracle, fault, recognised, judge } of faults) {
    assert.ok(recognised.length > 0, `${oracle}: ${fault}: nothing recognises it`);
    assert.ok(present(judge), `${oracle}: ${fault}: there is no ${judge}`);
  }
  assert.ok(!present("storage.txt: no such case") && !present("selftest: nothing") && !present("no such file.txt: a"));
});
