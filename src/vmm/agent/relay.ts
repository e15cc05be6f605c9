/**
 * Lets somebody who is not here talk to a guest's agent: what comes are the frames of an `AgentConnection` at the other end of
 * a pipe, and each of its programs becomes one of the connection that there is. Credits go from end to end, so that nothing
 * gathers here. Who leaves takes the programs with him.
 */
import type { AgentConnection, AgentProgram, ProgramEvents } from "./connection.js";
import {
  AgentProtocolError,
  agentVersion,
  agentWindow,
  Channel,
  type Frame,
  FrameReader,
  FrameType,
  frame,
  type OutputChannel,
  requestIn,
  requestMost,
  words,
} from "./frames.js";

/** Programs that one may have at a time. */
const mostPrograms = 256;

interface Relayed {
  readonly program: AgentProgram;
  /** Of its input's credit, what the other end knows. */
  known: number;
}

export interface RelayEnd {
  send(bytes: Uint8Array): void;
  /** Nothing more comes: the VM has ended, or what came was no frame. */
  close(): void;
}

export class AgentRelay {
  readonly #agent: Pick<AgentConnection, "spawn">;
  readonly #end: RelayEnd;
  readonly #reader = new FrameReader();
  readonly #programs = new Map<number, Relayed>();
  /** Of a request that is not whole. */
  #request: Uint8Array[] = [];
  #closed = false;

  constructor(agent: Pick<AgentConnection, "spawn">, end: RelayEnd) {
    this.#agent = agent;
    this.#end = end;
  }

  /** What came from the other end. */
  push(bytes: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#reader.push(bytes, (one) => this.#hear(one));
    } catch {
      // It may be another version; whatever it is, it has broken the rules.
      this.close();
    }
  }

  /** The other end has left, or is to. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { program } of this.#programs.values()) {
      program.kill(9);
      program.endOutput(Channel.output);
      program.endOutput(Channel.error);
      program.endInput();
    }
    this.#programs.clear();
    this.#end.close();
  }

  #say(type: number, channel: number, stream: number, payload?: Uint8Array): void {
    if (!this.#closed) this.#end.send(frame(type, channel, stream, payload));
  }

  #hear({ type, channel, stream, payload }: Frame): void {
    if (this.#closed) return;
    if (type === FrameType.hello) this.#say(FrameType.hello, 0, 0, words(agentVersion));
    else if (type === FrameType.spawn) this.#spawn(channel !== 0, stream, payload);
    else {
      const relayed = this.#programs.get(stream);
      // Its end may be on its way.
      if (relayed) tell(relayed, { type, channel, payload });
    }
  }

  #spawn(more: boolean, stream: number, payload: Uint8Array): void {
    this.#request.push(payload.slice());
    const length = this.#request.reduce((sum, part) => sum + part.length, 0);
    inOrder(length <= requestMost && payload.length > 0);
    if (more) return;
    const whole = new Uint8Array(length);
    let at = 0;
    for (const part of this.#request) {
      whole.set(part, at);
      at += part.length;
    }
    this.#request = [];
    inOrder(stream !== 0 && !this.#programs.has(stream) && this.#programs.size < mostPrograms);
    const program = this.#agent.spawn(requestIn(whole), this.#events(stream));
    this.#programs.set(stream, { program, known: agentWindow });
  }

  #events(stream: number): ProgramEvents {
    return {
      spawned: (pid) => this.#say(FrameType.spawned, 0, stream, words(pid)),
      failed: (errno, step) => this.#say(FrameType.failed, 0, stream, words(errno, step)),
      output: (channel, bytes) => this.#say(FrameType.data, channel, stream, bytes),
      outputEnded: (channel) => this.#say(FrameType.end, channel, stream),
      room: () => {
        const relayed = this.#programs.get(stream);
        const more = relayed ? relayed.program.input.credit - relayed.known : 0;
        if (!relayed || more <= 0) return;
        relayed.known += more;
        this.#say(FrameType.credit, Channel.input, stream, words(more));
      },
      inputEnded: () => this.#say(FrameType.end, Channel.input, stream),
      exited: (status, signal) => this.#say(FrameType.exited, 0, stream, words(status, signal)),
      done: () => {
        this.#programs.delete(stream);
        this.#say(FrameType.done, 0, stream);
      },
      lost: () => this.close(),
    };
  }
}

/** What is said of a program that there is. */
function tell(relayed: Relayed, { type, channel, payload }: Pick<Frame, "type" | "channel" | "payload">): void {
  const { program } = relayed;
  switch (type) {
    case FrameType.data:
      inOrder(channel === Channel.input && payload.length <= relayed.known);
      relayed.known -= program.write(payload);
      return;
    case FrameType.end:
      if (channel === Channel.input) program.endInput();
      else program.endOutput(outputChannel(channel));
      return;
    case FrameType.credit: {
      const [count] = numbers(payload);
      const output = program.outputs[outputChannel(channel)];
      inOrder(count > 0 && output.credit + count <= agentWindow);
      program.want(outputChannel(channel), count);
      return;
    }
    case FrameType.signal: {
      const [number] = numbers(payload);
      inOrder(number >= 1 && number <= 64);
      program.kill(number);
      return;
    }
    case FrameType.resize: {
      const [size] = numbers(payload);
      program.resize(size & 0xffff, size >>> 16);
      return;
    }
    default:
      throw new AgentProtocolError(`a frame of type ${type} to an agent`);
  }
}

function outputChannel(channel: number): OutputChannel {
  inOrder(channel === Channel.output || channel === Channel.error);
  return channel as OutputChannel;
}

function numbers(payload: Uint8Array): [number] {
  inOrder(payload.length === 4);
  return [new DataView(payload.buffer, payload.byteOffset).getUint32(0, true)];
}

function inOrder(condition: boolean): asserts condition {
  if (!condition) throw new AgentProtocolError("what comes to the relay is not what a host says");
}
