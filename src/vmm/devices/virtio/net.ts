/**
 * A network card for a guest. What is at the other end of its cable gets and gives Ethernet frames; checksums and cutting
 * long packets are left to whom they cost least, since nothing on the way can damage a frame.
 * Source: Virtual I/O Device (VIRTIO) 1.1, "Network Device"; names of Linux's virtio_net.h.
 */
import { KvmError } from "../../../base/errors.js";
import { hostTurn } from "../../../base/host-turn.js";
import { anything, bytesOf, having, integer } from "../../../base/takes.js";
import type { FrameToGuest, NetworkCard, NetworkEnd } from "../../network/card.js";
import { ethernetSize, mostFrame, tcpSize, transportAt } from "../../network/packets.js";
import {
  lengthOf,
  longestTurn,
  type VirtioBuffer,
  type VirtioDevice,
  type VirtioQueue,
  type VirtioTransport,
} from "./device.js";

const VIRTIO_NET_F_CSUM = 1n << 0n;
const VIRTIO_NET_F_GUEST_CSUM = 1n << 1n;
const VIRTIO_NET_F_MAC = 1n << 5n;
const VIRTIO_NET_F_GUEST_TSO4 = 1n << 7n;
const VIRTIO_NET_F_HOST_TSO4 = 1n << 11n;
const VIRTIO_NET_F_MRG_RXBUF = 1n << 15n;
const VIRTIO_NET_F_STATUS = 1n << 16n;
const VIRTIO_NET_F_CTRL_VQ = 1n << 17n;
const VIRTIO_NET_F_MQ = 1n << 22n;

const VIRTIO_NET_S_LINK_UP = 1;
const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
const VIRTIO_NET_HDR_F_DATA_VALID = 2;
const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
const VIRTIO_NET_CTRL_MQ = 4;
const VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET = 0;
const VIRTIO_NET_OK = 0;
const VIRTIO_NET_ERR = 1;

const place = { mac: 0, status: 6, pairs: 8, end: 10 } as const;
const header = { flags: 0, gsoType: 1, length: 2, gsoSize: 4, start: 6, offset: 8, buffers: 10, size: 12 } as const;
/** Where in a TCP header its checksum is. */
const tcpChecksum = 16;

const queueSize = 256;
const controlSize = 64;
const mostPairs = 16;

export interface VirtioNetOptions {
  readonly end: NetworkEnd;
  /** Six bytes, of an address of one card. */
  readonly mac: Uint8Array;
  /** Pairs of queues, best one for each CPU: 1 to 16. Default: 1. */
  readonly pairs?: number;
}

export interface VirtioNetState {
  readonly mac: Uint8Array;
  /** Pairs of queues that the driver uses. */
  readonly used: number;
  /** What the other end's `save` gave: one is made from it, for the constructor. */
  readonly end: unknown;
}

export class VirtioNet implements VirtioDevice, NetworkCard {
  readonly id = 1;
  /** Network, Ethernet. */
  readonly classCode = 0x02_0000;
  readonly features: bigint;
  readonly queues: readonly number[];
  readonly config = new Uint8Array(place.end);
  readonly #end: NetworkEnd;
  readonly #pairs: number;
  #used = 1;
  #accepted = 0n;
  #transport: VirtioTransport | undefined;
  /** When others have their turn: what is sent to the guest waits from then on. Undefined: nothing was sent since they had it. */
  #until: number | undefined;
  /** Of the receive queues, those for whose buffers somebody waits. */
  readonly #waiting = new Set<number>();

