/** The host's sockets, where what a guest asks of them cannot be. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { test } from "node:test";
import { hostSockets } from "./host-sockets.js";

test("datagrams to where there is no way are lost, the first and those after it", async () => {
  // Only who asks for it reaches all.
  const flow = hostSockets.datagrams("255.255.255.255", 9, () => assert.fail("nobody answers"));
  for (let count = 0; count < 20; count++) {
    flow.send(Uint8Array.of(count));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  flow.close();
  flow.send(Uint8Array.of(0));
  flow.close();
});

test("datagrams go there and back, as they come, until their end", async () => {
  const echo = createSocket("udp4");
  await new Promise<void>((resolve) => echo.bind(0, "127.0.0.1", resolve));
  echo.on("message", (bytes, from) => echo.send(bytes, from.port, from.address));
  const got: number[] = [];
  const flow = hostSockets.datagrams("127.0.0.1", echo.address().port, (bytes) => void got.push(...bytes));
  flow.send(Uint8Array.of(1));
  for (let tries = 0; tries < 500 && got.length === 0; tries++) await new Promise((resolve) => setTimeout(resolve, 2));
  flow.send(Uint8Array.of(2));
  for (let tries = 0; tries < 500 && got.length === 1; tries++) await new Promise((resolve) => setTimeout(resolve, 2));
  flow.close();
  flow.send(Uint8Array.of(3));
  echo.close();
  assert.deepEqual(got, [1, 2]);
});
