/**
 * Frames: what the host and the agent in a guest say to each other over one port of a virtio console. guests/agent/frames.h
 * tells what each says and is the guest's side of it; a test holds the numbers together.
 */
import { KvmError } from "../../base/errors.js";

export const frameHead = 12;
/** Bytes of the largest frame, its head included. */
export const frameMost = 65536;
/** What one side may send on a channel before the other has said that it wants more, bytes. */
export const agentWindow = 262144;
export const agentVersion = 1;

export const FrameType = {
  hello: 1,
  spawn: 2,
  data: 3,
  end: 4,
  credit: 5,
  signal: 6,
  resize: 7,
  shutdown: 8,
  spawned: 9,
  failed: 10,
  exited: 11,
  done: 12,
} as const;

export const Channel = { input: 0, output: 1, error: 2 } as const;
export type OutputChannel = 1 | 2;

/** At which step a program did not begin. */
export const FailedStep = { system: 0, user: 1, folder: 2, program: 3 } as const;

export interface Frame {
  readonly type: number;
  readonly channel: number;
  /** Whom it is about; 0: nobody. */
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** What came from a guest is not what an agent says. */
export class AgentProtocolError extends Error {
  override readonly name = "AgentProtocolError";
}

/** Puts frames together from bytes in any pieces. It keeps less than one frame, whatever a guest sends. */
export class FrameReader {
  /** Room for one frame, made when the first does not come whole. */
  #frame = new Uint8Array(0);
  #length = 0;

  /** `kept`: what an earlier one had not put together. KvmError, EINVAL: so much never is. */
  constructor(kept: Uint8Array = new Uint8Array(0)) {
    if (kept.length >= frameMost) throw new KvmError("EINVAL", `${kept.length} bytes are no part of a frame`);
    this.#keep(kept);
  }

  /** What has come of a frame that is not whole; a view, good until the next call. */
  get kept(): Uint8Array {
    return this.#frame.subarray(0, this.#length);
  }

  /** Hands each frame to `take`; payloads are good until it returns. Throws AgentProtocolError, and whatever `take` throws. */
  push(bytes: Uint8Array, take: (frame: Frame) => void): void {
    let at = 0;
    while (this.#length > 0 && at < bytes.length) {
      const length = this.#length < frameHead ? frameHead : wholeLength(this.kept);
      const more = bytes.subarray(at, at + Math.max(0, length - this.#length));
      at += more.length;
      this.#keep(more);
      if (this.#length < frameHead || this.#length < wholeLength(this.kept)) continue;
      const whole = this.kept;
      this.#length = 0;
      take(read(whole));
    }
    while (bytes.length - at >= frameHead) {
      const end = at + wholeLength(bytes.subarray(at));
      if (end > bytes.length) break;
      const frame = read(bytes.subarray(at, end));
      at = end;
      take(frame);
    }
    this.#keep(bytes.subarray(at));
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#frame.length === 0) this.#frame = new Uint8Array(frameMost);
    this.#frame.set(bytes, this.#length);
    this.#length += bytes.length;
  }
}

function wholeLength(head: Uint8Array): number {
  const view = new DataView(head.buffer, head.byteOffset);
  const length = view.getUint32(0, true);
  if (length > frameMost - frameHead) throw new AgentProtocolError(`a frame of ${length} bytes`);
  return frameHead + length;
}

function read(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    type: view.getUint16(4, true),
    channel: view.getUint16(6, true),
    stream: view.getUint32(8, true),
    payload: bytes.subarray(frameHead),
  };
}

/** A frame's bytes. */
export function frame(type: number, channel: number, stream: number, payload: Uint8Array = new Uint8Array(0)) {
  const bytes = new Uint8Array(frameHead + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, channel, true);
  view.setUint32(8, stream, true);
  bytes.set(payload, frameHead);
  return bytes;
}

/** Numbers of 32 bits, as payloads have them. */
export function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  for (const [i, value] of values.entries()) new DataView(bytes.buffer).setUint32(4 * i, value, true);
  return bytes;
}

/** What to run. */
export interface AgentRequest {
  /** A program and its arguments, or with `builtIn` the name of what the agent does itself, and its arguments. */
  readonly command: readonly string[];
  readonly builtIn?: boolean;
  /** NAME=VALUE. */
  readonly env?: readonly string[];
  /** Default: the user's home. */
  readonly cwd?: string | undefined;
  /** A name or a number, or either with ":group" behind it. Default: root. */
  readonly user?: string | undefined;
  /** It gets a terminal of this size. */
  readonly terminal?: { readonly rows: number; readonly columns: number } | undefined;
  /** Its stdin is /dev/null. */
  readonly noInput?: boolean;
}

/** Bytes of a request, all its parts together. */
export const requestMost = 2 << 20;
const stringsMost = 32766;
const requestHead = 16;

/** The frames that ask for it. KvmError, E2BIG: larger than a guest's kernel takes. EINVAL: a zero byte, or no program. */
export function spawnFrames(stream: number, request: AgentRequest): Uint8Array[] {
  const { command, env = [], cwd = "", user = "", terminal } = request;
  const strings = [user, cwd, ...command, ...env];
  if (command.length === 0) throw new KvmError("EINVAL", "a command needs at least the program's name");
  // Most of them are paths.
  if (strings.some((text) => typeof text !== "string"))
    throw new KvmError("EINVAL", "a path, a name or an argument is no string");
  const zero = strings.find((text) => text.includes("\0"));
  if (zero !== undefined) throw new KvmError("EINVAL", `${JSON.stringify(zero)} has a zero byte, which ends strings`);
  const texts = new TextEncoder().encode(`${strings.join("\0")}\0`);
  if (command.length > stringsMost || env.length > stringsMost || requestHead + texts.length > requestMost) {
    throw new KvmError("E2BIG", `a command of ${texts.length} bytes; write what is long to a file or to its stdin`);
  }
  const payload = new Uint8Array(requestHead + texts.length);
  const view = new DataView(payload.buffer);
  view.setUint32(0, (terminal ? 1 : 0) | (request.noInput ? 2 : 0) | (request.builtIn ? 4 : 0), true);
  view.setUint16(4, terminal?.rows ?? 0, true);
  view.setUint16(6, terminal?.columns ?? 0, true);
  view.setUint32(8, command.length, true);
  view.setUint32(12, env.length, true);
  payload.set(texts, requestHead);
  const frames: Uint8Array[] = [];
  const most = frameMost - frameHead;
  for (let at = 0; at < payload.length; at += most) {
    const more = at + most < payload.length;
    frames.push(frame(FrameType.spawn, more ? 1 : 0, stream, payload.subarray(at, at + most)));
  }
  return frames;
}

/** The request that such frames carry. Throws AgentProtocolError: it is none. */
export function requestIn(payload: Uint8Array): AgentRequest {
  if (payload.length < requestHead || payload.at(-1) !== 0) throw new AgentProtocolError("a request that is none");
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const flags = view.getUint32(0, true);
  const [commands, variables] = [view.getUint32(8, true), view.getUint32(12, true)];
  const strings = new TextDecoder().decode(payload.subarray(requestHead, -1)).split("\0");
  const [user, cwd, ...others] = strings;
  if (commands < 1 || commands + variables !== others.length) throw new AgentProtocolError("a request that is none");
  return {
    command: others.slice(0, commands),
    env: others.slice(commands),
    ...{ user, cwd, builtIn: (flags & 4) !== 0, noInput: (flags & 2) !== 0 },
    terminal: flags & 1 ? { rows: view.getUint16(4, true), columns: view.getUint16(6, true) } : undefined,
  };
}
