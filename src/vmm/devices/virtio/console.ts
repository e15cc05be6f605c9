/**
 * Ports: streams of bytes between programs in a guest and the host, each under a name. Who does not read holds up who writes
 * to the same port, and nothing else: nothing is kept here but what the driver's buffers hold.
 * Source: Virtual I/O Device (VIRTIO) 1.1, "Console Device"; names of Linux's virtio_console.h.
 */
import { KvmError } from "../../../base/errors.js";
import { boolean, having, integer, listOf, size } from "../../../base/takes.js";
import { lengthOf, type VirtioBuffer, type VirtioDevice, type VirtioQueue, type VirtioTransport } from "./device.js";

const VIRTIO_CONSOLE_F_MULTIPORT = 1n << 1n;

const VIRTIO_CONSOLE_DEVICE_READY = 0;
const VIRTIO_CONSOLE_PORT_ADD = 1;
const VIRTIO_CONSOLE_PORT_READY = 3;
const VIRTIO_CONSOLE_PORT_OPEN = 6;
const VIRTIO_CONSOLE_PORT_NAME = 7;

const queueSize = 64;
const [controlReceive, controlTransmit] = [2, 3];
const controlSize = 8;
const configSize = 12;
const mostPortsAt = 4;
const mostPorts = 31;
const mostNameBytes = 64;
/** A guest's bytes are handed on in pieces of at most so many. */
const pieceSize = 65536;
/** After so many pieces others have their turn: a guest's descriptors may name the same memory as often as it likes. */
const piecesAtOnce = 64;

/** What the driver is still to be told of a port. */
const Tell = { add: 1, name: 2, open: 4 } as const;

/** What becomes of a port's bytes. */
export interface ConsolePortEnd {
  /** Up to 64 bytes in UTF-8; the guest finds it in /sys/class/virtio-ports. */
  readonly name: string;
  /** Bytes of the guest, good until it returns. False: no more until `resume` is called. */
  output(bytes: Uint8Array): boolean;
  /** A program in the guest has opened or closed the port; or `byReset`: the guest's kernel has reset the device. */
  opened?(open: boolean, byReset: boolean): void;
  /** There is room again, after `send` had not taken all. */
  drained?(): void;
}

/** A port as the host uses it. */
export interface ConsolePort {
  /** Whether a program in the guest has it open. */
  readonly open: boolean;
  /** Gives bytes to the guest: how many of them it had room for. None while it has not opened the port: `opened` tells. */
  send(bytes: Uint8Array): number;
  /** More of the guest's bytes are wanted. */
  resume(): void;
}

export interface VirtioConsoleState {
  readonly ports: readonly {
    readonly ready: boolean;
    readonly open: boolean;
    readonly tell: number;
    /** Bytes of the first buffer to come that were handed on already. */
    readonly handedOn: number;
  }[];
}

const tell = integer(0, Tell.add | Tell.name | Tell.open);
const consoleState = having({ ports: listOf(having({ ready: boolean, open: boolean, tell, handedOn: size })) });

/** A buffer that is done with, for `giveAll`. */
interface Filled {
  readonly buffer: VirtioBuffer;
  readonly written: number;
}

class Port implements ConsolePort {
  readonly end: ConsolePortEnd;
  readonly name: Uint8Array;
  readonly #queue: (kind: "receive" | "transmit") => VirtioQueue | undefined;
  /** Has `handOn` called again, later. */
  readonly #again: () => void;
  /** The driver knows it. */
  ready = false;
  open = false;
  tell = 0;
  handedOn = 0;
  #stopped = false;
  #handing = false;
  /** Pieces that are handed on before others have their turn. */
  #left = 0;
  /** For all pieces that are handed on: a new one for each costs more than what is copied into it. */
  #piece: Uint8Array | undefined;
  /** Bytes wait at the host for room. */
  #waiting = false;

  constructor(
    end: ConsolePortEnd,
    queue: (kind: "receive" | "transmit") => VirtioQueue | undefined,
    again: () => void,
  ) {
    this.end = end;
    this.#queue = queue;
    this.#again = again;
    this.name = new TextEncoder().encode(end.name);
    if (this.name.length === 0 || this.name.length > mostNameBytes) {
      throw new KvmError("EINVAL", `a port's name has 1 to ${mostNameBytes} bytes, not ${this.name.length}`);
    }
  }

