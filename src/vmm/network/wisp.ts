/**
 * Connections through a relay that speaks Wisp: streams of TCP and UDP, many over one socket. What the guest sends waits until
 * the relay has room, as it says. The other way nobody can ask a relay to wait, so that what the guest does not take waits
 * here, within a bound. A relay is not trusted: what it sends can end connections, and nothing else.
 * Source: Wisp protocol, version 1 ("Packet format", "Packet types", "HTTP behavior").
 */
import { ByteQueue } from "../core/byte-queue.js";
import { VmmError } from "../errors.js";
import type { HostDatagrams, HostNetwork, HostStream, HostStreamEvents } from "./host.js";

/** What a WebSocket has. */
export interface RelaySocket {
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(): void;
  /** Bytes that were sent and are still here. */
  readonly waiting: number;
}

export interface RelaySocketEvents {
  /** A binary message, to keep. */
  message(bytes: Uint8Array): void;
  /** It is no more, or never was. */
  closed(why: string): void;
}

/** Begins a socket; its events come later. */
export type DialRelay = (events: RelaySocketEvents) => RelaySocket;

const Packet = { connect: 1, data: 2, continue: 3, close: 4 } as const;
const StreamType = { tcp: 1, udp: 2 } as const;
/** Of CLOSE: "voluntary stream closure". */
const voluntary = 2;
/** Type and stream. */
const headSize = 5;
/** Packets of a stream that may be on their way, whatever the relay says. */
const mostCredit = 256;
/** Bytes that wait here for the relay's socket until nobody sends more; how often that is looked at, ms. */
const mostUnsent = 1 << 20;
const lookAgain = 10;
/** Bytes that wait for the guest, of all streams: beyond, the stream that has most of them is ended. */
const mostWaiting = 32 << 20;
/** How long a relay may take to greet, and how long one that the guest has ended waits for more, ms. */
const greetPatience = 20_000;
const endPatience = 10_000;
/** Between two tries to reach a relay, ms. */
const dialPause = 1000;

interface Stream {
  /** The relay has room for so many packets more. */
  room(packets: number): void;
  /** Bytes to keep. */
  received(bytes: Uint8Array): void;
  /** Bytes that wait for the guest. */
  readonly waiting: number;
  /** The relay has ended it, and had nothing to complain of; `forget` is still to be called. */
  ended(): void;
  /** It is no more. */
  failed(): void;
}

/** One socket, as long as it lives. */
class Relay {
  readonly #socket: RelaySocket;
  readonly #streams = new Map<number, Stream>();
  readonly #late: ReturnType<typeof setTimeout>;
  #next = 0;
  #credit: number | undefined;
  #over = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #sending = new Set<() => void>();
  #greeted = (): void => undefined;
  #failed = (_: VmmError): void => undefined;
  /** Rejects with VmmError. */
  readonly ready: Promise<void>;

  constructor(dial: DialRelay, name: string) {
    this.ready = new Promise((resolve, reject) => {
      [this.#greeted, this.#failed] = [resolve, reject];
    });
    this.ready.catch(() => undefined);
    const end = (why: string): void => this.#end(new VmmError(`the relay ${name} cannot be used: ${why}`));
    this.#late = setTimeout(
      () => end(`it said nothing of Wisp in ${greetPatience / 1000} s (most have an address that ends with "/")`),
      greetPatience,
    );
    try {
      this.#socket = dial({
        message: (bytes) => {
          if (!this.#over && !this.#hear(bytes)) end("it does not speak Wisp");
        },
        closed: end,
      });
    } catch (error) {
      clearTimeout(this.#late);
      throw error;
    }
  }

  get over(): boolean {
    return this.#over;
  }

  /** Packets for which there is room in a stream that begins. */
  get credit(): number {
    return this.#credit ?? 0;
  }

  /** After `ready`. */
  open(type: number, host: string, port: number, stream: Stream): number {
    do this.#next = this.#next >= 0x7fff_ffff ? 1 : this.#next + 1;
    while (this.#streams.has(this.#next));
    const id = this.#next;
    this.#streams.set(id, stream);
    this.#send(Packet.connect, id, Uint8Array.of(type, port & 255, port >> 8, ...new TextEncoder().encode(host)));
    return id;
  }

  data(id: number, bytes: Uint8Array): void {
    this.#send(Packet.data, id, bytes);
  }

  /** Nothing comes of a stream afterwards. `tell`: the relay does not know. */
  forget(id: number, tell: boolean): void {
    if (this.#streams.delete(id) && tell) this.#send(Packet.close, id, Uint8Array.of(voluntary));
  }

  get hasRoom(): boolean {
    return this.#socket.waiting < mostUnsent;
  }

  /** Calls back when the socket may have room. */
  whenRoom(then: () => void): void {
    this.#sending.add(then);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const all = [...this.#sending];
      this.#sending.clear();
      for (const one of all) one();
    }, lookAgain);
  }

