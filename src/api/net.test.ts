/** `vm.net` against servers that are none of a guest's: sockets stand for the network's connections. */
import assert from "node:assert/strict";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import type { HostStream, HostStreamEvents } from "../vmm/network/host.js";
import { VmError } from "./error.js";
import { type Dial, GuestNet } from "./net.js";

/** Joins a socket with what `vm.net` makes, as the network joins the guest's TCP with it; no more waits than 64 KiB. */
const dial: Dial = (port, attach) => {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  let stream: HostStream | undefined;
  let waiting = 0;
  const events: HostStreamEvents = {
    data: (bytes) => {
      if (!socket.write(bytes)) stream?.flow(false);
    },
    ended: () => void socket.end(),
    failed: () => void socket.destroy(),
  };
  stream = attach(events);
  socket.on("connect", () => stream.opened?.());
  socket.on("drain", () => stream.flow(true));
  socket.on("data", (bytes) => {
    waiting += bytes.length;
    if (waiting >= 65536) socket.pause();
    stream.write(bytes, () => {
      waiting -= bytes.length;
      if (waiting < 65536) socket.resume();
    });
  });
  socket.on("end", () => stream.end());
  socket.on("error", () => stream.destroy());
};
const net = new GuestNet(dial);

/** Runs `use` with the port of a server that does `talk`, or is one of HTTP. */
async function serving(talk: ((socket: Socket) => void) | Server, use: (port: number) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  const server = talk instanceof Function ? createServer({ allowHalfOpen: true }, talk) : talk;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

const fails =
  (code: string, words = /./) =>
  (error: unknown): true => {
    assert.ok(error instanceof VmError && error.code === code && words.test(error.message), String(error));
    return true;
  };

test("a connection is two streams; each half ends by itself, and a reader who does not read stops the writer", async () => {
  let sent = 0;
  const talk = (socket: Socket): void => {
    let asked = "";
    socket.on("data", (bytes) => {
      asked += bytes.toString("latin1");
    });
    socket.on("end", () => {
      socket.write(asked);
      const more = (): void => {
        for (; sent < 64; sent++) if (!socket.write(Buffer.alloc(262_144, 1))) return;
        socket.end();
      };
      socket.on("drain", () => {
        sent++;
        more();
      });
      more();
    });
  };
  await serving(talk, async (port) => {
    const { readable, writable } = await net.connect(port);
    const writer = writable.getWriter();
    await writer.write(new TextEncoder().encode("hel"));
    await writer.write(new TextEncoder().encode("lo"));
    await writer.close();
    const reader = readable.getReader();
    assert.equal(Buffer.from((await reader.read()).value ?? []).toString("latin1", 0, 5), "hello");
    assert.ok(sent < 64, "the server could write 16 MiB that nobody read");
    let length = 0;
    for (let read = await reader.read(); !read.done; read = await reader.read()) length += read.value.length;
    assert.ok(length >= 63 * 262_144, `${length}`);
  });
});

test("refused, reset, aborted and cancelled connections", async () => {
  let port = 0;
  await serving(
    () => {},
    async (open) => {
      port = open;
      const abort = new AbortController();
      const { readable } = await net.connect(open, { signal: abort.signal });
      // Once it is there, it is its streams'.
      abort.abort(new Error("too late"));
      await readable.cancel();
      await assert.rejects(net.connect(open, { signal: AbortSignal.abort(new Error("before")) }), /before/);
    },
  );
  await assert.rejects(net.connect(port), fails("ECONNREFUSED", new RegExp(`port ${port} of the guest`)));
  await serving(
    (socket) => socket.resetAndDestroy(),
    async (open) => {
      const made = await net.connect(open).catch((error: unknown) => error);
      if (made instanceof Error) return void fails("ECONNREFUSED")(made);
      const { readable } = made as { readable: ReadableStream<Uint8Array> };
      await assert.rejects(readable.getReader().read(), fails("ECONNRESET"));
    },
  );
  for (const wrong of [0, 65536, 1.5, "80"] as number[]) await assert.rejects(net.connect(wrong), fails("EINVAL"));
  await assert.rejects(net.fetch(80, 7 as unknown as string), fails("EINVAL"));
  await assert.rejects(net.fetch(80, "http://[/"), fails("EINVAL"));
});

test("fetch: methods, headers, bodies short and long, chunks, no body, and an answer that is aborted", async () => {
  const large = new Uint8Array(3_000_000).map((_, i) => i);
  const server = createHttpServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const { method, url, headers } = request;
      const asked = { method, url, host: headers.host, mine: headers["x-mine"], length: headers["content-length"] };
      response.setHeader("x-asked", JSON.stringify({ ...asked, chunked: headers["transfer-encoding"] }));
      if (url === "/nothing") return void response.writeHead(204).end();
      if (url === "/moved") return void response.writeHead(302, { location: "/there" }).end("moved");
      if (url === "/endless") return void response.write("some");
      if (url === "/chunks") for (let i = 0; i < 10; i++) response.write(large.subarray(0, 1000));
      else response.setHeader("content-length", Buffer.concat(parts).length);
      response.end(Buffer.concat(parts));
    });
  });
  await serving(server, async (port) => {
    const asked = (response: Response) => JSON.parse(response.headers.get("x-asked") ?? "");
    const url = `http://localhost:${port}`;
    const plain = await net.fetch(port, "/a b?c=d");
    assert.deepEqual([plain.status, await plain.text()], [200, ""]);
    assert.deepEqual(asked(plain), { method: "GET", url: "/a%20b?c=d", host: `localhost:${port}` });
    const post = await net.fetch(
      port,
      new Request(`${url}/`, { method: "POST", body: "body", headers: { "x-mine": "1" } }),
    );
    assert.equal(await post.text(), "body");
    assert.deepEqual(asked(post), { method: "POST", url: "/", host: `localhost:${port}`, mine: "1", length: "4" });
    const put = await net.fetch(port, new Request(`${url}/`, { method: "PUT", body: large }));
    assert.equal(asked(put).chunked, "chunked");
    assert.ok(Buffer.from(await put.arrayBuffer()).equals(Buffer.from(large)));
    assert.equal((await (await net.fetch(port, "/chunks")).arrayBuffer()).byteLength, 10_000);
    assert.equal((await net.fetch(port, "/nothing")).body, null);
    assert.equal((await net.fetch(port, new Request(`${url}/`, { method: "HEAD" }))).body, null);
    const moved = await net.fetch(port, "/moved");
    assert.deepEqual([moved.status, moved.headers.get("location"), await moved.text()], [302, "/there", "moved"]);
    const abort = new AbortController();
    const endless = await net.fetch(port, new Request(`${url}/endless`, { signal: abort.signal }));
    const reader = endless.body?.getReader();
    assert.equal((await reader?.read())?.value?.length, 4);
    abort.abort(new Error("enough"));
    await assert.rejects(async () => {
      for (;;) if ((await reader?.read())?.done) return;
    });
  });
});

