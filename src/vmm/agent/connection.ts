/**
 * The host's end of the conversation with the agent in a guest. The guest is hostile: what it sends is bounded by what was
 * asked for, and whatever breaks the rules ends the conversation, once and for all who wait.
 */
import { KvmError } from "../../base/errors.js";
import { boolean, bytes, having, integer, listOf, oneOf, optional, u32 } from "../../base/takes.js";
import { ByteQueue } from "../core/byte-queue.js";
import type { ConsolePort, ConsolePortEnd } from "../devices/virtio/console.js";
import {
  AgentProtocolError,
  type AgentRequest,
  agentVersion,
  agentWindow,
  Channel,
  type Frame,
  FrameReader,
  FrameType,
  frame,
  frameHead,
  frameMost,
  type OutputChannel,
  spawnFrames,
  words,
} from "./frames.js";

/** What becomes of a program. Of each that may come once, it comes at most once. */
export interface ProgramEvents {
  spawned(pid: number): void;
  /** It does not run; `step` as FailedStep. `done` follows. */
  failed(errno: number, step: number): void;
  /** `bytes` are good until this returns. */
  output(channel: OutputChannel, bytes: Uint8Array): void;
  outputEnded(channel: OutputChannel): void;
  /** There is room for more input. */
  room(): void;
  /** The program reads no more input. */
  inputEnded(): void;
  /** `signal` is 0 if it ended by itself. */
  exited(status: number, signal: number): void;
  /** Nothing more comes. */
  done(): void;
  /** The conversation has ended before. Nothing more comes. */
  lost(error: Error): void;
}

/** For a program that nobody waits for. */
export const unheard: ProgramEvents = {
  ...{ spawned() {}, failed() {}, output() {}, outputEnded() {}, room() {}, inputEnded() {}, exited() {} },
  ...{ done() {}, lost() {} },
};

interface Side {
  credit: number;
  /** Who writes said that this was all, or who reads that no more is wanted. */
  ended: boolean;
}

interface Output extends Side {
  wanted: boolean;
  /** Of its credit, what the guest was not told of yet. */
  untold: number;
}

/** The guest is told of credit when it is so much: each time costs it an interrupt, and its agent a turn. */
const creditPiece = agentWindow / 2;

/** A program in the guest, or something that the agent does itself. */
export class AgentProgram {
  readonly id: number;
  #events: ProgramEvents;
  readonly #kept: ((events: ProgramEvents) => void)[];
  readonly #send: (bytes: Uint8Array) => void;
  /** Whether the guest has taken all that it was sent. */
  readonly #heard: () => boolean;
  readonly input: Side = { credit: agentWindow, ended: false };
  readonly outputs: Readonly<Record<OutputChannel, Output>> = {
    1: { credit: agentWindow, untold: 0, ended: false, wanted: true },
    2: { credit: agentWindow, untold: 0, ended: false, wanted: true },
  };
  phase: "asked" | "running" | "failed" | "exited" | "gone" = "asked";
  /** Since it runs. */
  pid = 0;
  /** It is something that the agent does itself. */
  builtIn = false;

  /** `kept`: what was told before somebody took it over. */
  constructor(
    id: number,
    events: ProgramEvents,
    send: (bytes: Uint8Array) => void,
    heard: () => boolean,
    kept: ((events: ProgramEvents) => void)[] = [],
  ) {
    this.id = id;
    this.#events = events;
    this.#send = send;
    this.#heard = heard;
    this.#kept = kept;
  }

  get events(): ProgramEvents {
    return this.#events;
  }

