/** The browsers that tests run pages in. */
import { after } from "node:test";
import puppeteer, { type Browser } from "puppeteer-core";
import { browsers, inPath } from "../oracles/oracles.js";

export type BrowserName = keyof typeof browsers;

const running = new Map<string, Promise<Browser>>();

/** One of each for a test file, which is closed at its end. `without`: features of Chromium's. */
export function launch(name: BrowserName, without?: string): Promise<Browser> {
  const key = [name, without].join(" ");
  const known = running.get(key);
  if (known) return known;
  const executablePath = inPath(browsers[name]) ?? "";
  // Root has no sandbox in Chromium; what is loaded is ours.
  const args = name === "chrome" ? ["--no-sandbox", "--disable-gpu"] : [];
  if (without !== undefined) args.push(`--disable-blink-features=${without}`);
  const launched = puppeteer.launch({ browser: name, executablePath, headless: true, args });
  running.set(key, launched);
  return launched;
}

after(async () => {
  for (const browser of running.values()) await (await browser).close();
});
