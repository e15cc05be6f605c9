/** All that `createVm` gives, against an agent that keeps to the form of frames and lies in all that they say. */
import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import { agentWindow, type Frame, FrameType, frame, words } from "../vmm/agent/frames.js";
import { type Answer, vmWith, whole } from "./agent.test-support.js";
import { VmError } from "./error.js";

const text = (said: string): Uint8Array => new TextEncoder().encode(said);
const asks = ({ type }: Frame): boolean => type === FrameType.spawn;

/** Answers each request with this, as fast as the host takes it, whatever is asked. */
const saying =
  (output: (asked: string) => Uint8Array): Answer =>
  (asked, say) => {
    if (asked.type === FrameType.spawn) {
      const [, ...frames] = whole(asked.stream, output(new TextDecoder().decode(asked.payload.subarray(16))));
      say(frame(FrameType.spawned, 0, asked.stream, words(7)));
      rest.set(asked.stream, frames);
    } else if (asked.type === FrameType.signal) {
      rest.set(asked.stream, [
        frame(FrameType.end, 1, asked.stream),
        frame(FrameType.end, 2, asked.stream),
        frame(FrameType.exited, 0, asked.stream, words(0, 9)),
        frame(FrameType.done, 0, asked.stream),
      ]);
    }
    const next = (): void => {
      const frames = rest.get(asked.stream) ?? [];
      // Four pieces are less than a window's half.
      say(...frames.splice(0, 4));
      if (frames.length > 0) setImmediate(next);
    };
    if (asks(asked) || asked.type === FrameType.signal) next();
  };
const rest = new Map<number, Uint8Array[]>();

const seeded = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

