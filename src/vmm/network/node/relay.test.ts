/** A relay by its address: Wisp over a real WebSocket over real TCP. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { HostNetwork } from "../host.js";
import { openRelay } from "../relay.js";
import { hostSockets } from "./host-sockets.js";
import { wispServer } from "./wisp-server.test-support.js";

const present = "WebSocket" in globalThis;

if (!present) {
  test("without WebSocket the error says what to do", async () => {
    await assert.rejects(openRelay("ws://127.0.0.1:1/", hostSockets), /VmmError: .*no WebSocket.*Node\.js 22/);
  });

  test("with Node.js 20's own WebSocket", { timeout: 120_000 }, () => {
    const args = ["--experimental-websocket", "--no-warnings", fileURLToPath(import.meta.url)];
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
    assert.equal(status, 0, stdout);
    assert.match(stdout, /pass 3/);
  });
} else {
  /** Sends all of it, ends, and gives what came back. */
  const talk = (network: HostNetwork, port: number, bytes: Uint8Array): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const parts: Uint8Array[] = [];
      const stream = network.connectName?.("echo.example", port, {
        data: (part) => parts.push(part),
        ended: () => resolve(Buffer.concat(parts)),
        failed: () => reject(new Error("it failed")),
      });
      for (let at = 0; at < bytes.length; at += 10_000) stream?.write(bytes.slice(at, at + 10_000), () => undefined);
    });

  test("what is sent comes back, within the room that the relay has", async () => {
    const relay = await wispServer();
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
    let count = 0;
    const echo = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (data) => {
        socket.write(data);
        count += data.length;
        if (count === bytes.length) socket.end();
      });
    });
    await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
    const { port } = echo.address() as AddressInfo;
    const network = await openRelay(relay.url.href, hostSockets);
    try {
      assert.deepEqual(await talk(network, port, bytes), Buffer.from(bytes));
      assert.deepEqual(relay.asked, [`echo.example:${port}`]);
      echo.close();
      await assert.rejects(talk(network, port, bytes), /it failed/);
      // One that was lost is asked for again, when its time has come.
      relay.drop();
      const again = async (tries = 100): Promise<string> => {
        const said = await talk(network, port, bytes).catch(() => "failed");
        if (relay.asked.length > 2 || tries === 0) return String(said);
        await new Promise((resolve) => setTimeout(resolve, 100));
        return again(tries - 1);
      };
      assert.equal(await again(), "failed");
      assert.equal(relay.asked.length, 3);
    } finally {
      network.close?.();
      relay.close();
      echo.close();
    }
  });

  test("a relay that is not there is a sentence", async () => {
    await assert.rejects(openRelay("ws://127.0.0.1:1/", hostSockets), /VmmError: the relay ws:.* cannot be reached/);
  });

  test("one that says what is none of Wisp's is ended", async () => {
    const relay = await wispServer();
    const network = await openRelay(relay.url.href, hostSockets);
    const failed = new Promise<void>((resolve, reject) => {
      network.connect("127.0.0.1", 1, {
        connected: () => relay.say(Uint8Array.of(2)),
        data: () => reject(new Error("data")),
        ended: () => reject(new Error("an end")),
        failed: resolve,
      });
    });
    await failed;
    network.close?.();
    relay.close();
  });
}
