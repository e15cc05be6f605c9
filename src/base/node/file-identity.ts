/** Whether a file is still the one that it was, without reading it. */
import { statSync } from "node:fs";

/**
 * What changes when the file at `path` is written or replaced: its place, size, inode and times. Who writes can set size and time of
 * modification to what they were; the system sets the time of the last change (ctime), and nobody else. Throws the system's error.
 */
export function fileIdentity(path: string): readonly string[] {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return [path, ...[dev, ino, size, mtimeNs, ctimeNs].map(String)];
}
