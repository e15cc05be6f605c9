import assert from "node:assert/strict";
import { test } from "node:test";
import { escapes } from "./escape.js";

function typed(...chunks: readonly string[]): string[] {
  const events: string[] = [];
  const type = escapes({
    send: (bytes) => void events.push(new TextDecoder().decode(bytes)),
    leave: () => void events.push("<leave>"),
    help: () => void events.push("<help>"),
  });
  for (const chunk of chunks) type(new TextEncoder().encode(chunk));
  return events;
}

test("keys go through", () => assert.deepEqual(typed("ls\r", "\x03"), ["ls\r", "\x03"]));
test("leave and help, in either case", () =>
  assert.deepEqual(typed("a\x01xb", "\x01X\x01h"), ["a", "<leave>", "b", "<leave>", "<help>"]));
test("a Ctrl-A is sent by two, or by A", () => assert.deepEqual(typed("\x01\x01", "\x01a"), ["\x01", "\x01"]));
test("the letter may come in the next chunk", () => assert.deepEqual(typed("l\x01", "xs"), ["l", "<leave>", "s"]));
test("any other letter is swallowed", () => assert.deepEqual(typed("\x01q"), []));
