/** Somebody who talks to an agent through somebody else: what is said of his programs, and what he says that is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AgentConnection, type ProgramEvents } from "./connection.js";
import { agentWindow, type Frame, FrameReader, FrameType, frame, spawnFrames, words } from "./frames.js";
import { AgentRelay } from "./relay.js";

/** A guest that says what the test has it say, and two hosts: the near one, and one behind a relay. */
function relayed() {
  const heard: Frame[] = [];
  const told: string[] = [];
  const fromNear = new FrameReader();
  const near = new AgentConnection({ ready() {}, lost() {} }, () => ({ now: 0 }));
  near.connect({
    open: true,
    send: (bytes) => {
      fromNear.push(bytes, (one) => heard.push({ ...one, payload: one.payload.slice() }));
      return bytes.length;
    },
    resume() {},
  });
  near.opened(true);
  near.output(frame(FrameType.hello, 0, 0, words(1)));
  const far = new AgentConnection(
    { ready: () => told.push("ready"), lost: ({ message }) => told.push(`lost: ${message}`) },
    () => ({ now: 0 }),
  );
  let closed = 0;
  const relay = new AgentRelay(near, { send: (bytes) => void far.output(bytes), close: () => closed++ });
  far.connect({
    open: true,
    send: (bytes) => {
      relay.push(bytes);
      return bytes.length;
    },
    resume() {},
  });
  const events: ProgramEvents = {
    spawned: (pid) => told.push(`spawned ${pid}`),
    failed: (errno, step) => told.push(`failed ${errno} ${step}`),
    output: (channel, bytes) => told.push(`output ${channel} ${bytes.length}`),
    outputEnded: (channel) => told.push(`ended ${channel}`),
    room: () => told.push("room"),
    inputEnded: () => told.push("input ended"),
    exited: (status, signal) => told.push(`exited ${status} ${signal}`),
    done: () => told.push("done"),
    lost: ({ message }) => told.push(`program lost: ${message}`),
  };
  const say = (...frames: readonly Uint8Array[]): void => {
    for (const bytes of frames) near.output(bytes);
  };
  return { near, far, relay, heard, told, events, say, closed: () => closed };
}

/** So many bytes of stdout. */
function output(length: number, stream: number): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let left = length; left > 0; left -= 1 << 15) {
    frames.push(frame(FrameType.data, 1, stream, new Uint8Array(Math.min(left, 1 << 15))));
  }
  return frames;
}

test("a program behind a relay is as one that is near, and credits go from end to end", () => {
  const { near, far, heard, told, events, say } = relayed();
  far.opened(true);
  assert.deepEqual(told.splice(0), ["ready"]);
  // The numbers of the two are others.
  near.spawn({ command: ["own"] }, events);
  const request = { command: ["sh", "-c", "x".repeat(100_000)], env: ["A=b"], cwd: "/tmp", user: "7" };
  const program = far.spawn({ ...request, terminal: { rows: 3, columns: 4 } }, events);
  const asked = heard.filter(({ type, stream }) => type === FrameType.spawn && stream === 2);
  const wanted = spawnFrames(2, { ...request, terminal: { rows: 3, columns: 4 } });
  assert.deepEqual(
    asked.map(({ payload }) => payload),
    wanted.map((bytes) => bytes.subarray(12)),
  );
  say(frame(FrameType.spawned, 0, 2, words(42)), ...output(agentWindow / 2, 2));
  const credits = () => heard.filter(({ type }) => type === FrameType.credit).length;
  assert.equal(credits(), 0);
  program.want(1, agentWindow / 2 - 1);
  assert.equal(credits(), 0);
  program.want(1, 1);
  assert.equal(credits(), 1);
  assert.equal(program.write(new Uint8Array(agentWindow + 1)), agentWindow);
  say(frame(FrameType.credit, 0, 2, words(5)));
  assert.equal(program.write(new Uint8Array(100)), 5);
  program.kill(15);
  program.resize(8, 9);
  program.endInput();
  say(frame(FrameType.exited, 0, 2, words(3, 0)), frame(FrameType.end, 1, 2), frame(FrameType.done, 0, 2));
  assert.deepEqual(told, [
    "spawned 42",
    ...Array.from({ length: 4 }, () => "output 1 32768"),
    "room",
    "exited 3 0",
    "ended 1",
    "done",
  ]);
  const last = heard.slice(-3).map(({ type, stream, payload }) => [type, stream, ...payload]);
  assert.deepEqual(last, [
    [FrameType.signal, 2, 15, 0, 0, 0],
    [FrameType.resize, 2, 8, 0, 9, 0],
    [FrameType.end, 2],
  ]);
});

