/** Archives as tests want them: sound ones and hostile ones. */
import { padding, type TarEntry } from "./format.js";
import { tarEnd, tarHead } from "./write.js";

export interface Piece extends Partial<Omit<TarEntry, "size">> {
  readonly path: string;
  readonly content?: string;
  /** What the head says. */
  readonly size?: number;
}

/** An archive, with its end. */
export function archive(...pieces: readonly Piece[]): Uint8Array<ArrayBuffer> {
  const parts = pieces.flatMap(({ content = "", ...entry }) => {
    const bytes = new TextEncoder().encode(content);
    const head = tarHead({
      ...{ kind: "file", mode: 0o644, user: 0, group: 0, size: bytes.length, time: 1_000_000_000n, target: "" },
      ...entry,
    });
    return [head, bytes, new Uint8Array(padding(bytes.length))];
  });
  return new Uint8Array(Buffer.concat([...parts, tarEnd()]));
}

/** As a stream, in pieces of so many bytes. */
export const streamOf = (bytes: Uint8Array, size = bytes.length): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start: (controller) => {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  });

/**
 * Archives that want to write outside of where they are unpacked, each to a file `victim` beside that folder; `outside` is the
 * absolute path of the folder that both are in. All are refused, or write inside.
 */
export const hostileArchives = (outside: string): Readonly<Record<string, Uint8Array>> => ({
  "a path that leads up": archive({ path: "../victim", content: "bad" }),
  "a path that leads up further down": archive({ path: "a/../../victim", content: "bad" }),
  "a file through a link": archive(
    { path: "out", kind: "symlink", target: outside },
    { path: "out/victim", content: "bad" },
  ),
  "a file through a link that leads up": archive(
    { path: "out", kind: "symlink", target: ".." },
    { path: "out/victim", content: "bad" },
  ),
  "a file onto a link": archive(
    { path: "out", kind: "symlink", target: `${outside}/victim` },
    { path: "out", content: "bad" },
    { path: "../victim", content: "bad" },
  ),
  "a folder through a link": archive(
    { path: "out", kind: "symlink", target: outside },
    { path: "out/victim/", kind: "folder" },
  ),
  "a folder where a link is": archive(
    { path: "out", kind: "symlink", target: outside },
    { path: "out/", kind: "folder", mode: 0o777 },
    { path: "out/victim", content: "bad" },
  ),
  "a hard link to what is outside": archive(
    { path: "own", kind: "hardLink", target: "../victim" },
    { path: "own", content: "bad" },
  ),
  "a hard link by its whole path": archive(
    { path: "own", kind: "hardLink", target: `${outside}/victim` },
    { path: "own", content: "bad" },
  ),
  "a hard link through a link": archive(
    { path: "out", kind: "symlink", target: outside },
    { path: "own", kind: "hardLink", target: "out/victim" },
  ),
  "a link through a link": archive(
    { path: "out", kind: "symlink", target: outside },
    { path: "out/victim", kind: "symlink", target: "bad" },
  ),
  "a file below a file": archive({ path: "a", content: "a" }, { path: "a/victim", content: "bad" }),
  "a size that nobody has": archive({ path: "a", content: "bad", size: 2 ** 50 }),
  "a head of eight gigabytes": headOfSize("x", 2 ** 33 - 1),
  "a long name without an end": headOfSize("L", 60_000),
  "an archive that breaks off": archive({ path: "a", content: "bad".repeat(1000) }).subarray(0, 1024),
  "what is no archive": new TextEncoder().encode("this is no tar, but the text of something else. ".repeat(30)),
  "a kind that is not known": withType(archive({ path: "a", content: "bad" }), "S"),
});

/** Only a head, of a type of its own. */
const headOfSize = (type: string, size: number): Uint8Array => withType(archive({ path: "head", size }), type);

/** Changes the first head's type, and its sum. */
function withType(bytes: Uint8Array, type: string): Uint8Array {
  const before = bytes[156] ?? 0;
  const changed = bytes.slice();
  changed[156] = type.charCodeAt(0);
  const sum = Number.parseInt(new TextDecoder().decode(bytes.subarray(148, 154)), 8) - before + type.charCodeAt(0);
  changed.set(new TextEncoder().encode(sum.toString(8).padStart(6, "0")), 148);
  return changed;
}
