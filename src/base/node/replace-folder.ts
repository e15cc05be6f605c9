/** A folder that takes another's place, or leaves it as it was. */
import { existsSync, renameSync, rmSync } from "node:fs";

/** Puts `folder` in the place of what is there, if anything, which lies at `before` meanwhile. Throws the system's error: it is there still. */
export function replaceFolder(folder: string, place: string, before: string): void {
  try {
    renameSync(place, before);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  try {
    renameSync(folder, place);
  } catch (error) {
    if (existsSync(before)) renameSync(before, place);
    throw error;
  }
  rmSync(before, { recursive: true, force: true });
}
