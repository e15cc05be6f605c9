/** Guests as files, for pages that boot them. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportGuest } from "../../guests/index.js";

const files = new Map<string, Promise<Uint8Array>>();
/** The guest as one file, which is made once. */
export function fileOf(port: string): Promise<Uint8Array> {
  const known = files.get(port);
  if (known) return known;
  const kept = mkdtempSync(join(tmpdir(), "unikvm-page-"));
  const made = exportGuest(join(kept, "guest"), () => undefined, undefined, port)
    .then(() => readFileSync(join(kept, "guest")))
    .finally(() => rmSync(kept, { recursive: true, force: true }));
  files.set(port, made);
  return made;
}
