/** What a page loads until a VM runs, and whose code that is. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Metafile } from "esbuild";
import type { Request } from "./server.js";

/**
 * Bytes in gzip: scripts, WebAssembly, the agent; of POWER's guests in a bundle for these alone, and of each architecture's in one
 * for both. 400,000 are the most that there may ever be.
 */
export const mostLoaded = { power: 387_000, ppc64le: 400_000, x86_64: 400_000 } as const;

/** What a network and disks take comes on top of it. */
const later = /^(near-disks|near-streams|network|open-network|fetch-gateway|relay|disks|decompressors)-/;

export interface FirstLoad {
  readonly bytes: number;
  /** Of each file, the largest first. */
  readonly files: readonly (readonly [path: string, bytes: number])[];
}

/** `besides`: what is no code. */
export function firstLoad(log: readonly Request[], folder: string, besides: readonly string[]): FirstLoad {
  const paths = new Set(log.map(({ path }) => path).filter((path) => !besides.includes(path) && !later.test(path)));
  const files = [...paths].map(
    (path) => [path, gzipSync(readFileSync(join(folder, path)), { level: 9 }).length] as const,
  );
  return { bytes: files.reduce((sum, [, bytes]) => sum + bytes, 0), files: files.sort(([, a], [, b]) => b - a) };
}

/** Sources that only guests of one architecture need; what declares their modules and names their numbers is for all. */
const own = {
  ppc64le:
    /src\/(arch\/powerpc\/(?!module|uapi|papr\/hcall|isa\/registers|engines\/(?:hv|pr)\.js)|vmm\/machines\/pseries\/)/,
  x86_64: /src\/(arch\/x86\/(?!module|uapi|engines\/(?:hv|pr)\.js)|vmm\/machines\/pc\/)/,
} as const;
const folders = { ppc64le: "powerpc", x86_64: "x86" } as const;

/** A bundle's files that have what only the other architecture's guests need. */
export function foreignFiles({ outputs }: Metafile, guest: keyof typeof own): string[] {
  const other = guest === "ppc64le" ? "x86_64" : "ppc64le";
  const code = Object.entries(outputs).flatMap(([path, { inputs }]) => {
    const has = Object.entries(inputs).some(
      ([input, { bytesInOutput }]) => bytesInOutput > 0 && own[other].test(input),
    );
    return has ? [path.split("/").at(-1) ?? ""] : [];
  });
  const wasm = ["runtime.wasm", "interpreter.wasm"].map((file) => `src/arch/${folders[other]}/engines/${file}`);
  return [...code, ...wasm, `guests/agent/unikvm-agent.${other}`];
}

/** A bundle's files with code of sources whose path begins so. */
export const filesWith = ({ outputs }: Metafile, source: string): string[] =>
  Object.entries(outputs)
    .filter(([, { inputs }]) =>
      Object.entries(inputs).some(([input, { bytesInOutput }]) => input.startsWith(source) && bytesInOutput > 0),
    )
    .map(([path]) => path.split("/").at(-1) ?? "");