  /** Of what was restored: who hears of it from now on, what was told meanwhile first. */
  takeOver(events: ProgramEvents): void {
    this.#events = events;
    for (const tell of this.#kept.splice(0)) tell(events);
  }

  /** Gives it input: how many bytes of it there was room for. `events.room` tells when there is more. */
  write(bytes: Uint8Array): number {
    let done = 0;
    while (!this.#inputOver && done < bytes.length && this.input.credit > 0) {
      const part = bytes.subarray(done, done + Math.min(this.input.credit, frameMost - frameHead));
      this.#send(frame(FrameType.data, Channel.input, this.id, part));
      this.input.credit -= part.length;
      done += part.length;
    }
    return done;
  }

  /** That was all of its input. */
  endInput(): void {
    if (this.#inputOver) return;
    this.input.ended = true;
    this.#send(frame(FrameType.end, Channel.input, this.id));
  }

  /** So many more bytes of output are wanted: as many as were taken from what came. */
  want(channel: OutputChannel, count: number): void {
    const side = this.outputs[channel];
    if (count === 0 || side.ended || !side.wanted || this.phase === "gone") return;
    side.credit += count;
    side.untold += count;
    this.#tell(channel);
  }

  /** Of what was wanted meanwhile, when the guest has taken all that it was sent. */
  tellCredit(): void {
    this.#tell(1);
    this.#tell(2);
  }

  /** Of a guest that writes without end and never reads, no more waits than this number. */
  #tell(channel: OutputChannel): void {
    const side = this.outputs[channel];
    if (side.untold < creditPiece || side.ended || !side.wanted || !this.#heard()) return;
    this.#send(frame(FrameType.credit, channel, this.id, words(side.untold)));
    side.untold = 0;
  }

  /** No more output is wanted: the program is told when it writes. */
  endOutput(channel: OutputChannel): void {
    const side = this.outputs[channel];
    if (side.ended || !side.wanted || this.phase === "gone") return;
    side.wanted = false;
    this.#send(frame(FrameType.end, channel, this.id));
  }

  /** Sends a signal, by its number, to the group that it is the first of. */
  kill(signal: number): void {
    if (this.phase !== "gone") this.#send(frame(FrameType.signal, 0, this.id, words(signal)));
  }

  /** Changes the size of its terminal. */
  resize(rows: number, columns: number): void {
    if (this.phase !== "gone") this.#send(frame(FrameType.resize, 0, this.id, words(rows | (columns << 16))));
  }

  get #inputOver(): boolean {
    return this.input.ended || this.phase === "gone" || this.phase === "failed";
  }
}

export interface AgentEvents {
  /** The agent answers: programs can run. Again after each `greet`. */
  ready(): void;
  /** The guest has broken the rules, or the agent has gone. Everybody who waits was told. */
  lost(error: Error): void;
  /**
   * The guest's kernel has taken the port from the agent, as it does before it turns itself off (Linux, device_shutdown): nobody is told
   * yet. Without this, it is lost.
   */
  taken?(): void;
}

/** What the guest is told of itself when the conversation begins. */
export interface Greeting {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Up to 64 bytes in ASCII. Default: what it is. */
  readonly hostName?: string;
}

/** The host's half of a conversation, as a plain value: what the guest has said and was told so far. */
export interface AgentState {
  readonly kept: Uint8Array;
  readonly unsent: Uint8Array;
  readonly greeted: boolean;
  /** Greetings that are not answered. Default: none. */
  readonly asked?: number | undefined;
  readonly nextId: number;
  readonly programs: readonly {
    readonly id: number;
    readonly phase: AgentProgram["phase"];
    /** Default: 0, false. */
    readonly pid?: number | undefined;
    readonly builtIn?: boolean | undefined;
    readonly input: Side;
    readonly outputs: Readonly<Record<OutputChannel, Side & { readonly wanted: boolean }>>;
  }[];
}

const side = { credit: integer(0, agentWindow), ended: boolean };
const output = having({ ...side, wanted: boolean });
const agentState = having({
  kept: bytes,
  unsent: bytes,
  greeted: boolean,
  asked: optional(u32),
  nextId: u32,
  programs: listOf(
    having({
      id: u32,
      phase: oneOf("asked", "running", "failed", "exited"),
      pid: optional(u32),
      builtIn: optional(boolean),
      input: having(side),
      outputs: having({ 1: output, 2: output }),
    }),
  ),
});

export class AgentConnection implements ConsolePortEnd {
  readonly name = "org.unikvm.agent.0";
  readonly #events: AgentEvents;
  readonly #greeting: () => Greeting;
  readonly #reader: FrameReader;
  readonly #programs = new Map<number, AgentProgram>();
  #outgoing: Uint8Array[] = [];
  /** A program has credit that the guest was not told of, since it has not taken what it was sent. */
  #creditWaits = false;
  #port: ConsolePort | undefined;
  #nextId = 1;
  /** The agent has answered a greeting. */
  #greeted = false;
  /** Greetings that it has not answered. */
  #asked = 0;
  #lost: Error | undefined;
  /** Bytes to the guest, and from it. */
  sent = 0;
  received = 0;