  /** Something more waits for the guest: the streams that have most of it are ended until it is not too much. */
  bound(): void {
    for (;;) {
      let [sum, most, last] = [0, 0, 0];
      for (const [id, { waiting }] of this.#streams) {
        sum += waiting;
        if (waiting > most) [most, last] = [waiting, id];
      }
      if (sum <= mostWaiting) return;
      const stream = this.#streams.get(last);
      this.forget(last, true);
      stream?.failed();
    }
  }

  end(): void {
    this.#end(new VmmError("the network was closed"));
  }

  #send(type: number, id: number, payload: Uint8Array): void {
    if (this.#over) return;
    const packet = new Uint8Array(headSize + payload.length);
    packet[0] = type;
    new DataView(packet.buffer).setUint32(1, id, true);
    packet.set(payload, headSize);
    this.#socket.send(packet);
  }

  /** False: it is no packet. */
  #hear(bytes: Uint8Array): boolean {
    if (bytes.length < headSize) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const [type, id] = [view.getUint8(0), view.getUint32(1, true)];
    const payload = bytes.subarray(headSize);
    const stream = this.#streams.get(id);
    if (type === Packet.continue) {
      if (payload.length < 4) return false;
      const packets = Math.min(mostCredit, view.getUint32(headSize, true));
      if (id !== 0) stream?.room(packets);
      else if (this.#credit === undefined) {
        this.#credit = packets;
        clearTimeout(this.#late);
        this.#greeted();
      }
      return true;
    }
    // Its first word says how much room it has. Later versions have types that one who did not ask for them passes over.
    if (this.#credit === undefined) return type > Packet.close;
    if (type === Packet.data) stream?.received(payload);
    else if (type === Packet.close && payload[0] === voluntary) stream?.ended();
    else if (type === Packet.close) {
      this.#streams.delete(id);
      stream?.failed();
    }
    return type !== Packet.connect;
  }

  #end(why: VmmError): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#late);
    clearTimeout(this.#timer);
    this.#failed(why);
    this.#socket?.close();
    const all = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of all) stream.failed();
  }
}

interface Unsent {
  readonly bytes: Uint8Array;
  readonly written: () => void;
}

/** A connection of the guest's. */
class TcpStream implements HostStream, Stream {
  readonly #events: HostStreamEvents;
  readonly #unsent: Unsent[] = [];
  readonly #unread = new ByteQueue();
  #relay: Relay | undefined;
  #id = 0;
  #credit = 0;
  #flowing = true;
  /** Who has ended it. */
  #guestEnded = false;
  #relayEnded = false;
  #over = false;
  #quiet: ReturnType<typeof setTimeout> | undefined;

  constructor(relay: Promise<Relay>, host: string, port: number, events: HostStreamEvents) {
    this.#events = events;
    void relay.then(
      (one) => this.#begin(one, host, port),
      () => this.failed(),
    );
  }

  get waiting(): number {
    return this.#unread.length;
  }

  #begin(relay: Relay, host: string, port: number): void {
    if (this.#over) return;
    if (relay.over) {
      this.failed();
      return;
    }
    this.#relay = relay;
    this.#credit = relay.credit;
    this.#id = relay.open(StreamType.tcp, host, port, this);
    // A relay says nothing of one that it has made; of one that it has not, that it is over.
    this.#events.connected?.();
    this.#push();
  }

  write(bytes: Uint8Array, written: () => void): void {
    this.#unsent.push({ bytes, written });
    this.#push();
  }

  end(): void {
    this.#guestEnded = true;
    this.#push();
  }

  destroy(): void {
    this.#finish();
  }

  flow(wanted: boolean): void {
    this.#flowing = wanted;
    if (wanted) this.#drain();
  }

  room(packets: number): void {
    this.#credit = packets;
    this.#push();
  }

