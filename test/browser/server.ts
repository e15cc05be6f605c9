/** Serves a folder, keeps a log of what was asked for, and what was put there. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

export interface Request {
  /** Without the leading slash. */
  readonly path: string;
  readonly bytes: number;
}

export interface StaticServer {
  readonly url: string;
  readonly log: Request[];
  /** What pages have put, by path. */
  readonly put: Map<string, Uint8Array>;
  close(): void;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

export interface Serving {
  /** With the headers (COOP, COEP) that a page needs for shared memory. */
  readonly isolated: boolean;
  /** What there is besides the folder's files, by its path. */
  readonly more?: Readonly<Record<string, Uint8Array>>;
}

export async function serve(folder: string, { isolated, more = {} }: Serving): Promise<StaticServer> {
  const log: Request[] = [];
  const put = new Map<string, Uint8Array>();
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname)).slice(1);
    const headers: Record<string, string> = isolated
      ? { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" }
      : {};
    // What a guest asks for under another name.
    headers["Access-Control-Allow-Origin"] = "*";
    if (request.method === "PUT") {
      const parts: Uint8Array[] = [];
      request.on("data", (part: Uint8Array) => void parts.push(part));
      request.on("end", () => {
        put.set(path, Buffer.concat(parts));
        response.writeHead(204, headers).end();
      });
      return;
    }
    if (path === "") {
      response.writeHead(200, { ...headers, "Content-Type": "text/html" }).end("<!doctype html><title>unikvm</title>");
      return;
    }
    if (path === "favicon.ico") {
      response.writeHead(204, headers).end();
      return;
    }
    try {
      const body = more[path] ?? readFileSync(join(folder, path));
      log.push({ path, bytes: body.length });
      response.writeHead(200, { ...headers, "Content-Type": types[extname(path)] ?? "text/plain" }).end(body);
    } catch {
      log.push({ path: `MISSING ${path}`, bytes: 0 });
      response.writeHead(404, headers).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, log, put, close: () => void server.close() };
}