  /**
   * `state` is what an earlier `save` gave: then `greet` is to be called when the guest runs again. What is told of its
   * programs is kept until somebody takes them over (`programs`). KvmError, EINVAL: it is no such state.
   */
  constructor(events: AgentEvents, greeting: () => Greeting, state?: AgentState) {
    this.#events = events;
    this.#greeting = greeting;
    if (state !== undefined) agentState(state, "new AgentConnection", "state");
    this.#reader = new FrameReader(state?.kept);
    if (state === undefined) return;
    if (state.unsent.length > 0) this.#outgoing.push(state.unsent.slice());
    this.#greeted = state.greeted;
    this.#asked = state.asked ?? 0;
    this.#nextId = state.nextId;
    for (const { id, phase, pid = 0, builtIn = false, input, outputs } of state.programs) {
      const kept: ((events: ProgramEvents) => void)[] = [];
      const program = this.#program(id, keeping(kept), kept);
      Object.assign(program, { phase, pid, builtIn });
      Object.assign(program.input, input);
      Object.assign(program.outputs[1], outputs[1]);
      Object.assign(program.outputs[2], outputs[2]);
      this.#programs.set(id, program);
    }
  }

  /** While the guest stands still. */
  save(): AgentState {
    const unsent = new ByteQueue();
    for (const bytes of this.#outgoing) unsent.append(bytes);
    return {
      kept: this.#reader.kept.slice(),
      unsent: unsent.peek().slice(),
      greeted: this.#greeted,
      asked: this.#asked,
      nextId: this.#nextId,
      programs: this.programs.map(({ id, phase, pid, builtIn, input, outputs }) => ({
        ...{ id, phase, pid, builtIn, input: { ...input } },
        outputs: { 1: savedOutput(outputs[1]), 2: savedOutput(outputs[2]) },
      })),
    };
  }

  /** The port that this is the end of; before the guest runs. */
  connect(port: ConsolePort): void {
    this.#port = port;
  }

  /** Programs of which it is not known that nothing more comes. */
  get programs(): readonly AgentProgram[] {
    return [...this.#programs.values()];
  }

  /** Runs a program. KvmError, EINVAL, E2BIG: as `spawnFrames`. */
  spawn(request: AgentRequest, events: ProgramEvents): AgentProgram {
    const id = this.#nextId;
    const frames = spawnFrames(id, request);
    if (this.#lost) throw this.#lost;
    // A guest does not live to see all numbers used; those of programs that live are left out all the same.
    do this.#nextId = (this.#nextId % 0xffff_fffe) + 1;
    while (this.#programs.has(this.#nextId));
    const program = this.#program(id, events);
    program.builtIn = request.builtIn ?? false;
    // What a terminal shows is all one.
    if (request.terminal) program.outputs[2].ended = true;
    this.#programs.set(id, program);
    for (const bytes of frames) this.#send(bytes);
    return program;
  }

  #program(id: number, events: ProgramEvents, kept?: ((events: ProgramEvents) => void)[]): AgentProgram {
    const heard = (): boolean => {
      const all = this.#outgoing.length === 0;
      this.#creditWaits ||= !all;
      return all;
    };
    return new AgentProgram(id, events, (bytes) => this.#send(bytes), heard, kept);
  }

  /** Tells the guest the time, its name, and something random; `ready` follows. */
  greet(): void {
    const { now, hostName = "" } = this.#greeting();
    const name = new TextEncoder().encode(hostName);
    if (name.length > 64) throw new KvmError("EINVAL", `a host's name has at most 64 bytes, not ${name.length}`);
    const payload = new Uint8Array(16 + 64 + name.length);
    const view = new DataView(payload.buffer);
    view.setUint32(0, agentVersion, true);
    view.setUint32(4, Math.floor((now % 1000) * 1e6), true);
    view.setBigUint64(8, BigInt(Math.floor(now / 1000)), true);
    crypto.getRandomValues(payload.subarray(16, 80));
    payload.set(name, 80);
    this.#asked++;
    this.#send(frame(FrameType.hello, 0, 0, payload));
  }

  /** Has the guest end programs, write what is to be written, and turn itself off. `grace`: milliseconds after SIGTERM. */
  shutDown(grace: number): void {
    this.#send(frame(FrameType.shutdown, 0, 0, words(grace)));
  }

  /** Ends the conversation; who waits is told `error`. */
  lose(error: Error): void {
    if (this.#lost) return;
    this.#lost = error;
    this.#outgoing = [];
    const programs = [...this.#programs.values()];
    this.#programs.clear();
    for (const program of programs) {
      program.phase = "gone";
      program.events.lost(error);
    }
    this.#events.lost(error);
  }

  output(bytes: Uint8Array): boolean {
    if (this.#lost) return true;
    this.received += bytes.length;
    try {
      this.#reader.push(bytes, (one) => this.#hear(one));
    } catch (error) {
      if (!(error instanceof AgentProtocolError)) throw error;
      this.lose(error);
    }
    return true;
  }

  opened(open: boolean, byReset = false): void {
    if (open) {
      this.greet();
      // A twin was greeted before.
      this.drained();
    } else if (byReset && this.#events.taken) this.#events.taken();
    else this.lose(new AgentProtocolError("it has closed its port"));
  }

  drained(): void {
    if (this.#outgoing.length === 0) return;
    for (let first = this.#outgoing[0]; first; first = this.#outgoing[0]) {
      const sent = this.#port?.send(first) ?? 0;
      if (sent < first.length) {
        this.#outgoing[0] = first.subarray(sent);
        return;
      }
      this.#outgoing.shift();
    }
    if (!this.#creditWaits) return;
    this.#creditWaits = false;
    for (const program of this.#programs.values()) program.tellCredit();
  }

  #send(bytes: Uint8Array): void {
    if (this.#lost) return;
    this.sent += bytes.length;
    this.#outgoing.push(bytes);
    if (this.#outgoing.length === 1) this.drained();
  }

  #hear(one: Frame): void {
    if (this.#lost) return;
    if (one.type === FrameType.hello) {
      const [version] = numbers(one, 1);
      if (version !== agentVersion) throw new AgentProtocolError(`an agent of version ${version}, not ${agentVersion}`);
      if (this.#asked === 0) throw new AgentProtocolError("it greets without being asked");
      this.#asked--;
      this.#greeted = true;
      this.#events.ready();
      return;
    }
    const program = this.#programs.get(one.stream);
    if (!this.#greeted || !program) throw new AgentProtocolError(`a frame about program ${one.stream}, which is none`);
    this.#hearOf(program, one);
  }

  #hearOf(program: AgentProgram, one: Frame): void {
    const { events } = program;
    switch (one.type) {
      case FrameType.spawned: {
        const [pid = 0] = numbers(one, 1);
        inOrder(program.phase === "asked", "a program began twice");
        program.phase = "running";
        program.pid = pid;
        events.spawned(pid);
        return;
      }
      case FrameType.failed: {
        const [errno = 0, step = 0] = numbers(one, 2);
        inOrder(program.phase === "asked", "a program failed to begin after it had begun");
        program.phase = "failed";
        events.failed(errno, step);
        return;
      }
      case FrameType.data:
        hearOutput(program, one);
        return;
      case FrameType.end: {
        if (one.channel === Channel.input) {
          if (!program.input.ended) events.inputEnded();
          program.input.ended = true;
          return;
        }
        const channel = outputChannel(one);
        inOrder(!program.outputs[channel].ended, "an output ended twice");
        program.outputs[channel].ended = true;
        events.outputEnded(channel);
        return;
      }
      case FrameType.credit: {
        const [count = 0] = numbers(one, 1);
        inOrder(one.channel === Channel.input, "it gives credit for what it writes itself");
        inOrder(count <= agentWindow - program.input.credit, "it takes more input than it was given");
        program.input.credit += count;
        if (!program.input.ended) events.room();
        return;
      }
      case FrameType.exited: {
        const [status = 0, signal = 0] = numbers(one, 2);
        inOrder(program.phase === "running" && status < 256 && signal < 128, "a program ended that did not run");
        program.phase = "exited";
        events.exited(status, signal);
        return;
      }
      case FrameType.done: {
        const { 1: output, 2: error } = program.outputs;
        const over = program.phase === "failed" || (program.phase === "exited" && output.ended && error.ended);
        inOrder(over, "a program was forgotten before it ended");
        this.#programs.delete(program.id);
        program.phase = "gone";
        events.done();
        return;
      }
      default:
        throw new AgentProtocolError(`a frame of type ${one.type}`);
    }
  }
}

/** As the guest knows it: whoever goes on with it wants the rest. */
const savedOutput = ({ credit, untold, ended, wanted }: Output) => ({ credit: credit - untold, ended, wanted });

/** Keeps what is told of a program that nobody has taken over: output as far as there is credit, and the rest once. */
function keeping(kept: ((events: ProgramEvents) => void)[]): ProgramEvents {
  const keep = (tell: (events: ProgramEvents) => void): void => void kept.push(tell);
  return {
    spawned: (pid) => keep((to) => to.spawned(pid)),
    failed: (errno, step) => keep((to) => to.failed(errno, step)),
    output: (channel, bytes) => {
      const own = bytes.slice();
      keep((to) => to.output(channel, own));
    },
    outputEnded: (channel) => keep((to) => to.outputEnded(channel)),
    // Whoever takes it over tries.
    room: () => undefined,
    inputEnded: () => keep((to) => to.inputEnded()),
    exited: (status, signal) => keep((to) => to.exited(status, signal)),
    done: () => keep((to) => to.done()),
    lost: (error) => keep((to) => to.lost(error)),
  };
}

function hearOutput(program: AgentProgram, one: Frame): void {
  const channel = outputChannel(one);
  const side = program.outputs[channel];
  inOrder(!side.ended && program.phase !== "failed", "output after its end");
  // Each piece is for something, so that nobody has to keep more pieces than bytes.
  inOrder(one.payload.length > 0, "a piece of output without a byte");
  inOrder(one.payload.length <= side.credit - side.untold, "more output than was asked for");
  side.credit -= one.payload.length;
  if (side.wanted) program.events.output(channel, one.payload);
}

function outputChannel({ channel }: Frame): OutputChannel {
  if (channel !== Channel.output && channel !== Channel.error) throw new AgentProtocolError(`output to ${channel}`);
  return channel;
}

function numbers({ payload, type }: Frame, count: number): number[] {
  if (payload.length !== 4 * count) {
    throw new AgentProtocolError(`a frame of type ${type} with ${payload.length} bytes, not ${4 * count}`);
  }
  const view = new DataView(payload.buffer, payload.byteOffset);
  return Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
}

function inOrder(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AgentProtocolError(what);
}