  /** `state` is what an earlier `save` gave. EINVAL: it is not, or there is no such address or number of pairs. */
  constructor({ end, mac, pairs = 1 }: VirtioNetOptions, state?: VirtioNetState) {
    integer(1, mostPairs)(pairs, "new VirtioNet", "pairs");
    bytesOf(6)(mac, "new VirtioNet", "mac");
    if ((mac[0] ?? 1) & 1) throw new KvmError("EINVAL", "new VirtioNet: mac is an address of several cards");
    if (state !== undefined) {
      having({ mac: bytesOf(6), used: integer(1, pairs), end: anything })(state, "new VirtioNet", "state");
      this.#used = state.used;
    }
    this.#end = end;
    this.#pairs = pairs;
    this.queues = [...Array<number>(2 * pairs).fill(queueSize), ...(pairs > 1 ? [controlSize] : [])];
    this.features =
      VIRTIO_NET_F_CSUM |
      VIRTIO_NET_F_GUEST_CSUM |
      VIRTIO_NET_F_MAC |
      VIRTIO_NET_F_GUEST_TSO4 |
      VIRTIO_NET_F_HOST_TSO4 |
      VIRTIO_NET_F_MRG_RXBUF |
      VIRTIO_NET_F_STATUS |
      (pairs > 1 ? VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_MQ : 0n);
    this.config.set(state?.mac ?? mac, place.mac);
    const view = new DataView(this.config.buffer);
    view.setUint16(place.status, VIRTIO_NET_S_LINK_UP, true);
    view.setUint16(place.pairs, pairs, true);
    end.attach(this);
  }

