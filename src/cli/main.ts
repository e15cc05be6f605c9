#!/usr/bin/env node
/** Where the command line begins. It imports nothing beforehand: what keeps the rest from loading is a sentence, too. */

const hints: Readonly<Record<string, string>> = {
  ERR_MODULE_NOT_FOUND: "unikvm is not all there: install it again, or in a checkout run `node setup.mjs --force`",
  EMFILE: "raise the limit on open files (ulimit -n)",
};

try {
  const { beginEarly } = await import("./early.js");
  beginEarly(process.argv.slice(2));
  const { main } = await import("./program.js");
  await main();
} catch (error) {
  const { message, code = "", stack } = error as NodeJS.ErrnoException;
  const hint = hints[code] === undefined ? "" : `\n${hints[code]}`;
  process.stderr.write(`unikvm: ${message}${hint}\n${process.env["UNIKVM_DEBUG"] ? `${stack}\n` : ""}`);
  process.exitCode = 3;
}