test("a server that speaks no HTTP, or never stops its head, is an error with a sentence", async () => {
  const answers: readonly (readonly [string, RegExp])[] = [
    ["", /before it had answered/],
    ["SSH-2.0\r\n", /no status/],
    ["HTTP/1.1 200 OK\r\nnot a header\r\n\r\n", /line of its head/],
    ["HTTP/1.1 200 OK\r\nx\x01y: z\r\n\r\n", /cannot be one/],
    // Whoever tries where the value ends does so for years.
    [`HTTP/1.1 200 OK\r\nx:${" ".repeat(60_000)}y\rz\r\n\r\n`, /cannot be one/],
    [`HTTP/1.1 200 OK\r\n:${" ".repeat(60_000)}y\r\n\r\n`, /line of its head/],
    ["HTTP/1.1 700 OK\r\n\r\n", /status is 700/],
    ["HTTP/1.1 101 Switching\r\n\r\n", /status is 101/],
    ["HTTP/1.1 100 Continue\r\n\r\n".repeat(100), /interim/],
    [`HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}\r\n\r\n`, /too long/],
    [`HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}\r\n`, /too long/],
    ["HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", /content-length/],
    ["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", /too early/],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", /no length/],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n", /no length/],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", /does not end/],
    ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc", /too early/],
  ];
  for (const [answer, words] of answers) {
    await serving(
      (socket) => socket.resume().end(answer, "latin1"),
      (port) =>
        assert.rejects(
          net.fetch(port, "/").then((response) => response.arrayBuffer()),
          fails("EPROTO", words),
          JSON.stringify(answer.slice(0, 60)),
        ),
    );
  }
});