test("who leaves takes the programs with him, and the end of the VM is the end", () => {
  const one = relayed();
  one.far.opened(true);
  one.far.spawn({ command: ["x"] }, one.events);
  one.say(frame(FrameType.spawned, 0, 1, words(42)));
  one.relay.close();
  const killed = one.heard.find(({ type }) => type === FrameType.signal);
  assert.deepEqual([...(killed?.payload ?? [])], [9, 0, 0, 0]);
  // What the guest still says of it goes nowhere, and harms nobody.
  one.say(frame(FrameType.data, 1, 1, new Uint8Array(5)), frame(FrameType.exited, 0, 1, words(0, 9)));
  one.say(frame(FrameType.end, 1, 1), frame(FrameType.end, 2, 1), frame(FrameType.done, 0, 1));
  assert.deepEqual(one.told, ["ready", "spawned 42"]);
  assert.equal(one.near.programs.length, 0);
  const two = relayed();
  two.far.opened(true);
  two.far.spawn({ command: ["x"] }, two.events);
  two.near.lose(new Error("over"));
  assert.equal(two.closed(), 1);
});

test("who says what no host says is hung up on, and nobody else is", () => {
  const [spawn = new Uint8Array(0)] = spawnFrames(1, { command: ["x"] });
  const cases: Readonly<Record<string, readonly Uint8Array[]>> = {
    "a frame that is too long": [words(65536, 0, 0)],
    "a request that is none": [frame(FrameType.spawn, 0, 1, new Uint8Array(20))],
    "a request without an end": [frame(FrameType.spawn, 0, 1, new Uint8Array(17).fill(1))],
    "a request of nothing": [frame(FrameType.spawn, 1, 1)],
    "a request of too much": Array.from({ length: 40 }, () => frame(FrameType.spawn, 1, 1, new Uint8Array(65000))),
    "a number twice": [spawn, spawn],
    "an exit": [spawn, frame(FrameType.exited, 0, 1, words(0, 0))],
    "more input than there is room for": [
      spawn,
      ...Array.from({ length: 5 }, () => frame(FrameType.data, 0, 1, new Uint8Array(65000))),
    ],
    "input to an output": [spawn, frame(FrameType.data, 1, 1, new Uint8Array(1))],
    "more credit than a window": [spawn, frame(FrameType.credit, 1, 1, words(1))],
    "no credit": [spawn, frame(FrameType.credit, 1, 1, words(0))],
    "credit for input": [spawn, frame(FrameType.credit, 0, 1, words(1))],
    "a signal that there is not": [spawn, frame(FrameType.signal, 0, 1, words(65))],
    "half a number": [spawn, frame(FrameType.resize, 0, 1, new Uint8Array(2))],
  };
  for (const [what, frames] of Object.entries(cases)) {
    const { relay, near, told, events, say, closed } = relayed();
    for (const bytes of frames) relay.push(bytes);
    assert.equal(closed(), 1, what);
    relay.push(spawn);
    near.spawn({ command: ["own"] }, events);
    say(frame(FrameType.spawned, 0, near.programs.length, words(7)));
    assert.equal(told.at(-1), "spawned 7", what);
  }
});