  reset(): void {
    [this.ready, this.tell, this.handedOn, this.#waiting] = [false, 0, 0, false];
    this.setOpen(false, true);
  }

  setOpen(open: boolean, byReset = false): void {
    if (open === this.open) return;
    this.open = open;
    this.end.opened?.(open, byReset);
  }

  send(bytes: Uint8Array): number {
    let done = 0;
    const queue = this.open ? this.#queue("receive") : undefined;
    const filled: Filled[] = [];
    // A buffer without room takes nothing: no more of them than there can be.
    while (queue && done < bytes.length && filled.length < queueSize) {
      const buffer = queue.take();
      const written = buffer && queue.fill(buffer, bytes.subarray(done));
      if (!buffer || written === undefined) break;
      filled.push({ buffer, written });
      done += written;
    }
    // The driver is told of all of them once.
    queue?.giveAll(filled);
    this.#waiting = this.open && done < bytes.length;
    return done;
  }

  /** The driver has added buffers to receive in. */
  room(): void {
    if (!this.#waiting || !this.open) return;
    this.#waiting = false;
    this.end.drained?.();
  }

  resume(): void {
    this.#stopped = false;
    this.handOn();
  }

  /** Hands on what the driver has added, until the host has enough. It gets all of that back at once. */
  handOn(): void {
    const queue = this.#handing ? undefined : this.#queue("transmit");
    if (!queue) return;
    this.#handing = true;
    this.#left = piecesAtOnce;
    const read: Filled[] = [];
    try {
      // The driver may add more while this runs: no more than a queue's worth at a time.
      while (read.length < queueSize && !this.#stopped) {
        const buffer = queue.take();
        if (!buffer || !this.#handOnBuffer(queue, buffer)) return;
        read.push({ buffer, written: 0 });
      }
    } finally {
      this.#handing = false;
      queue.giveAll(read);
    }
  }

  /** False: it is not finished. */
  #handOnBuffer(queue: VirtioQueue, buffer: VirtioBuffer): boolean {
    const length = lengthOf(buffer.readable);
    while (this.handedOn < length && !this.#stopped && this.#left > 0) {
      this.#piece ??= new Uint8Array(pieceSize);
      const piece = this.#piece.subarray(0, Math.min(pieceSize, length - this.handedOn));
      if (!queue.copy(buffer, this.handedOn, piece)) return false;
      this.handedOn += piece.length;
      this.#stopped = !this.end.output(piece);
      this.#left--;
    }
    if (this.handedOn < length) {
      queue.putBack(buffer);
      if (!this.#stopped) this.#again();
      return false;
    }
    this.handedOn = 0;
    return true;
  }
}

export class VirtioConsole implements VirtioDevice {
  readonly id = 3;
  /** A communication device of no other kind. */
  readonly classCode = 0x07_8000;
  readonly features = VIRTIO_CONSOLE_F_MULTIPORT;
  readonly queues: readonly number[];
  readonly config = new Uint8Array(configSize);
  readonly #ports: readonly Port[];
  #transport: VirtioTransport | undefined;
  #multiport = false;

  /** `state` is what an earlier `save` gave. EINVAL: it is not, or of other ports; or there are none, or too many. */
  constructor(ends: readonly ConsolePortEnd[], state?: VirtioConsoleState) {
    if (ends.length < 1 || ends.length > mostPorts) {
      throw new KvmError("EINVAL", `a virtio console has 1 to ${mostPorts} ports, not ${ends.length}`);
    }
    this.#ports = ends.map(
      (end, id) =>
        new Port(
          end,
          (kind) => this.#transport?.queue(portQueue(id) + (kind === "receive" ? 0 : 1)),
          () => this.#transport?.again(portQueue(id) + 1),
        ),
    );
    this.queues = Array<number>(2 * (ends.length + 1)).fill(queueSize);
    new DataView(this.config.buffer).setUint32(mostPortsAt, ends.length, true);
    if (state !== undefined) this.#restore(state);
  }

  /** In the order in which they were given. */
  get ports(): readonly ConsolePort[] {
    return this.#ports;
  }

  save(): VirtioConsoleState {
    return { ports: this.#ports.map(({ ready, open, tell, handedOn }) => ({ ready, open, tell, handedOn })) };
  }

  #restore(state: VirtioConsoleState): void {
    consoleState(state, "new VirtioConsole", "state");
    if (state.ports.length !== this.#ports.length) {
      throw new KvmError(
        "EINVAL",
        `the saved console has ${state.ports.length} ports; this one has ${this.#ports.length}`,
      );
    }
    for (const [id, { ready, open, tell, handedOn }] of state.ports.entries()) {
      const port = this.#ports[id];
      if (port) Object.assign(port, { ready, open, tell, handedOn });
    }
  }

  attach(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  accepted(features: bigint): void {
    this.#multiport = (features & VIRTIO_CONSOLE_F_MULTIPORT) !== 0n;
    // A driver that knows of one port has it open.
    if (!this.#multiport) this.#ports[0]?.setOpen(true);
  }

  reset(): void {
    this.#multiport = false;
    for (const port of this.#ports) port.reset();
  }

  notify(index: number, queue: VirtioQueue): void {
    if (this.#multiport && index === controlReceive) this.#tell();
    else if (this.#multiport && index === controlTransmit) this.#listen(queue);
    else {
      const id = index < 2 ? 0 : index < 4 ? -1 : (index - 2) >> 1;
      const port = this.#multiport || id === 0 ? this.#ports[id] : undefined;
      if (index & 1) port?.handOn();
      else port?.room();
    }
  }

  /** What the driver says of the device and its ports. */
  #listen(queue: VirtioQueue): void {
    for (let count = 0; count < queueSize; count++) {
      const buffer = queue.take();
      if (!buffer) break;
      const bytes = new Uint8Array(controlSize);
      const whole = lengthOf(buffer.readable) >= controlSize;
      if (whole && !queue.copy(buffer, 0, bytes)) return;
      queue.give(buffer, 0);
      if (whole) this.#hear(new DataView(bytes.buffer));
    }
    this.#tell();
  }

  #hear(message: DataView): void {
    const [id, event, value] = [message.getUint32(0, true), message.getUint16(4, true), message.getUint16(6, true)];
    if (event === VIRTIO_CONSOLE_DEVICE_READY) {
      if (value === 1) for (const port of this.#ports) port.tell |= Tell.add;
      return;
    }
    const port = this.#ports[id];
    if (!port) return;
    if (event === VIRTIO_CONSOLE_PORT_READY && value === 1) {
      port.ready = true;
      port.tell |= Tell.name | Tell.open;
    } else if (event === VIRTIO_CONSOLE_PORT_OPEN && port.ready) {
      port.setOpen(value === 1);
    }
  }

  /** Tells the driver what it does not know yet, as far as it has given buffers for that. */
  #tell(): void {
    const queue = this.#transport?.queue(controlReceive);
    for (const [id, port] of this.#ports.entries()) {
      while (port.tell !== 0) {
        const buffer = queue?.take();
        if (!queue || !buffer) return;
        const flag = port.tell & -port.tell;
        const written = queue.fill(buffer, messageOf(id, port, flag));
        if (written === undefined) return;
        port.tell &= ~flag;
        queue.give(buffer, written);
      }
    }
  }
}

const portQueue = (id: number): number => (id === 0 ? 0 : 2 + 2 * id);

function messageOf(id: number, port: Port, flag: number): Uint8Array {
  const [event, value, more] =
    flag === Tell.add
      ? [VIRTIO_CONSOLE_PORT_ADD, 1, new Uint8Array(0)]
      : flag === Tell.name
        ? [VIRTIO_CONSOLE_PORT_NAME, 1, port.name]
        : [VIRTIO_CONSOLE_PORT_OPEN, 1, new Uint8Array(0)];
  const bytes = new Uint8Array(controlSize + more.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, id, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  bytes.set(more, controlSize);
  return bytes;
}
