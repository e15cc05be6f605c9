/** Bytes that are elsewhere: what is kept of them, and servers that are slow, broken, changing or hostile. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { StorageError } from "./disk.js";
import { openHttp } from "./http-bytes.js";
import { MemoryStore } from "./memory-store.js";
import { OverlayDisk } from "./overlay.js";
import { formatQcow2 } from "./qcow2/header.js";
import { Qcow2Disk } from "./qcow2/qcow2.js";
import { RawDisk } from "./raw.js";
import { blobBytes, NotHereYet, type RemoteBytes, RemoteStore, whenHere } from "./remote-store.js";

const mebibyte = 1 << 20;
const pattern = (length: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(length).map((_, i) => (i * 31 + (i >> 11)) & 0xff);
const fails =
  (words: RegExp) =>
  (error: unknown): true => {
    assert.ok(error instanceof StorageError && words.test(error.message), String(error));
    return true;
  };
const read = async (store: RemoteStore, offset: number, length: number): Promise<Uint8Array> => {
  const bytes = new Uint8Array(length).fill(0xee);
  await whenHere(() => store.read(offset, bytes));
  return bytes;
};

/** Counts what is asked for. */
function counted(source: RemoteBytes) {
  const asked: (readonly [offset: number, length: number])[] = [];
  const read: RemoteBytes["read"] = (offset, length, signal) => {
    asked.push([offset, length]);
    return source.read(offset, length, signal);
  };
  return { asked, source: { ...source, read } };
}

test("a part that is not here is said so, fetched once, and then read at once; beyond the end are zeros", async () => {
  const bytes = pattern(mebibyte + 1000);
  const { asked, source } = counted(blobBytes(new Blob([bytes])));
  const store = new RemoteStore(source);
  const part = new Uint8Array(10);
  assert.throws(() => store.read(5, part), NotHereYet);
  assert.throws(() => store.read(20, part), NotHereYet);
  assert.deepEqual(await read(store, 5, 10), bytes.slice(5, 15));
  assert.equal(asked.length, 1);
  store.read(100, part);
  assert.deepEqual(part, bytes.slice(100, 110));
  assert.deepEqual(
    await read(store, mebibyte - 500, 2000),
    Uint8Array.from([...bytes.slice(mebibyte - 500), ...new Uint8Array(500)]),
  );
  assert.deepEqual(await read(store, 5 * mebibyte, 4), new Uint8Array(4));
  assert.throws(() => store.write(), fails(/only be read/));
});

test("what is kept here is bounded, however much is read, and reading on fetches ahead", async () => {
  const [size, block] = [100 * mebibyte, 262_144];
  const { asked, source } = counted({
    ...{ name: "large", size },
    read: async (offset, length) => new Uint8Array(length).map((_, i) => ((offset + i) / block) & 0xff),
  });
  const store = new RemoteStore(source);
  assert.throws(() => store.read(0, new Uint8Array(64 * mebibyte)), fails(/at once/));
  for (let at = 0; at < size; at += block) assert.equal((await read(store, at, 1))[0], (at / block) & 0xff);
  assert.ok(asked.length < 150, `${asked.length} questions for 400 blocks`);
  const before = asked.length;
  await read(store, size - 10, 10);
  assert.equal(asked.length, before);
  await read(store, 0, 10);
  assert.equal(asked.length, before + 1);
});

test("a qcow2 image that is elsewhere, and an overlay over it: reads and half clusters come when they are here", async () => {
  const memory = new MemoryStore();
  formatQcow2(memory, { size: 4 * mebibyte });
  const none = { deflate: () => assert.fail(), zstd: () => assert.fail() };
  const image = new Qcow2Disk(memory, { decompressors: none });
  const bytes = pattern(4 * mebibyte);
  image.write(0, bytes);
  const file = new Uint8Array(memory.size);
  memory.read(0, file);
  const store = new RemoteStore(blobBytes(new Blob([file])));
  const base = await whenHere(() => new Qcow2Disk(store, { readOnly: true, decompressors: none }));
  const disk = new OverlayDisk(base);
  const wanted = bytes.slice();
  for (let i = 0; i < 40; i++) {
    const at = (i * 104_729 * 512) % (4 * mebibyte);
    const part = new Uint8Array(512).fill(i + 1);
    if (i === 0) assert.throws(() => disk.write(at, part), NotHereYet);
    await whenHere(() => disk.write(at, part));
    wanted.set(part, at);
  }
  const all = new Uint8Array(4 * mebibyte);
  for (let at = 0; at < all.length; at += 65536) await whenHere(() => disk.read(at, all.subarray(at, at + 65536)));
  assert.ok(Buffer.from(all).equals(Buffer.from(wanted)));
  // What failed in between has left nothing behind: as many clusters as were written to, and tables.
  assert.ok(disk.save().size <= (40 + 8) * 65536, `${disk.save().size}`);
});

