/** A VM that is nothing but the agent in its guest, which a test plays. */
import { AgentConnection } from "../vmm/agent/connection.js";
import { type Frame, FrameReader, FrameType, frame, words } from "../vmm/agent/frames.js";
import type { Outcome } from "../vmm/core/machine.js";
import { ConsoleLog } from "./console.js";
import { VmError } from "./error.js";
import { LinuxVm } from "./vm.js";

/** What the agent does with a frame: it gets what there is of the program's request, and says what it likes. */
export type Answer = (asked: Frame, say: (...frames: readonly Uint8Array[]) => void) => void;

/** A VM whose machine is nothing but its agent. */
export function vmWith(answer: Answer) {
  let end: (outcome: Outcome) => void = () => undefined;
  const ended = new Promise<Outcome>((resolve) => (end = resolve));
  let vm: LinuxVm | undefined;
  const lost: Error[] = [];
  const hear = (error: Error): void => {
    lost.push(error);
    vm?.failed(error);
  };
  const agent = new AgentConnection({ ready: () => undefined, lost: hear }, () => ({ now: 0 }));
  const reader = new FrameReader();
  const port = { open: true, deaf: false, resume: () => undefined, send: (_: Uint8Array): number => 0 };
  const say = (...frames: readonly Uint8Array[]): void => {
    for (const bytes of frames) agent.output(bytes);
  };
  port.send = (bytes) => {
    if (port.deaf) return 0;
    // As a guest does, it answers later.
    const own = bytes.slice();
    queueMicrotask(() => reader.push(own, (one) => answer({ ...one, payload: one.payload.slice() }, say)));
    return bytes.length;
  };
  agent.connect(port);
  agent.opened(true);
  say(frame(FrameType.hello, 0, 0, words(1)));
  const refused = (): Promise<never> => Promise.reject(new VmError("NOT_SUPPORTED", "a test"));
  vm = new LinuxVm({
    machine: {
      cpus: 1,
      describe: async () => ({}),
      generatedCode: async () => 0,
      input: () => undefined,
      pause: async () => undefined,
      resume: () => undefined,
      stop: () => end({ kind: "stopped" }),
      ended,
      capture: refused,
      captureDisks: refused,
      twins: refused,
    },
    agent,
    log: new ConsoleLog(),
    options: { limits: { output: 1 << 20 } },
    packTree: undefined,
    report: () => undefined,
    fork: refused,
    snapshot: refused,
  });
  return { vm, agent, port, say, lost, stop: () => end({ kind: "stopped" }) };
}

/** A program that has run to its end, with this on stdout. */
export function whole(stream: number, output: Uint8Array, status = 0): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < output.length; at += 32768) {
    pieces.push(frame(FrameType.data, 1, stream, output.subarray(at, at + 32768)));
  }
  return [
    frame(FrameType.spawned, 0, stream, words(7)),
    ...pieces,
    frame(FrameType.end, 1, stream),
    frame(FrameType.end, 2, stream),
    frame(FrameType.exited, 0, stream, words(status, 0)),
    frame(FrameType.done, 0, stream),
  ];
}
