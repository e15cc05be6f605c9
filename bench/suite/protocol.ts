/** What bench/guest/agent.c says on the console, line by line; it describes the form. */

/** What a program's standard output was: bytes, and their hash. */
export interface Output {
  readonly bytes: number;
  readonly hash: string;
}

export type Line =
  /** `uptime`: seconds since the kernel started. */
  | { readonly kind: "ready"; readonly uptime: number }
  | { readonly kind: "begin"; readonly id: string }
  | {
      readonly kind: "end";
      readonly id: string;
      readonly status: number;
      /** By the guest's monotonic clock. */
      readonly seconds: number;
      readonly output: Output;
      /** Seconds since the begin, ascending. */
      readonly steps: readonly number[];
    }
  /** A line that the program wrote to its standard error. */
  | { readonly kind: "error"; readonly id: string; readonly text: string }
  /** The agent cannot go on. */
  | { readonly kind: "failed"; readonly text: string };

/** Undefined: the line is not the agent's. */
export function parseLine(line: string): Line | undefined {
  const marked = /^@bench (\w+) (.*?)\s*$/.exec(line);
  if (!marked) return undefined;
  const [, kind, rest = ""] = marked;
  const [first = "", ...others] = rest.split(" ");
  if (kind === "ready") return { kind, uptime: Number(first) };
  if (kind === "begin") return { kind, id: first };
  if (kind === "error") return { kind, id: first, text: others.join(" ") };
  if (kind === "failed") return { kind, text: rest };
  if (kind !== "end") return undefined;
  const [status, nanoseconds, bytes, hash, steps] = others;
  if (steps === undefined || hash === undefined || !/^[\d\s]+$/.test(`${status} ${nanoseconds} ${bytes}`)) {
    return undefined;
  }
  return {
    kind,
    id: first,
    status: Number(status),
    seconds: Number(nanoseconds) / 1e9,
    output: { bytes: Number(bytes), hash },
    steps: steps === "-" ? [] : steps.split(",").map((microseconds) => Number(microseconds) / 1e6),
  };
}

/** The agent's hash (FNV-1a, 64 bits) of bytes. */
export function hashOf(bytes: Uint8Array): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}
