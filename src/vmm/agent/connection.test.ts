/** The host's end of the conversation with an agent that says what it likes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConsolePort } from "../devices/virtio/console.js";
import { AgentConnection, type ProgramEvents } from "./connection.js";
import {
  agentWindow,
  type Frame,
  FrameReader,
  FrameType,
  frame,
  frameHead,
  frameMost,
  spawnFrames,
  words,
} from "./frames.js";

/** A guest that hears everything and says what the test has it say. */
function conversation() {
  const heard: Frame[] = [];
  const told: string[] = [];
  const reader = new FrameReader();
  const port: ConsolePort = {
    open: true,
    send: (bytes) => {
      reader.push(bytes, (one) => heard.push({ ...one, payload: one.payload.slice() }));
      return bytes.length;
    },
    resume: () => undefined,
  };
  const connection = new AgentConnection(
    { ready: () => told.push("ready"), lost: (error) => told.push(`lost: ${error.message}`) },
    () => ({ now: 1_700_000_000_123, hostName: "twin" }),
  );
  connection.connect(port);
  connection.opened(true);
  const say = (...frames: readonly Uint8Array[]): void => {
    for (const bytes of frames) assert.equal(connection.output(bytes), true);
  };
  const greet = (): void => say(frame(FrameType.hello, 0, 0, words(1)));
  const events: ProgramEvents = {
    spawned: (pid) => told.push(`spawned ${pid}`),
    failed: (errno, step) => told.push(`failed ${errno} ${step}`),
    output: (channel, bytes) => told.push(`output ${channel} ${new TextDecoder().decode(bytes)}`),
    outputEnded: (channel) => told.push(`ended ${channel}`),
    room: () => told.push("room"),
    inputEnded: () => told.push("input ended"),
    exited: (status, signal) => told.push(`exited ${status} ${signal}`),
    done: () => told.push("done"),
    lost: (error) => told.push(`program lost: ${error.message}`),
  };
  return { connection, heard, told, say, greet, events };
}

test("greets with the time, something random and a name, and is ready when the agent answers", () => {
  const { heard, told, greet } = conversation();
  const [{ payload, type }] = heard as [Frame];
  const view = new DataView(payload.buffer);
  assert.equal(type, FrameType.hello);
  assert.equal(view.getBigUint64(8, true), 1_700_000_000n);
  assert.equal(view.getUint32(4, true), 123_000_000);
  assert.notDeepEqual(payload.slice(16, 80), new Uint8Array(64));
  assert.equal(new TextDecoder().decode(payload.slice(80)), "twin");
  assert.deepEqual(told, []);
  greet();
  assert.deepEqual(told, ["ready"]);
});

test("tells of a program from its beginning to its end, in frames cut anywhere", () => {
  const said = [
    frame(FrameType.spawned, 0, 1, words(42)),
    frame(FrameType.data, 1, 1, new TextEncoder().encode("out")),
    frame(FrameType.data, 2, 1, new TextEncoder().encode("err")),
    frame(FrameType.exited, 0, 1, words(3, 0)),
    frame(FrameType.end, 1, 1),
    frame(FrameType.end, 2, 1),
    frame(FrameType.done, 0, 1),
  ];
  const all = Buffer.concat(said);
  for (let size = 1; size <= all.length; size++) {
    const { connection, told, say, greet, events } = conversation();
    greet();
    connection.spawn({ command: ["x"] }, events);
    for (let at = 0; at < all.length; at += size) say(Uint8Array.from(all.subarray(at, at + size)));
    const expected = [
      "ready",
      "spawned 42",
      "output 1 out",
      "output 2 err",
      "exited 3 0",
      "ended 1",
      "ended 2",
      "done",
    ];
    assert.deepEqual(told, expected);
    assert.equal(connection.programs.length, 0);
  }
});

test("gives input as far as there is credit", () => {
  const { connection, heard, told, say, greet, events } = conversation();
  greet();
  const program = connection.spawn({ command: ["x"] }, events);
  assert.equal(program.write(new Uint8Array(agentWindow + 5)), agentWindow);
  assert.equal(program.write(new Uint8Array(1)), 0);
  say(frame(FrameType.credit, 0, 1, words(7)));
  assert.equal(program.write(new Uint8Array(100)), 7);
  program.endInput();
  assert.equal(program.write(new Uint8Array(1)), 0);
  const data = heard.filter(({ type }) => type === FrameType.data);
  assert.equal(
    data.reduce((sum, { payload }) => sum + payload.length, 0),
    agentWindow + 7,
  );
  assert.ok(data.every(({ payload }) => payload.length <= frameMost - frameHead));
  assert.deepEqual(told, ["ready", "room"]);
});