  received(bytes: Uint8Array): void {
    if (this.#relayEnded) return;
    if (this.#quiet !== undefined) this.#waitForEnd();
    this.#unread.append(bytes);
    if (this.#flowing) this.#drain();
    else this.#relay?.bound();
  }

  ended(): void {
    this.#relayEnded = true;
    if (this.#flowing) this.#drain();
  }

  failed(): void {
    if (this.#over) return;
    this.#relayEnded = true;
    this.#finish();
    this.#events.failed();
  }

  /** The guest takes more. */
  #drain(): void {
    const bytes = this.#unread.peek().slice();
    this.#unread.drop(bytes.length);
    if (bytes.length > 0) this.#events.data(bytes);
    if (this.#relayEnded && this.#unread.length === 0 && !this.#over) {
      this.#finish();
      this.#events.ended();
    }
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#quiet);
    this.#relay?.forget(this.#id, !this.#relayEnded);
    this.#unread.drop(this.#unread.length);
    for (const { written } of this.#unsent.splice(0)) written();
  }

  #push(): void {
    const relay = this.#relay;
    if (!relay || this.#over) return;
    while (this.#unsent.length > 0 && this.#credit > 0) {
      if (!relay.hasRoom) {
        relay.whenRoom(() => this.#push());
        return;
      }
      const { bytes, written } = this.#unsent.shift() as Unsent;
      this.#credit--;
      relay.data(this.#id, bytes);
      written();
    }
    if (this.#guestEnded && this.#unsent.length === 0) this.#waitForEnd();
  }

  /** Wisp cannot end one direction: the relay hears of the guest's end when nothing comes any more. */
  #waitForEnd(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      this.#finish();
      this.#events.ended();
    }, endPatience);
    (this.#quiet as { unref?: () => void }).unref?.();
  }
}

/** Datagrams to and from one port. What cannot be sent at once is lost, as it is anywhere. */
class UdpStream implements HostDatagrams, Stream {
  readonly waiting = 0;
  readonly #received: (bytes: Uint8Array) => void;
  #relay: Relay | undefined;
  #id = 0;
  /** Before there is a relay. */
  #first: Uint8Array | undefined;
  #over = false;

  constructor(relay: Promise<Relay>, host: string, port: number, received: (bytes: Uint8Array) => void) {
    this.#received = received;
    void relay.then(
      (one) => {
        if (this.#over || one.over) return;
        this.#relay = one;
        this.#id = one.open(StreamType.udp, host, port, this);
        if (this.#first) this.send(this.#first);
      },
      () => undefined,
    );
  }

  send(bytes: Uint8Array): void {
    if (!this.#relay) this.#first = bytes.slice();
    else if (!this.#over && this.#relay.hasRoom) this.#relay.data(this.#id, bytes);
  }

  close(): void {
    if (!this.#over) this.#relay?.forget(this.#id, true);
    this.#over = true;
  }

  room(): void {}

  received(bytes: Uint8Array): void {
    this.#received(bytes);
  }

  ended(): void {
    this.#relay?.forget(this.#id, false);
    this.#over = true;
  }

  failed(): void {
    this.#over = true;
  }
}

/** What a relay has not: names' addresses, and a place to listen. */
export type RelayHost = Pick<HostNetwork, "listen">;

/**
 * What a relay reaches, as a guest's host. One that was lost is asked for again when the guest next begins something. Rejects
 * with VmmError: it cannot be reached, or does not speak Wisp. `name`: for messages.
 */
export async function openWisp(dial: DialRelay, name: string, { listen }: RelayHost): Promise<HostNetwork> {
  const begin = async (): Promise<Relay> => {
    const relay = new Relay(dial, name);
    await relay.ready;
    return relay;
  };
  let relay = begin();
  let closed = false;
  let known = await relay;
  /** Only one is asked for at a time, and none too soon after another. */
  let asking = false;
  let last = performance.now();
  const now = (): Promise<Relay> => {
    if (closed || asking || !known.over || performance.now() - last < dialPause) return relay;
    asking = true;
    last = performance.now();
    relay = begin();
    void relay
      .then(
        (one) => {
          known = one;
          if (closed) one.end();
        },
        () => undefined,
      )
      .finally(() => {
        asking = false;
      });
    return relay;
  };
  const connect = (host: string, port: number, events: HostStreamEvents): HostStream =>
    new TcpStream(now(), host, port, events);
  return {
    ...{ connect, connectName: connect, listen },
    datagrams: (host, port, received) => new UdpStream(now(), host, port, received),
    resolve: async () => {
      throw new VmmError("a relay does not tell a name's address");
    },
    ownAddresses: () => [],
    close: () => {
      closed = true;
      known.end();
    },
  };
}