describe("a hostile agent", () => {
  const conversations = Number(process.env["UNIKVM_DRAWS"] ?? 300);
  const first = Number(process.env["UNIKVM_SEED"] ?? 1);

  test(`${conversations} of them that say of programs what they like: every call comes to an end`, async () => {
    let [fine, failed] = [0, 0];
    for (let seed = first; seed < first + conversations; seed++) {
      const random = seeded(seed);
      const streams: number[] = [];
      const any = (): number => (random(40) === 0 ? random(1000) : (streams[random(streams.length)] ?? 1));
      // Most conversations keep to the order in which frames may come, since the first that does not is the last.
      const wild = random(3) === 0;
      const { vm, agent, say, lost, stop } = vmWith((asked) => {
        if (!asks(asked)) return;
        streams.push(asked.stream);
        const kind = random(6);
        if (kind === 0) return;
        if (kind === 1) return say(frame(FrameType.failed, 0, asked.stream, words(random(200), random(5))));
        const bytes = Uint8Array.from({ length: random(2) * random(3000) }, () => random(256));
        const frames = whole(asked.stream, bytes, random(2) * random(256));
        if (kind === 2) frames.splice(random(frames.length), frames.length);
        say(...frames);
      });
      const calls: Promise<unknown>[] = [
        vm.exec("true"),
        vm.exec(["cat"], { stdin: new Uint8Array(random(2) * 400_000), check: true }),
        vm.spawn("sh", { pty: random(4) === 0 }).then((process) => process.exited),
        vm.fs.readFile("/etc/passwd", "utf8"),
        vm.fs.stat("/"),
        vm.fs.readlink("/x"),
        vm.fs.readdir("/", { withFileTypes: true, recursive: true }),
        vm.fs.writeFile("/x", "y"),
        vm.stats(),
        (async () => {
          for await (const _ of vm.fs.download("/"));
        })(),
      ];
      for (const call of calls)
        call.then(
          () => fine++,
          (error: unknown) => {
            failed++;
            assert.ok(error instanceof VmError, `seed ${seed}: ${String(error)}`);
          },
        );
      for (let turn = 0; turn < 20; turn++) {
        await new Promise(setImmediate);
        if (!wild || lost.length > 0) continue;
        const payload = random(2) === 0 ? words(random(300), random(3)).subarray(0, 4 * (1 + random(2))) : text("some");
        say(frame(random(30) === 0 ? random(70_000) : 3 + random(10), random(3), any(), payload));
      }
      // What was not answered by then is by the end of the machine.
      const kind = lost.length > 0 ? "failed" : "closed";
      stop();
      await Promise.allSettled(calls);
      assert.equal(agent.programs.length, 0);
      assert.equal((await vm.closed).kind, kind);
      await assert.rejects(vm.exec("true"), VmError);
    }
    assert.ok(fine > conversations && failed > conversations, `${fine} calls were answered, ${failed} were not`);
  });

  test("that writes without end and reads nothing is heard as far as it was told, and nothing waits for it", async () => {
    const { vm, agent, port, say, lost } = vmWith((asked, say) => {
      if (asks(asked)) say(frame(FrameType.spawned, 0, asked.stream, words(7)));
    });
    const running = vm.exec("yes");
    running.catch(() => undefined);
    await new Promise(setImmediate);
    const [program] = agent.programs;
    assert.ok(program);
    port.deaf = true;
    // It stops reading with something on its way, as who wants to make much of it would.
    program.kill(1);
    const unsent = (): number => agent.save().unsent.length;
    const before = unsent();
    const piece = new Uint8Array(32768).fill(0x79);
    let taken = 0;
    for (; lost.length === 0 && taken < 64 * agentWindow; taken += piece.length) {
      say(frame(FrameType.data, 1, program.id, piece));
      if (lost.length === 0) assert.equal(unsent(), before);
    }
    assert.match(lost[0]?.message ?? "it goes on", /more output than was asked for/);
    assert.ok(taken <= agentWindow + piece.length);
    await assert.rejects(running, { code: "AGENT_FAILED" });
  });

  test("that reads late is told of its credit then", async () => {
    const credits: number[] = [];
    const { vm, agent, port, say, lost } = vmWith((asked, say) => {
      if (asks(asked)) say(frame(FrameType.spawned, 0, asked.stream, words(7)));
      if (asked.type === FrameType.credit) credits.push(new DataView(asked.payload.buffer).getUint32(0, true));
    });
    const running = vm.exec("yes");
    running.catch(() => undefined);
    await new Promise(setImmediate);
    const [program] = agent.programs;
    port.deaf = true;
    program?.kill(1);
    for (let sent = 0; sent < agentWindow; sent += 32768) {
      say(frame(FrameType.data, 1, program?.id ?? 0, new Uint8Array(32768)));
    }
    port.deaf = false;
    agent.drained();
    await new Promise(setImmediate);
    assert.deepEqual([credits, lost], [[agentWindow], []]);
    void vm.close({ grace: 0 });
  });

  test("that never answers is not waited for beyond a time limit, by who begins a program neither", async () => {
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const { vm } = vmWith(() => undefined);
      const spawned = vm.spawn("cat", { timeout: 100 });
      const run = vm.exec("cat", { timeout: 100 });
      const aborts = new AbortController();
      const aborted = vm.exec("cat", { signal: aborts.signal });
      for (const one of [spawned, run, aborted]) one.catch(() => undefined);
      aborts.abort(new Error("enough"));
      await new Promise(setImmediate);
      mock.timers.tick(100);
      mock.timers.tick(10_000);
      await assert.rejects(spawned, { code: "AGENT_FAILED", message: /does not answer/ });
      assert.deepEqual([(await run).timedOut, (await run).signal], [true, "SIGKILL"]);
      await assert.rejects(aborted, /enough/);
    } finally {
      mock.timers.reset();
    }
  });

  test("whose folders never end, in number or in depth, is left at a bound", async () => {
    // Names of one byte: of all that it could send, these take most on the host.
    const many = new Uint8Array(3 * ((1 << 20) + 1)).map((_, i) => [8, 0x61, 0][i % 3] as number);
    await assert.rejects(vmWith(saying(() => many)).vm.fs.readdir("/"), { code: "EFBIG" });
    let asked = 0;
    const folder = Uint8Array.of(4, 0x61, 0);
    const deep = vmWith(
      saying(() => {
        asked++;
        return folder;
      }),
    );
    const list = deep.vm.fs.readdir("/", { withFileTypes: true, recursive: true });
    await assert.rejects(list, { code: "ENAMETOOLONG" });
    assert.ok(asked < 2100, `${asked} folders`);
    const names = text("a/b\0");
    for (const name of [names, text("..\0"), Uint8Array.of(0), text("no end")]) {
      const bytes = Uint8Array.of(8, ...name);
      await assert.rejects(vmWith(saying(() => bytes)).vm.fs.readdir("/"), { code: "AGENT_FAILED" });
    }
  });

  test("that names many files leaves others their turn while they are put in order", async () => {
    const count = 100_000;
    const random = seeded(first);
    const names = Array.from({ length: count }, (_, i) => `${random(1 << 30).toString(36)}.${i}`);
    const list = text(names.map((name) => `\x08${name}\0`).join(""));
    let [turns, over] = [0, false];
    const turn = (): void => {
      turns++;
      if (!over) setImmediate(turn);
    };
    turn();
    const found = await vmWith(saying(() => list)).vm.fs.readdir("/");
    over = true;
    assert.deepEqual(found, names.sort());
    // What the agent says comes in so many.
    const saidIn = Math.ceil(list.length / 262_144);
    assert.ok(turns > saidIn + 40, `${turns} turns, of which ${saidIn} were to hear it (seed ${first})`);
  });

  test("that has a gigabyte to say of its kernel is stopped at a megabyte", async () => {
    const { vm, agent } = vmWith(saying(() => new Uint8Array(2 << 20)));
    await assert.rejects(vm.stats(), { code: "EFBIG" });
    assert.ok(agent.received < 6 << 20, `${agent.received} bytes`);
  });
});