test("tells of credit in halves of a window, and a save has what the guest knows", () => {
  const { connection, heard, say, greet, events } = conversation();
  greet();
  const program = connection.spawn({ command: ["x"] }, events);
  const piece = new Uint8Array(1 << 15);
  const outputs = (count: number): void => {
    say(...Array.from({ length: count }, () => frame(FrameType.data, 1, 1, piece)));
    for (let i = 0; i < count; i++) program.want(1, piece.length);
  };
  const credits = () =>
    heard.flatMap(({ type, payload }) => (type === FrameType.credit ? [Buffer.from(payload).readUInt32LE()] : []));
  outputs(3);
  assert.deepEqual(credits(), []);
  assert.equal(connection.save().programs[0]?.outputs[1].credit, agentWindow - 3 * piece.length);
  outputs(1);
  assert.deepEqual(credits(), [agentWindow / 2]);
  assert.equal(connection.save().programs[0]?.outputs[1].credit, agentWindow);
  // However often it was saved and goes on, the guest is not left without.
  outputs(3);
  const again = new AgentConnection({ ready() {}, lost() {} }, () => ({ now: 0 }), connection.save());
  const sent: Frame[] = [];
  const reader = new FrameReader();
  const send = (bytes: Uint8Array): number => {
    reader.push(bytes, (one) => sent.push({ ...one, payload: one.payload.slice() }));
    return bytes.length;
  };
  again.connect({ open: true, resume: () => undefined, send });
  const [restored] = again.programs;
  const side = restored?.outputs[1];
  assert.ok(restored && side);
  restored.want(1, agentWindow - side.credit);
  for (let left = 5; left > 0; left--) {
    again.output(frame(FrameType.data, 1, 1, piece));
    restored.want(1, piece.length);
  }
  assert.deepEqual([sent.map(({ type }) => type), side.credit], [[FrameType.credit, FrameType.credit], agentWindow]);
});

test("a guest that breaks the rules is heard no more, and who waits is told", () => {
  const begun = frame(FrameType.spawned, 0, 1, words(42));
  const cases: Readonly<Record<string, readonly Uint8Array[]>> = {
    "a frame that is too long": [words(frameMost, 0, 0)],
    "a type that there is not": [frame(99, 0, 1)],
    "a program that there is not": [frame(FrameType.done, 0, 7)],
    "a greeting unasked": [frame(FrameType.hello, 0, 0, words(1))],
    "a beginning too many": [begun, begun],
    "a beginning with half a number": [frame(FrameType.spawned, 0, 1, new Uint8Array(3))],
    "an end before the beginning": [frame(FrameType.exited, 0, 1, words(0, 0))],
    "a status that there is not": [begun, frame(FrameType.exited, 0, 1, words(256, 0))],
    "two ends": [begun, frame(FrameType.exited, 0, 1, words(0, 0)), frame(FrameType.exited, 0, 1, words(0, 0))],
    "a failure after the beginning": [begun, frame(FrameType.failed, 0, 1, words(2, 3))],
    "the last frame too early": [begun, frame(FrameType.done, 0, 1)],
    "an output ended twice": [frame(FrameType.end, 1, 1), frame(FrameType.end, 1, 1)],
    "output after its end": [frame(FrameType.end, 1, 1), frame(FrameType.data, 1, 1, new Uint8Array(1))],
    "output to stdin": [frame(FrameType.data, 0, 1, new Uint8Array(1))],
    "output of no bytes": [frame(FrameType.data, 1, 1)],
    "more output than was asked for": Array.from({ length: 5 }, () =>
      frame(FrameType.data, 1, 1, new Uint8Array(frameMost - frameHead)),
    ),
    "credit for what it writes itself": [frame(FrameType.credit, 1, 1, words(1))],
    "credit for input that it was not given": [frame(FrameType.credit, 0, 1, words(1))],
  };
  for (const [what, frames] of Object.entries(cases)) {
    const { connection, told, say, greet, events } = conversation();
    greet();
    const program = connection.spawn({ command: ["x"] }, events);
    say(...frames);
    assert.ok(told.at(-1)?.startsWith("lost: "), `${what}: ${told}`);
    assert.ok(told.at(-2)?.startsWith("program lost: "), what);
    const before = told.length;
    say(begun, new Uint8Array(100));
    program.write(new Uint8Array(10));
    assert.equal(told.length, before, what);
    assert.throws(() => connection.spawn({ command: ["x"] }, events));
  }
});

