/** The guest's requests by fetch, with a fetch of the test's own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fetchGateway } from "./fetch-gateway.js";

interface Asked {
  readonly url: string;
  readonly init: RequestInit;
}

/** What the guest has for what it writes, piece by piece. */
async function exchange(
  pieces: readonly (string | Uint8Array)[],
  answer: (asked: Asked) => Promise<Response>,
  { secure = true, end = false, port = 80 } = {},
): Promise<{ text: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const fetch = (url: string, init: RequestInit): Promise<Response> => {
    asked.push({ url, init });
    return answer({ url, init });
  };
  const gateway = fetchGateway({ fetch, secure });
  const text = await new Promise<string>((resolve, reject) => {
    let said = "";
    const stream = gateway.connectName?.("example.org", port, {
      connected: () => {
        for (const piece of pieces) {
          stream?.write(typeof piece === "string" ? new TextEncoder().encode(piece) : piece, () => undefined);
        }
        if (end) stream?.end();
      },
      data: (bytes) => {
        said += new TextDecoder().decode(bytes);
      },
      ended: () => resolve(said),
      failed: () => reject(new Error("failed")),
    });
  });
  return { text, asked };
}

const never = async (): Promise<Response> => assert.fail("nothing is to be fetched");

test("a request is fetched, and its answer is the guest's", async () => {
  const { text, asked } = await exchange(
    [
      "POST /a?b HTTP/1.1\r\nHost: exam",
      "ple.org\r\nAccept: */*\r\nCookie: a=b\r\nContent-Le",
      "ngth: 5\r\n\r\nhe",
      "llo",
      "GET / ",
    ],
    async () => new Response("world", { status: 201, headers: { "X-Own": "1", "Content-Encoding": "gzip" } }),
  );
  assert.equal(asked.length, 1);
  const { url, init } = asked[0] as Asked;
  assert.equal(url, "https://example.org/a?b");
  assert.equal(init.method, "POST");
  assert.equal(init.credentials, "omit");
  assert.equal(new TextDecoder().decode(init.body as Uint8Array), "hello");
  assert.deepEqual(init.headers, [
    ["Accept", "*/*"],
    ["Cookie", "a=b"],
  ]);
  assert.match(text, /^HTTP\/1\.1 201 \r\n/);
  assert.match(text, /\r\nx-own: 1\r\n/);
  assert.doesNotMatch(text, /content-encoding/);
  assert.match(text, /\r\nconnection: close\r\n\r\nworld$/);
});

test("a page without TLS fetches without, and a port is kept", async () => {
  const ok = async () => new Response("");
  const { asked } = await exchange(["GET / HTTP/1.0\r\n\r\n"], ok, { secure: false, port: 8080 });
  assert.equal(asked[0]?.url, "http://example.org:8080/");
});

test("what cannot be fetched is an answer that says so", async () => {
  const { text } = await exchange(["GET / HTTP/1.1\r\n\r\n"], async () => {
    throw new TypeError("Failed to fetch");
  });
  assert.match(
    text,
    /^HTTP\/1\.1 502 [\s\S]*https:\/\/example\.org cannot be fetched by this page: Failed to fetch\n$/,
  );
});

test("a hostile guest's request is not sent on, and nothing of it is kept beyond a bound", async () => {
  const long = new Uint8Array(70_000).fill(0x61);
  const rows: readonly (readonly [number, ...(string | Uint8Array)[]])[] = [
    [400, "GET http://other.example/ HTTP/1.1\r\n\r\n"],
    [400, "GET //a b HTTP/1.1\r\n\r\n"],
    [400, "GET / HTTP/1.1\r\nName : x\r\n\r\n"],
    [400, "GET / HTTP/1.1\r\nA: \0\r\n\r\n"],
    [400, "\x16\x03\x01\r\n\r\n"],
    [400, "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
    [411, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    [413, "POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n"],
    [431, long],
  ];
  for (const [status, ...pieces] of rows) {
    const { text } = await exchange(pieces, never);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), String(pieces[0]).slice(0, 60));
  }
  assert.match((await exchange(["GET / HT"], never, { end: true })).text, /^HTTP\/1\.1 400 /);
});
