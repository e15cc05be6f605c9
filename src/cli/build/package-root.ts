import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's built files, and its folder. */
export const dist = fileURLToPath(new URL("../../..", import.meta.url));
export const packageRoot = join(dist, "..");
