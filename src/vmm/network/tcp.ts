/**
 * One TCP connection of a guest, ended here: the guest's bytes go to a stream of the host, and the other way round. The link
 * to the guest loses nothing and reorders nothing, so that there is no congestion to control: what is sent again is what a
 * guest had no room for. Neither side is held more than its window: who does not read stops who writes.
 * Source: RFC 9293 ("Functional Specification"), RFC 7323 ("TCP Window Scale Option").
 */
import type { HostStream, HostStreamEvents } from "./host.js";
import { ipv4Size, mtu, type Tcp, tcpFlag, tcpSize } from "./packets.js";

/** Bytes that go into a frame once it is made: until then they lie where they came. */
export interface Payload {
  readonly length: number;
  /** `bytes` is as long as this. */
  copyTo(bytes: Uint8Array): void;
}

export const payloadOf = (bytes: Uint8Array): Payload => ({
  length: bytes.length,
  copyTo: (into) => into.set(bytes),
});

export const noPayload = payloadOf(new Uint8Array(0));

/** What is sent to the guest. */
export interface Segment {
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  /** In a SYN. */
  readonly options?: { readonly segmentSize: number; readonly windowScale?: number };
  readonly payload: Payload;
  /** The guest's card is to cut the payload into pieces of this size, if it is longer. */
  readonly segmentSize: number;
}

/** What a connection needs of its network. */
export interface TcpLink {
  /** False: the guest has no room; `drained` will be called. */
  send(segment: Segment): boolean;
  /** Bytes of payload that may be sent at once although the guest's segments are shorter; 0: none. */
  readonly mostAtOnce: number;
  /** Bytes that may wait for either side, for each connection, as it is now. */
  readonly room: number;
  /** Milliseconds. */
  now(): number;
  /** It is over. */
  closed(): void;
}

const ownSegmentSize = mtu - ipv4Size - tcpSize;
/** If the guest says nothing. */
const defaultSegmentSize = 536;
const leastSegmentSize = 88;
const ownScale = 7;
const firstTimeout = 1000;
const mostTimeout = 30_000;
/** How often something is sent again before the guest is taken for dead. */
const mostTries = 8;
/** Pieces of the guest's that wait for the host: each costs more than its bytes. What comes then, comes again. */
const mostWrites = 256;
/** How long the host may take for the last of a connection that the guest has ended. */
const patience = 60_000;

/** a - b of sequence numbers. */
const difference = (a: number, b: number): number => (a - b) | 0;
const plus = (a: number, b: number): number => (a + b) >>> 0;

/** `opening`: the guest waits for the host; the others are RFC 9293's; `open` is all from established on. */
export type TcpState = "opening" | "synReceived" | "synSent" | "open" | "closed";

export class TcpConnection implements HostStreamEvents {
  readonly #link: TcpLink;
  #stream: HostStream | undefined;
  #state: TcpState;
  #segmentSize = defaultSegmentSize;
  /** Of the guest's windows; undefined: no side scales. */
  #scale: number | undefined;
  /** The oldest byte that the guest has not acknowledged, the next to be sent, and the most that was ever sent. */
  #unacknowledged: number;
  #next: number;
  #most: number;
  /** Bytes that the guest has room for beyond `#unacknowledged`. */
  #window = 0;
  /** From `#unacknowledged` on. */
  readonly #outgoing = new Outgoing();
  #hostEnded = false;
  /** The next byte of the guest, and where the window ends that it was told. */
  #expected = 0;
  #edge = 0;
  /** Bytes that the host has not taken yet, and in how many pieces. */
  #pending = 0;
  #writes = 0;
  #guestEnded = false;
  /** The guest knows that the host has ended. */
  #finAcknowledged = false;
  #flowing = true;
  #acknowledge = false;
  /** When to send again; undefined: nothing is waited for. */
  #deadline: number | undefined;
  #timeout = firstTimeout;
  #tries = 0;
  #left = false;

  /**
   * `syn`: the guest's, which asks for the connection; without it, the guest is asked. `initial`: the first sequence number.
   */
  constructor(link: TcpLink, initial: number, syn?: Tcp) {
    this.#link = link;
    this.#unacknowledged = initial;
    this.#next = initial;
    this.#most = initial;
    this.#state = syn ? "opening" : "synSent";
    if (syn) this.#meet(syn);
  }

  get state(): TcpState {
    return this.#state;
  }

  /** The sequence number that follows all that was sent. */
  get next(): number {
    return this.#most;
  }