test("goes on from a state, in the middle of a frame, and greets again", () => {
  const one = conversation();
  one.greet();
  one.connection.spawn({ command: ["x"] }, one.events).write(new Uint8Array(1000));
  const data = frame(FrameType.data, 1, 1, new TextEncoder().encode("after"));
  one.say(frame(FrameType.spawned, 0, 1, words(42)), data.slice(0, 14));
  const state = structuredClone(one.connection.save());

  const told: string[] = [];
  const twin = new AgentConnection(
    { ready: () => told.push("ready"), lost: ({ message }) => told.push(message) },
    () => ({ now: 0 }),
    state,
  );
  const [program] = twin.programs;
  assert.ok(program);
  twin.greet();
  twin.output(data.slice(14));
  assert.equal(program.pid, 42);
  // What nobody has heard of yet is kept for who takes it over.
  program.takeOver({ ...one.events, output: (_, bytes) => told.push(new TextDecoder().decode(bytes)) });
  twin.output(frame(FrameType.hello, 0, 0, words(1)));
  assert.deepEqual(told, ["after", "ready"]);
  assert.equal(program.write(new Uint8Array(agentWindow)), agentWindow - 1000);
  assert.throws(() => new AgentConnection({ ready() {}, lost() {} }, () => ({ now: 0 }), { ...state, nextId: -1 }), {
    code: "EINVAL",
  });
});

test("a port that is closed is the end of the conversation", () => {
  const { connection, told, greet, events } = conversation();
  greet();
  connection.spawn({ command: ["x"] }, events);
  connection.opened(false);
  assert.deepEqual(told.slice(1), ["program lost: it has closed its port", "lost: it has closed its port"]);
  const early = conversation();
  early.connection.opened(false);
  assert.deepEqual(early.told, ["lost: it has closed its port"]);
});

test("a port that the guest's kernel takes is not lost where somebody wants to know", () => {
  const without = conversation();
  without.greet();
  without.connection.opened(false, true);
  assert.deepEqual(without.told.slice(1), ["lost: it has closed its port"]);
  const told: string[] = [];
  const events = { ready() {}, lost: ({ message }: Error) => told.push(message), taken: () => told.push("taken") };
  const connection = new AgentConnection(events, () => ({ now: 0 }));
  connection.opened(false, true);
  assert.deepEqual(told, ["taken"]);
  connection.lose(new Error("it did not end"));
  assert.deepEqual(told, ["taken", "it did not end"]);
});

/** A million took two minutes once, and found no more. */
const randomFrames = 30_000;

test(`${randomFrames} random frames: no error but the one, and nothing kept`, () => {
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let lost = 0;
  let frames = 0;
  while (frames < randomFrames) {
    const { connection, told, greet, events } = conversation();
    greet();
    for (let i = 0; i < 3; i++) connection.spawn({ command: ["x"] }, { ...events, output: () => undefined });
    // Mostly what makes sense, so that it goes on for a while.
    for (let i = 0; i < 100 && !told.at(-1)?.startsWith("lost"); i++, frames++) {
      const type = random(50) === 0 ? random(70000) : 3 + random(10);
      const payload =
        type === FrameType.data
          ? new Uint8Array(1 + random(200))
          : words(random(300), random(2)).subarray(0, 4 * (1 + random(2)));
      connection.output(frame(type, random(20) === 0 ? random(4) : 1, 1 + random(4), payload));
      if (random(30) === 0) connection.output(Uint8Array.from({ length: random(40) }, () => random(256)));
      told.splice(0, told.length - 1);
    }
    lost += 1;
    if (told.at(-1)?.startsWith("lost")) assert.equal(connection.programs.length, 0);
  }
  assert.ok(lost > randomFrames / 1000, `${lost} conversations`);
});

test("what no frame can hold is refused before it is sent", () => {
  assert.throws(() => spawnFrames(1, { command: [] }), { code: "EINVAL" });
  assert.throws(() => spawnFrames(1, { command: ["a\0b"] }), { code: "EINVAL" });
  assert.throws(() => spawnFrames(1, { command: ["x".repeat(3 << 20)] }), { code: "E2BIG" });
  assert.throws(() => spawnFrames(1, { command: Array<string>(40_000).fill("") }), { code: "E2BIG" });
  const parts = spawnFrames(1, { command: ["sh", "-c", "x".repeat(100_000)] });
  assert.deepEqual(
    parts.map((bytes) => bytes[6]),
    [1, 0],
  );
  assert.throws(() => new FrameReader(new Uint8Array(frameMost)), { code: "EINVAL" });
});
