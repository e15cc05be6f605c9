import assert from "node:assert/strict";
import { test } from "node:test";
import { Macros } from "./macros.js";
import { KconfigError } from "./model.js";

const place = { file: "Kconfig", line: 7 };
const refuses = (act: () => unknown, why: RegExp) =>
  assert.throws(act, (error) => error instanceof KconfigError && why.test(error.message));

test("variables are expanded when they are used, or when they were assigned", () => {
  const macros = new Macros(new Map([["ARCH", "powerpc"]]));
  macros.assign("NOW", ":=", "$(ARCH)/$(LATER)", place);
  macros.assign("THEN", "=", "$(ARCH)/$(LATER)", place);
  macros.assign("LATER", "=", "later", place);
  macros.assign("NOW", "+=", "$(LATER)", place);
  assert.equal(macros.expand("$(NOW), $(THEN), $(NOBODY), $5", place), "powerpc/ later, powerpc/later, , $5");
  macros.assign("ARCH", ":=", "x86", place);
  assert.equal(macros.expand("$(ARCH)", place), "x86", "a file's own goes before the environment's");
});

test("functions take arguments; what they say is handed out", () => {
  const said: string[] = [];
  const macros = new Macros(new Map(), { info: (text) => said.push(text), warning: (text) => said.push(text) });
  macros.assign("both", "=", "$(2)$(1)", place);
  assert.equal(macros.expand("$(both,a,$(both,(b,c),d))", place), "d(b,c)a");
  assert.equal(macros.expand("$(info,$(filename))$(warning-if,y,careful)$(warning-if,n,no)$(lineno)", place), "7");
  assert.deepEqual(said, ["Kconfig", "Kconfig:7: careful"]);
  refuses(() => macros.expand("$(error-if,y,because)", place), /^Kconfig:7: because$/);
});

test("no program is run: the shell is refused, when it comes to it", () => {
  const macros = new Macros();
  macros.assign("success", "=", "$(shell,$(1) && echo y)", place);
  refuses(
    () => macros.expand("$(success,touch /tmp/x)", place),
    /\$\(shell,touch \/tmp\/x && echo y\) would run a program/,
  );
});

test("what would not end is refused", () => {
  const macros = new Macros();
  macros.assign("self", "=", "$(self)", place);
  refuses(() => macros.expand("$(self)", place), /recursive variable 'self' references itself/);
  macros.assign("call", "=", "$(call,$(1))", place);
  refuses(() => new Macros().expand("$(open", place), /unterminated reference to 'open'/);
  refuses(() => macros.expand("$(call,x)", place), /without an end/);
  macros.assign("d0", "=", "xxxxxxxxxx", place);
  for (let index = 1; index < 40; index++) macros.assign(`d${index}`, "=", `$(d${index - 1})$(d${index - 1})`, place);
  refuses(() => macros.expand("$(d39)", place), /more than anybody needs/);
  assert.equal(macros.expand("$(d3)", place).length, 80, "and the next one is expanded");
  macros.assign("long", ":=", "x".repeat(1 << 19), place);
  refuses(() => macros.assign("long", "+=", "$(long)", place), /longer than/);
});
