/** A snapshot from a server that sends more, less or other than a snapshot. */
import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { writeSnapshot } from "../vmm/snapshot/format.js";
import { nodePlatform } from "../vmm/snapshot/node/platform.js";
import { fetchSnapshot } from "./snapshot-fetch.js";

let snapshot = new Uint8Array(0);
/** Bytes that were sent of the answer that does not end. */
let sent = 0;
let stopped: Promise<void>;

/** Sends for ever, as fast as it is taken. */
function endless(response: ServerResponse, begin: Uint8Array): void {
  sent = 0;
  stopped = new Promise((resolve) => response.on("close", resolve));
  const more = Buffer.alloc(65536, 1);
  const go = (): void => {
    while (!response.destroyed && response.write(more)) sent += more.length;
  };
  response.on("drain", go);
  response.write(begin);
  go();
}

const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
  "/whole": (response) => response.end(snapshot),
  "/cut": (response) => response.end(snapshot.subarray(0, snapshot.length - 5)),
  "/short": (response) => response.end("text"),
  "/none": (response) => response.writeHead(404).end(),
  "/said": (response) => response.writeHead(200, { "Content-Length": String(2 ** 40) }).write("UNIKVMSN"),
  "/tail": (response) => endless(response, snapshot),
  "/noise": (response) => endless(response, new Uint8Array(0)),
  // A front whose head is longer than any.
  "/head": (response) => endless(response, Buffer.concat([snapshot.subarray(0, 12), Buffer.alloc(4, 255)])),
};
const server = createServer(({ url = "" }, response) => answers[url]?.(response));

before(async () => {
  const parts: Uint8Array[] = [];
  const state = { machine: "pseries" } as never;
  const saved = { state, hardware: {}, created: 0, images: {} };
  await writeSnapshot(saved, { platform: nodePlatform, packing: "stored", by: "test" }, async (bytes) => {
    parts.push(bytes);
  });
  snapshot = new Uint8Array(Buffer.concat(parts));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
after(() => {
  server.closeAllConnections();
  server.close();
});

const get = (path: string): Promise<Blob> =>
  fetchSnapshot(new URL(path, `http://127.0.0.1:${(server.address() as AddressInfo).port}`), nodePlatform, undefined);

test("what is a snapshot comes whole; one that is cut off is refused", async () => {
  assert.deepEqual(new Uint8Array(await (await get("/whole")).arrayBuffer()), snapshot);
  await assert.rejects(get("/cut"), /is damaged or cut off/);
});

test("a server that sends without end is left as soon as that is seen", { timeout: 60_000 }, async () => {
  for (const [path, why] of [
    ["/tail", /sends more than the \d+ bytes/],
    ["/noise", /is no snapshot/],
    ["/head", /its head has 4294967295 bytes/],
  ] as const) {
    await assert.rejects(get(path), why);
    await stopped;
    assert.ok(sent < 32 << 20, `${path}: ${sent} bytes were taken`);
  }
});

test("what is said to be too long, or is none, is refused with a sentence", async () => {
  await assert.rejects(get("/said"), { code: "EFBIG" });
  await assert.rejects(get("/short"), /is no snapshot: it is too short/);
  await assert.rejects(get("/none"), { code: "ENOENT" });
});
