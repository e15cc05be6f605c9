// @ts-check
/** Sets the checkout up if need be, then is the command line. `./unikvm` and `npm start` come here. */
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { SetupError, setUp } from "./setup.mjs";

try {
  await setUp();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`unikvm: ${error.message}\n`);
  process.exit(3);
}
const main = join(dirname(fileURLToPath(import.meta.url)), "dist", "src", "cli", "main.js");
process.argv[1] = main;
await import(pathToFileURL(main).href);
