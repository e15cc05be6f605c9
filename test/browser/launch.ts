/** The browsers that tests run pages in. */
import { after } from "node:test";
import puppeteer, { type Browser } from "puppeteer-core";
import { browsers, inPath } from "../oracles/oracles.js";

export type BrowserName = keyof typeof browsers;

const running = new Map<BrowserName, Promise<Browser>>();

/** One of each for a test file, which is closed at its end. */
export function launch(name: BrowserName): Promise<Browser> {
  const known = running.get(name);
  if (known) return known;
  const executablePath = inPath(browsers[name]) ?? "";
  // Root has no sandbox in Chromium; what is loaded is ours.
  const args = name === "chrome" ? ["--no-sandbox", "--disable-gpu"] : [];
  const launched = puppeteer.launch({ browser: name, executablePath, headless: true, args });
  running.set(name, launched);
  return launched;
}

after(async () => {
  for (const browser of running.values()) await (await browser).close();
});