  get takesUnchecked(): boolean {
    return (this.#accepted & VIRTIO_NET_F_GUEST_CSUM) !== 0n;
  }

  get takesLong(): boolean {
    return this.takesUnchecked && (this.#accepted & VIRTIO_NET_F_GUEST_TSO4) !== 0n;
  }

  attach(transport: VirtioTransport): void {
    this.#transport = transport;
  }

  accepted(features: bigint): void {
    this.#accepted = features;
    // After a restore somebody may have waited.
    for (let pair = 0; pair < this.#pairs; pair++) this.#waiting.add(pair);
  }

  reset(): void {
    this.#accepted = 0n;
    this.#used = 1;
    this.#waiting.clear();
    this.#end.reset();
  }

  save(): VirtioNetState {
    return { mac: this.config.slice(place.mac, place.mac + 6), used: this.#used, end: this.#end.save() };
  }

  notify(index: number, queue: VirtioQueue): void {
    const control = this.#accepted & VIRTIO_NET_F_MQ ? 2 * this.#pairs : 2;
    if (this.#accepted & VIRTIO_NET_F_CTRL_VQ && index === control) this.#control(queue);
    else if (index >= 2 * this.#pairs) return;
    else if (index & 1) this.#transmit(queue, index >> 1);
    else if (this.#waiting.delete(index >> 1)) this.#end.drained();
  }

  /** A thousand connections may have something for the guest, in one turn of the host's. */
  ready(queue: number): boolean {
    if (this.#until === undefined) {
      this.#until = performance.now() + longestTurn;
      void hostTurn().then(() => {
        this.#until = undefined;
      });
    }
    if (performance.now() < this.#until) return true;
    const pair = this.#pairOf(queue);
    this.#waiting.add(pair);
    this.#transport?.again(2 * pair);
    return false;
  }

  send(frame: FrameToGuest): boolean {
    if (!this.ready(frame.queue)) return false;
    const pair = this.#pairOf(frame.queue);
    const queue = this.#transport?.queue(2 * pair);
    if (queue && this.#fill(queue, frame)) return true;
    this.#waiting.add(pair);
    return false;
  }

  #pairOf(queue: number): number {
    return queue < this.#used ? queue : 0;
  }

  /** Frames that the guest sends. */
  #transmit(queue: VirtioQueue, pair: number): void {
    const end = performance.now() + longestTurn;
    // The driver may add more while this runs: no more than a queue's worth at a time.
    for (let count = 0; count < queueSize; count++) {
      if (count > 0 && performance.now() >= end) {
        this.#transport?.again(2 * pair + 1);
        break;
      }
      const buffer = queue.take();
      if (!buffer) break;
      const length = lengthOf(buffer.readable);
      if (length >= header.size + ethernetSize && length <= header.size + mostFrame) {
        const bytes = new Uint8Array(length);
        if (!queue.copy(buffer, 0, bytes)) break;
        this.#pass(bytes, pair);
      }
      queue.give(buffer, 0);
    }
    this.#end.settle();
  }

  #pass(bytes: Uint8Array, queue: number): void {
    const view = new DataView(bytes.buffer);
    const gso = bytes[header.gsoType] ?? 0;
    const frame = bytes.subarray(header.size);
    const unmade =
      (this.#accepted & VIRTIO_NET_F_CSUM) !== 0n && ((bytes[header.flags] ?? 0) & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0;
    if (gso !== 0 && (gso !== VIRTIO_NET_HDR_GSO_TCPV4 || !unmade || !(this.#accepted & VIRTIO_NET_F_HOST_TSO4)))
      return;
    const at = view.getUint16(header.start, true) + view.getUint16(header.offset, true);
    if (unmade && at + 2 > frame.length) return;
    this.#end.receive({ bytes: frame, checked: unmade, queue });
  }

  /** False: there is no room. */
  #fill(queue: VirtioQueue, frame: FrameToGuest): boolean {
    const wanted = header.size + frame.bytes.length;
    const mergeable = (this.#accepted & VIRTIO_NET_F_MRG_RXBUF) !== 0n;
    const buffers: { buffer: VirtioBuffer; written: number }[] = [];
    let room = 0;
    while (room < wanted && buffers.length < queueSize) {
      const buffer = buffers.length === 0 || mergeable ? queue.take() : undefined;
      if (!buffer) break;
      const written = Math.min(lengthOf(buffer.writable), wanted - room);
      buffers.push({ buffer, written });
      room += written;
    }
    const first = buffers[0]?.written ?? 0;
    if (room < wanted || first < header.size) {
      // Without merging it will never have room in this one; and so where the header does not fit.
      const hopeless = buffers.length > 0 && (!mergeable || first < header.size || buffers.length === queueSize);
      for (const { buffer } of buffers.toReversed()) queue.putBack(buffer);
      return hopeless;
    }
    return this.#write(queue, frame, buffers);
  }

  #write(
    queue: VirtioQueue,
    { bytes, tcp }: FrameToGuest,
    buffers: readonly { readonly buffer: VirtioBuffer; readonly written: number }[],
  ): boolean {
    let done = 0;
    for (const [index, { buffer, written }] of buffers.entries()) {
      const head = index === 0 ? this.#header(bytes, tcp, buffers.length) : undefined;
      if (head && queue.fill(buffer, head) === undefined) return false;
      const skip = head?.length ?? 0;
      if (queue.fill(buffer, bytes.subarray(done, done + written - skip), skip) === undefined) return false;
      done += written - skip;
    }
    queue.giveAll(buffers);
    return true;
  }

  #header(bytes: Uint8Array, tcp: FrameToGuest["tcp"], buffers: number): Uint8Array {
    const head = new Uint8Array(header.size);
    const view = new DataView(head.buffer);
    view.setUint16(header.buffers, buffers, true);
    if (!this.takesUnchecked) return head;
    if (!tcp) {
      head[header.flags] = VIRTIO_NET_HDR_F_DATA_VALID;
      return head;
    }
    head[header.flags] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    view.setUint16(header.start, transportAt, true);
    view.setUint16(header.offset, tcpChecksum, true);
    if (bytes.length - transportAt - tcpSize > tcp.segmentSize && tcp.segmentSize > 0) {
      head[header.gsoType] = VIRTIO_NET_HDR_GSO_TCPV4;
      view.setUint16(header.length, transportAt + tcpSize, true);
      view.setUint16(header.gsoSize, tcp.segmentSize, true);
    }
    return head;
  }

  #control(queue: VirtioQueue): void {
    for (let count = 0; count < controlSize; count++) {
      const buffer = queue.take();
      if (!buffer) return;
      const command = new Uint8Array(Math.min(4, lengthOf(buffer.readable)));
      if (!queue.copy(buffer, 0, command)) return;
      const written = queue.fill(buffer, Uint8Array.of(this.#obey(command)));
      if (written === undefined) return;
      queue.give(buffer, written);
    }
  }

  #obey(command: Uint8Array): number {
    if (command[0] !== VIRTIO_NET_CTRL_MQ || command[1] !== VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET) return VIRTIO_NET_ERR;
    const pairs = command.length === 4 ? new DataView(command.buffer).getUint16(2, true) : 0;
    if (pairs < 1 || pairs > this.#pairs) return VIRTIO_NET_ERR;
    this.#used = pairs;
    return VIRTIO_NET_OK;
  }
}