/** Runs `use` with a server that does `answer` with each question for a range. */
async function serving(
  answer: (range: readonly [from: number, to: number], response: ServerResponse, request: IncomingMessage) => void,
  use: (url: URL) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => {
    const [, from = 0, to = 0] = (/^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? []).map(Number);
    answer([from, to], response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.raw?token=secret`));
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const bytes = pattern(2 * mebibyte);
/** As a server should. */
const send = (
  [from, to]: readonly [number, number],
  response: ServerResponse,
  { etag = '"one"', size = bytes.length, most = Infinity } = {},
): void => {
  const part = bytes.subarray(from, to + 1);
  response.writeHead(206, { "content-range": `bytes ${from}-${to}/${size}`, "content-length": part.length, etag });
  if (most >= part.length) response.end(part);
  else response.write(part.subarray(0, most), () => response.destroy());
};

test("over HTTP: a disk's bytes, and an answer that dies in between is asked for again", async () => {
  let count = 0;
  await serving(
    (range, response) => send(range, response, ++count % 2 === 0 ? { most: 1000 } : {}),
    async (url) => {
      const source = await openHttp(url);
      assert.ok(source.size === bytes.length && !source.name.includes("secret"), source.name);
      const disk = new RawDisk(new RemoteStore(source));
      const all = new Uint8Array(bytes.length);
      for (let at = 0; at < all.length; at += 262_144)
        await whenHere(() => disk.read(at, all.subarray(at, at + 262_144)));
      assert.ok(Buffer.from(all).equals(Buffer.from(bytes)));
      assert.match(disk.version ?? "", /"one"/);
    },
  );
});

test("servers that ignore ranges, have nothing, refuse, lie or send too much are an error with a sentence", async () => {
  const answers: readonly (readonly [RegExp, Parameters<typeof serving>[0]])[] = [
    [/ignores ranges/, (_, response) => void response.end(bytes)],
    [/status 404/, (_, response) => void response.writeHead(404).end()],
    [/status 403/, (_, response) => void response.writeHead(403).end()],
    [/empty/, (_, response) => void response.writeHead(416).end()],
    [/tried 3 times: the server answers with status 503/, (_, response) => void response.writeHead(503).end()],
    [/tried 3 times/, (_, response) => void response.destroy()],
    [/sent "null"|sent ""/, (_, response) => void response.writeHead(206).end("x")],
    [/sent "bytes 5-5\/9"/, (_, response) => void response.writeHead(206, { "content-range": "bytes 5-5/9" }).end("x")],
    [
      /sent "bytes 0-0\/\*"/,
      (_, response) => void response.writeHead(206, { "content-range": "bytes 0-0/*" }).end("x"),
    ],
    [
      /more than the 1 bytes/,
      (_, response) => void response.writeHead(206, { "content-range": "bytes 0-0/9" }).end("xy"),
    ],
    [
      /coding gzip/,
      (_, response) =>
        void response.writeHead(206, { "content-range": "bytes 0-0/9", "content-encoding": "gzip" }).end("x"),
    ],
  ];
  for (const [words, answer] of answers) {
    await serving(answer, (url) => assert.rejects(openHttp(url), fails(words), String(words)));
  }
  await assert.rejects(openHttp(new URL("ftp://example.org/disk")), fails(/http or https/));
  await assert.rejects(openHttp(new URL("http://me:word@example.org/disk")), fails(/password/));
  await assert.rejects(openHttp(new URL("http://127.0.0.1:1/disk")), fails(/tried 3 times/));
});

test("a file that changes on its server, by its ETag or its length, or that dies midway, fails the read and no more", async () => {
  let change: Parameters<typeof send>[2] | "dead" = {};
  await serving(
    (range, response) => (change === "dead" ? response.destroy() : send(range, response, change)),
    async (url) => {
      const store = new RemoteStore(await openHttp(url));
      change = { etag: '"two"' };
      await assert.rejects(read(store, 0, 512), fails(/has changed on its server.*"one", now "two"/));
      change = { size: bytes.length + 512 };
      await assert.rejects(read(store, 0, 512), fails(/has changed/));
      change = "dead";
      await assert.rejects(read(store, 0, 512), fails(/tried 3 times/));
      change = {};
      assert.deepEqual(await read(store, 0, 512), bytes.slice(0, 512));
      store.close();
      await assert.rejects(read(store, mebibyte, 512), fails(/closed/));
    },
  );
});
