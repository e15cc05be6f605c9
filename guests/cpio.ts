/**
 * Writes a cpio archive in the "newc" format, which Linux unpacks as its initramfs (Linux, "initramfs buffer format").
 * Everything belongs to root and has no times: the same input gives the same bytes.
 */

/** One entry. `path` has no leading slash; parents must come first. */
export type CpioEntry =
  | { readonly path: string; readonly type: "directory"; readonly mode?: number }
  | { readonly path: string; readonly type: "file"; readonly mode?: number; readonly data: Uint8Array | string }
  | { readonly path: string; readonly type: "link"; readonly target: string }
  | {
      readonly path: string;
      readonly type: "character";
      readonly mode?: number;
      readonly major: number;
      readonly minor: number;
    };

/** File type bits of st_mode. */
const typeBits = { directory: 0o040000, file: 0o100000, link: 0o120000, character: 0o020000 } as const;
const defaultMode = { directory: 0o755, file: 0o644, link: 0o777, character: 0o600 } as const;

const encoder = new TextEncoder();

function body(entry: CpioEntry): Uint8Array {
  if (entry.type === "link") return encoder.encode(entry.target);
  if (entry.type !== "file") return new Uint8Array();
  return typeof entry.data === "string" ? encoder.encode(entry.data) : entry.data;
}

const padded = (length: number) => (length + 3) & ~3;

function record(fields: readonly number[], path: string, data: Uint8Array): Uint8Array {
  const name = encoder.encode(`${path}\0`);
  const header = encoder.encode(`070701${fields.map((n) => n.toString(16).padStart(8, "0")).join("")}`);
  const dataAt = padded(header.length + name.length);
  const out = new Uint8Array(dataAt + padded(data.length));
  out.set(header, 0);
  out.set(name, header.length);
  out.set(data, dataAt);
  return out;
}

/**
 * The archive, padded to 512 bytes; archives can be appended to one another, a later one's files replacing an earlier
 * one's.
 */
export function cpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts = entries.map((entry, index) => {
    const data = body(entry);
    const mode =
      typeBits[entry.type] | ("mode" in entry && entry.mode !== undefined ? entry.mode : defaultMode[entry.type]);
    const [major, minor] = entry.type === "character" ? [entry.major, entry.minor] : [0, 0];
    const links = entry.type === "directory" ? 2 : 1;
    const nameSize = encoder.encode(entry.path).length + 1;
    // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    const fields = [index + 1, mode, 0, 0, links, 0, data.length, 0, 0, major, minor, nameSize, 0];
    return record(fields, entry.path, data);
  });
  const trailer = "TRAILER!!!";
  parts.push(record([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, trailer.length + 1, 0], trailer, new Uint8Array()));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const out = new Uint8Array(Math.ceil(length / 512) * 512);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
