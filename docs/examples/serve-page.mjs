// Serves a folder to this machine's browsers, with the headers that give a page threads.
//   node serve-page.mjs public/browser [PORT]
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const [folder = ".", port = "8080"] = process.argv.slice(2);
const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

const server = createServer(async ({ url = "/" }, response) => {
  response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
  response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
  let name = url;
  try {
    const path = normalize(decodeURIComponent(new URL(url, "http://localhost").pathname));
    name = path.endsWith("/") ? `${path}page.html` : path;
    const bytes = await readFile(join(folder, name));
    response.setHeader("Content-Type", types[extname(name)] ?? "application/octet-stream").end(bytes);
  } catch {
    response.writeHead(404).end(`${name} is not in ${folder}\n`);
  }
});
server.listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