  /** The stream that it is to be joined with. One that was begun outside is connected already: the guest is asked now. */
  join(stream: HostStream): void {
    this.#stream = stream;
    if (this.#state === "synSent") this.#sendSyn();
  }

  connected(): void {
    if (this.#state !== "opening") return;
    this.#state = "synReceived";
    this.#sendSyn();
  }

  data(bytes: Uint8Array): void {
    if (this.#state === "closed" || this.#hostEnded) return;
    this.#outgoing.append(bytes);
    this.#regulate();
    this.#push();
  }

  ended(): void {
    if (this.#state === "closed" || this.#hostEnded) return;
    this.#hostEnded = true;
    this.#push();
  }

  failed(): void {
    this.#stream = undefined;
    this.abort();
  }

  /** Ends it on both sides at once. */
  abort(): void {
    if (this.#state === "closed") return;
    this.#send(tcpFlag.rst | (this.#state === "synSent" ? 0 : tcpFlag.ack), this.#next);
    this.#close();
  }

  /** A segment of the guest. What it asks for is answered in `settle`. */
  receive(segment: Tcp): void {
    if (this.#state === "closed" || this.#state === "opening") {
      // It gave up before the host had answered.
      if (this.#state === "opening" && segment.flags & tcpFlag.rst && segment.sequence === this.#expected)
        this.#close();
      return;
    }
    if (this.#state === "synSent") this.#receiveInSynSent(segment);
    else this.#receiveSynchronized(segment);
  }

  /** All that the guest had sent is here. */
  settle(): void {
    this.#push();
    if (!this.#acknowledge || this.#state === "closed" || this.#state === "opening") return;
    if (this.#state === "synReceived" || this.#state === "synSent") this.#sendSyn();
    else this.#send(tcpFlag.ack, this.#next);
  }

  /** The guest's card has room again. */
  drained(): void {
    this.settle();
  }

  /** Time has passed. */
  expire(): void {
    if (this.#deadline === undefined || this.#link.now() < this.#deadline) return;
    this.#deadline = undefined;
    if (this.#state === "closed") {
      this.#leave();
      return;
    }
    if (this.#tries++ >= mostTries) {
      this.abort();
      return;
    }
    this.#timeout = Math.min(mostTimeout, 2 * this.#timeout);
    if (this.#state === "synReceived" || this.#state === "synSent") {
      this.#sendSyn();
      return;
    }
    // From the oldest on; with a window that is shut, one byte, to hear whether it still is.
    this.#next = this.#unacknowledged;
    if (this.#window > 0 || this.#outgoing.length === 0) this.#push();
    else {
      this.#sendData(1);
      this.#next = this.#unacknowledged;
    }
    this.#arm();
  }

  /** Options of a SYN. */
  #meet({ sequence, window, options }: Tcp): void {
    this.#expected = plus(sequence, 1);
    this.#edge = this.#expected;
    this.#segmentSize = Math.min(ownSegmentSize, Math.max(leastSegmentSize, options.segmentSize ?? defaultSegmentSize));
    this.#scale = options.windowScale;
    this.#window = window;
  }

  #receiveInSynSent(segment: Tcp): void {
    const { flags, acknowledgment } = segment;
    const acknowledged = (flags & tcpFlag.ack) !== 0 && acknowledgment === plus(this.#unacknowledged, 1);
    if (!acknowledged) return;
    if (flags & tcpFlag.rst) {
      this.#close();
      return;
    }
    if (!(flags & tcpFlag.syn)) return;
    this.#meet(segment);
    this.#establish(acknowledgment);
    this.#acknowledge = true;
    this.#stream?.opened?.();
  }

  #establish(acknowledgment: number): void {
    this.#state = "open";
    this.#unacknowledged = acknowledgment;
    this.#next = acknowledgment;
    this.#most = acknowledgment;
    this.#rest();
  }

  #receiveSynchronized(segment: Tcp): void {
    const { flags, sequence, acknowledgment } = segment;
    if (flags & tcpFlag.rst) {
      // One that is not exact may be of an earlier connection.
      if (sequence === this.#expected) this.#close();
      else this.#acknowledge = true;
      return;
    }
    if (flags & tcpFlag.syn) {
      this.#acknowledge = true;
      return;
    }
    if (!(flags & tcpFlag.ack)) return;
    if (this.#state === "synReceived") {
      if (acknowledgment !== plus(this.#unacknowledged, 1)) {
        this.abort();
        return;
      }
      this.#establish(acknowledgment);
    }
    if (difference(acknowledgment, this.#most) > 0) {
      this.#acknowledge = true;
      return;
    }
    this.#hear(segment);
    this.#take(segment);
    this.#finish();
  }

  /** What a segment says of the bytes that the guest was sent. */
  #hear({ acknowledgment, window }: Tcp): void {
    const count = difference(acknowledgment, this.#unacknowledged);
    if (count < 0) return;
    const shut = this.#window === 0;
    this.#window = window * 2 ** (this.#scale ?? 0);
    if (count === 0) {
      // The guest is there, and has no room.
      if (this.#window === 0) this.#tries = 0;
      else if (shut) this.#rest();
      return;
    }
    if (count > this.#outgoing.length) this.#finAcknowledged = true;
    this.#outgoing.drop(Math.min(count, this.#outgoing.length));
    this.#unacknowledged = acknowledgment;
    if (difference(this.#unacknowledged, this.#next) > 0) this.#next = this.#unacknowledged;
    this.#rest();
    if (this.#next !== this.#unacknowledged) this.#arm();
    this.#regulate();
  }

  /** What a segment brings. */
  #take({ sequence, flags, payload }: Tcp): void {
    const isLast = (flags & tcpFlag.fin) !== 0;
    if (payload.length === 0 && !isLast) {
      // It asks whether the connection lives.
      if (sequence !== this.#expected) this.#acknowledge = true;
      return;
    }
    this.#acknowledge = true;
    const known = difference(this.#expected, sequence);
    // What is missing comes again.
    if (known < 0 || this.#guestEnded || this.#writes >= mostWrites) return;
    const fresh = payload.subarray(Math.min(known, payload.length));
    const taken = fresh.subarray(0, Math.max(0, difference(this.#edge, this.#expected)));
    if (taken.length > 0) {
      this.#expected = plus(this.#expected, taken.length);
      this.#pending += taken.length;
      this.#writes++;
      // A few bytes must not keep a long frame.
      const kept = 2 * taken.length < taken.buffer.byteLength ? taken.slice() : taken;
      this.#stream?.write(kept, () => this.#written(kept.length));
    }
    if (isLast && known <= payload.length && taken.length === fresh.length) {
      this.#expected = plus(this.#expected, 1);
      this.#guestEnded = true;
      this.#stream?.end();
    }
  }

  #written(count: number): void {
    this.#pending -= count;
    this.#writes--;
    if (this.#state === "closed" && this.#pending === 0) this.#leave();
    if (this.#state !== "open" || this.#guestEnded) return;
    // The guest learns of it by an acknowledgment; when it has half a window to gain.
    const told = difference(this.#edge, this.#expected);
    const room = this.#link.room;
    if (told < room / 2 && room - this.#pending - told >= room / 4) this.#send(tcpFlag.ack, this.#next);
  }

  /** Both have said all, and know of the other's. */
  #finish(): void {
    if (this.#state !== "open" || !this.#guestEnded || !this.#finAcknowledged) return;
    this.#send(tcpFlag.ack, this.#next);
    this.#state = "closed";
    // What the guest has sent, the host is still to take.
    if (this.#pending > 0) this.#deadline = this.#link.now() + patience;
    else this.#leave();
  }

  /** Sends what the guest has room for. */
  #push(): void {
    if (this.#state !== "open") return;
    for (;;) {
      const sent = difference(this.#next, this.#unacknowledged);
      const waiting = this.#outgoing.length - sent;
      const room = this.#window - sent;
      if (waiting <= 0) break;
      const most = Math.max(this.#segmentSize, this.#whole(this.#link.mostAtOnce));
      const size = Math.min(waiting, room, most);
      // Not a little of much while the guest is about to say that it has room.
      if (size <= 0 || (size < waiting && size < this.#segmentSize && sent > 0)) break;
      if (!this.#sendData(size)) return;
    }
    const all = plus(this.#unacknowledged, this.#outgoing.length);
    if (this.#hostEnded && !this.#finAcknowledged && this.#next === all) {
      if (this.#send(tcpFlag.fin | tcpFlag.ack, this.#next)) this.#advance(1);
    }
    if (this.#outgoing.length > 0) this.#arm();
  }

  #whole(size: number): number {
    return size - (size % this.#segmentSize);
  }

  /** The next bytes. */
  #sendData(size: number): boolean {
    if (size === 0) return true;
    const sent = difference(this.#next, this.#unacknowledged);
    const payload = this.#outgoing.part(sent, size);
    const push = sent + size === this.#outgoing.length ? tcpFlag.psh : 0;
    if (!this.#send(tcpFlag.ack | push, this.#next, payload)) return false;
    this.#advance(size);
    return true;
  }

  #advance(count: number): void {
    this.#next = plus(this.#next, count);
    if (difference(this.#next, this.#most) > 0) this.#most = this.#next;
    this.#arm();
  }

  #sendSyn(): void {
    const isAnswer = this.#state === "synReceived";
    const scale = isAnswer && this.#scale === undefined ? undefined : ownScale;
    const options = { segmentSize: ownSegmentSize, ...(scale === undefined ? {} : { windowScale: scale }) };
    const flags = tcpFlag.syn | (isAnswer ? tcpFlag.ack : 0);
    this.#send(flags, this.#unacknowledged, noPayload, options);
    this.#next = plus(this.#unacknowledged, 1);
    this.#most = this.#next;
    this.#arm();
  }

  #send(flags: number, sequence: number, payload: Payload = noPayload, options?: Segment["options"]): boolean {
    const acknowledges = (flags & tcpFlag.ack) !== 0;
    const scale = options || this.#scale === undefined ? 0 : ownScale;
    const most = 65535 * 2 ** scale;
    const told = Math.max(difference(this.#edge, this.#expected), this.#link.room - this.#pending);
    const window = Math.floor(Math.max(0, Math.min(most, told)) / 2 ** scale);
    const sent = this.#link.send({
      sequence,
      acknowledgment: acknowledges ? this.#expected : 0,
      flags,
      window,
      ...(options ? { options } : {}),
      payload,
      segmentSize: this.#segmentSize,
    });
    if (!sent) {
      this.#arm();
      return false;
    }
    if (acknowledges) {
      this.#acknowledge = false;
      const edge = plus(this.#expected, window * 2 ** scale);
      if (difference(edge, this.#edge) > 0) this.#edge = edge;
    }
    return true;
  }

  /** Holds the host up while much waits for the guest. */
  #regulate(): void {
    const { length } = this.#outgoing;
    const wanted = length < this.#link.room / (this.#flowing ? 1 : 2);
    if (wanted === this.#flowing) return;
    this.#flowing = wanted;
    this.#stream?.flow(wanted);
  }

  #arm(): void {
    this.#deadline ??= this.#link.now() + this.#timeout;
  }

  /** The guest has answered. */
  #rest(): void {
    this.#deadline = undefined;
    this.#timeout = firstTimeout;
    this.#tries = 0;
  }

  #close(): void {
    this.#state = "closed";
    this.#stream?.destroy();
    this.#leave();
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#deadline = undefined;
    // It has been told of its end, or is told now; ending it twice does nothing.
    if (this.#pending > 0) this.#stream?.destroy();
    this.#stream = undefined;
    this.#link.closed();
  }
}

/** What is shorter shares a piece with others, since each costs more than its bytes. */
const gathered = 4096;

/** Bytes that wait for the guest's acknowledgment, in the pieces that they came in. */
class Outgoing {
  readonly #pieces: Uint8Array[] = [];
  /** Of the first piece, what is gone. */
  #skip = 0;
  /** The last piece, where small ones are gathered, has so much room yet. */
  #room = 0;
  length = 0;

  append(bytes: Uint8Array): void {
    this.length += bytes.length;
    if (bytes.length >= gathered) {
      this.#pieces.push(bytes);
      this.#room = 0;
    } else if (bytes.length > 0) {
      this.#gather(bytes);
    }
  }

  #gather(bytes: Uint8Array): void {
    const last = this.#room >= bytes.length ? this.#pieces.pop() : undefined;
    const used = last?.length ?? 0;
    const all = last ? new Uint8Array(last.buffer) : new Uint8Array(gathered);
    all.set(bytes, used);
    this.#pieces.push(all.subarray(0, used + bytes.length));
    this.#room = gathered - used - bytes.length;
  }

  drop(count: number): void {
    this.length -= count;
    this.#skip += count;
    while (this.#pieces[0] && this.#skip >= this.#pieces[0].length) this.#skip -= this.#pieces.shift()?.length ?? 0;
    if (this.#pieces.length === 0) this.#room = 0;
  }

  /** `length` bytes from `start` on, all of which are there, until some are dropped. */
  part(start: number, length: number): Payload {
    return {
      length,
      copyTo: (bytes) => {
        let from = start + this.#skip;
        let done = 0;
        for (const piece of this.#pieces) {
          if (from < piece.length) {
            const part = piece.subarray(from, from + length - done);
            bytes.set(part, done);
            done += part.length;
            if (done === length) break;
          }
          from = Math.max(0, from - piece.length);
        }
      },
    };
  }
}
