// @ts-check
/**
 * Sets the checkout up if need be, then is the command line. `./unikvm` and `npm start` come here. It imports nothing of
 * ours beforehand: what keeps that from loading is a sentence, too.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

try {
  const { setUp } = await import("./setup.mjs");
  await setUp();
  const dist = join(dirname(fileURLToPath(import.meta.url)), "dist");
  const places = [join(dist, "command", "node", "unikvm.js"), join(dist, "src", "cli", "main.js")];
  // Without a command, as for --help, there is less to load where each command has files of its own.
  if (process.argv.slice(2).every((argument) => argument.startsWith("-"))) places.reverse();
  const main = places.find((place) => existsSync(place));
  if (!main) throw new Error(`${join(dist, "src", "cli", "main.js")} is missing: run \`node setup.mjs --force\``);
  process.argv[1] = main;
  await import(pathToFileURL(main).href);
} catch (error) {
  const { message, stack } = /** @type {Error} */ (error);
  process.stderr.write(`unikvm: ${message}\n${process.env.UNIKVM_DEBUG ? `${stack}\n` : ""}`);
  process.exitCode = 3;
}
