/** Debian's kernel reaches the host's sockets through its own driver and its own TCP, under both engines. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, get } from "node:http";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { implementations, noGuest, root, textBetween, unikvm } from "./booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-network-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const body = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
const sum = createHash("md5").update(body).digest("hex");

const seen = `\
inet 10.0.2.15/24
default via 10.0.2.2
2 packets received
1 1 1 1 1 1 1 
2
198.18.0.1
NXDOMAIN
${sum}  -
${sum}  -
refused
refused
4194304 bytes of x
serving
ended`;

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function fetched(port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get({ port, host: "127.0.0.1", path: "/file", agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => resolve(Buffer.concat(parts)));
      response.on("error", reject);
    }).on("error", reject);
  });
}

for (const type of implementations) {
  test(`a guest's network under ${type}`, { skip: noGuest }, async (t) => {
    const http = createHttpServer((_, response) => void response.end(body));
    // Says how much it got when the guest has ended its half.
    const sink = createServer({ allowHalfOpen: true }, (socket) => {
      let [count, wrong] = [0, 0];
      socket.on("data", (bytes) => {
        count += bytes.length;
        wrong += bytes.filter((byte) => byte !== 0x78).length;
      });
      socket.on("end", () => socket.end(`${count} bytes of ${wrong === 0 ? "x" : "something"}\n`));
      socket.on("error", () => {});
    });
    const shut = createServer();
    const ports = { OPEN: await listening(http), SINK: await listening(sink), SHUT: await listening(shut) };
    // Free ports: nobody else takes them within this moment.
    const [web, end] = [createServer(), createServer()];
    const [webPort, endPort] = [await listening(web), await listening(end)];
    await Promise.all([web, end].map((server) => new Promise((resolve) => server.close(resolve))));
    try {
      const script = join(folder, type);
      const text = readFileSync(join(root, "test/boot/network.sh"), "utf8");
      const filled = Object.entries(ports).reduce((all, [name, port]) => all.replaceAll(name, String(port)), text);
      writeFileSync(script, `${filled}exit\n${" ".repeat(4096)}`);
      const allow = [`127.0.0.1:${ports.OPEN},,${ports.SINK}`, "allowed.example:80"].map((rule) => `allow=${rule}`);
      const forward = [`forward=${webPort}:80`, `forward=${endPort}:81`];
      const running = unikvm([
        ...["run", "--type", type, "--cpus", "2", "--memory", "512M", "--timeout", "300"],
        ...["--disk", `${script},readonly`, "--network", ["user", ...allow, ...forward].join(",")],
        ...["--append", 'console=hvc0 rdinit=/init cryptomgr.notests=1 quiet "unikvm.run=sh /dev/vda"'],
      ]);
      let files: readonly Buffer[] = [];
      const used = running.see(/^serving$/m).then(async () => {
        files = await Promise.all([1, 2, 3].map(() => fetched(webPort)));
        // Until it listens, it is refused.
        const say = (): void => {
          const socket = connect(endPort, "127.0.0.1", () => socket.end("done\n"));
          socket.on("error", () => {});
          socket.on("close", () => {
            if (!over) setTimeout(say, 500);
          });
        };
        say();
      });
      let over = false;
      const { status, stdout, stderr } = await running.finished;
      over = true;
      if (/apt/.test(stderr)) return t.skip(`the drivers cannot be fetched: ${stderr}`);
      assert.equal(status, 0, `${stdout}\n${stderr}`);
      await used;
      const expected = `${seen}\nunikvm.run: exit status 0`;
      assert.equal(textBetween(stdout, "inet 10", "unikvm.run:"), expected, `${stdout}\n${stderr}`);
      for (const file of files) assert.ok(file.equals(Buffer.alloc(1_048_576, "y")), `${file.length}`);
    } finally {
      http.closeAllConnections();
      for (const server of [http, sink, shut]) server.close();
    }
  });
}
