/** What the README and the guides have a reader type is what the command line takes. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../boot/booting.test-support.js";
import { parse } from "./parsing.test-support.js";

const guides = [
  "README.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** A shell's blocks, and those without a language that begin a line with unikvm: what it says behind three blanks is a remark. */
const blocks = (text: string): readonly string[] =>
  [...text.matchAll(/^```(\w*)\n(.*?)^```/gms)].flatMap(([, language = "", code = ""]) =>
    ["", "sh"].includes(language) ? [code] : [],
  );

/** Commands in code within a line, if they are more than names; those with capitals, brackets or dots stand for others. */
const spans = (text: string): readonly string[] =>
  [...text.matchAll(/`((?:\.\/)?unikvm [^`\n]+)`/g)].map(([, code = ""]) => code);
const standsFor = /[[\]|…]|\.\.\.|(?<![\w./-])[A-Z]{2,}\b/;

const commandsIn = (text: string): readonly string[] => [
  ...blocks(text)
    .flatMap((block) => block.replaceAll("\\\n", " ").split("\n"))
    .filter((line) => /^(?:\$ )?(?:\.\/)?unikvm /.test(line)),
  ...spans(text).filter((line) => / -|\.\w/.test(line) && !standsFor.test(line)),
];

/** What unikvm gets, without remarks and pipes. */
function wordsOf(line: string): readonly string[] {
  const [own = ""] = line.replace(/^(?:\$ )?(?:\.\/)?unikvm /, "").split(/ +#| \| | {3,}/);
  return [...own.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, plain]) => single ?? double ?? plain ?? "",
  );
}

const seen: string[] = [];
for (const guide of guides) {
  const lines = commandsIn(readFileSync(join(root, guide), "utf8"));
  seen.push(...lines);
  if (lines.length === 0) continue;
  test(`${guide}: its ${lines.length} commands are what the parser takes`, async () => {
    for (const line of lines) {
      const { status, stderr } = await parse(...wordsOf(line));
      // Of a command that only names others, and of --help, nothing begins.
      assert.ok(status === undefined || /--help$/.test(line), `${line}: ${stderr}`);
    }
  });
}

test("the guides' commands are found", () => {
  for (const word of ["run", "exec", "guest", "disk", "snapshot", "build", "rmmod", "insmod"]) {
    assert.ok(
      seen.some((line) => line.includes(`unikvm ${word}`)),
      word,
    );
  }
});
