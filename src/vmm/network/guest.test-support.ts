/** A guest's own TCP, for tests: what it sends comes from a loss-prone link, and it takes only what it has room for. */
import { formatAddress } from "./ipv4.js";
import { type Addresses, parseEthernet, parseIpv4, parseTcp, parseUdp, type Tcp, tcpFlag } from "./packets.js";
import { payloadOf, type Segment } from "./tcp.js";
import { tcpFrame } from "./tcp-frame.js";

export const guestMac = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
export const gatewayMac = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
export const guestIp = 0x0a00_020f;
export const gatewayIp = 0x0a00_0202;

export const toOutside = (destination: number): Addresses => ({
  destinationMac: gatewayMac,
  sourceMac: guestMac,
  source: guestIp,
  destination,
});

/** What a frame to the guest is, its checksums being right. */
export function understood(frame: Uint8Array) {
  const ethernet = parseEthernet(frame);
  const packet = ethernet && parseIpv4(ethernet.payload);
  const tcp = packet?.protocol === 6 ? parseTcp(packet, false) : undefined;
  const udp = packet?.protocol === 17 ? parseUdp(packet, false) : undefined;
  return { ethernet, packet, tcp, udp, from: packet && formatAddress(packet.source) };
}

export function segmentFrame(
  destination: number,
  [sourcePort, destinationPort]: readonly [number, number],
  {
    payload = new Uint8Array(0),
    ...segment
  }: Partial<Omit<Segment, "payload">> & { readonly flags: number; readonly payload?: Uint8Array },
): Uint8Array {
  const whole = {
    sequence: 0,
    acknowledgment: 0,
    window: 65535,
    payload: payloadOf(payload),
    segmentSize: 0,
    ...segment,
  };
  return tcpFrame(toOutside(destination), sourcePort, destinationPort, whole, false);
}

const scale = 2;
const plus = (a: number, b: number): number => (a + b) >>> 0;
const less = (a: number, b: number): boolean => ((a - b) | 0) < 0;

/** Written without a look at the other side's: one state for each direction, everything sent again when a timer says so. */
export class GuestTcp {
  readonly received: number[] = [];
  readonly #send: (segment: Parameters<typeof segmentFrame>[2]) => void;
  readonly #initial: number;
  #sent: number[] = [];
  /** Sequence numbers: of the first byte in `#sent`, and of the next one to be received. */
  #base: number;
  #expected = 0;
  #peerWindow = 0;
  #peerScale = 0;
  connected = false;
  reset = false;
  peerEnded = false;
  #ending = false;
  endAcknowledged = false;
  /** Room for bytes that the program has not read. */
  room = 20_000;

  constructor(send: (segment: Parameters<typeof segmentFrame>[2]) => void, initial: number) {
    this.#send = send;
    this.#initial = initial;
    this.#base = plus(initial, 1);
  }

  get over(): boolean {
    return this.reset || (this.peerEnded && this.endAcknowledged);
  }

  get unsent(): number {
    return this.#sent.length;
  }

  write(bytes: readonly number[]): void {
    this.#sent.push(...bytes);
  }

  end(): void {
    this.#ending = true;
  }

  /** All that may be sent now, from the oldest byte on. */
  flush(most = 1460): void {
    if (this.reset) return;
    if (!this.connected) {
      this.#emit(tcpFlag.syn, this.#initial, []);
      return;
    }
    let offset = 0;
    const may = Math.min(this.#sent.length, this.#peerWindow);
    do {
      const part = this.#sent.slice(offset, Math.min(may, offset + most));
      const last = this.#ending && offset + part.length === this.#sent.length;
      this.#emit(tcpFlag.ack | (last ? tcpFlag.fin : 0), plus(this.#base, offset), part);
      offset += part.length;
    } while (offset < may);
  }

  #emit(flags: number, sequence: number, payload: readonly number[]): void {
    const begins = (flags & tcpFlag.syn) !== 0;
    this.#send({
      flags,
      sequence,
      acknowledgment: begins ? 0 : this.#expected,
      window: begins ? Math.min(65535, this.room) : this.room >> scale,
      payload: Uint8Array.from(payload),
      ...(begins ? { options: { segmentSize: 1460, windowScale: scale } } : {}),
    });
  }

  take(segment: Tcp): void {
    if (this.reset) return;
    if (segment.flags & tcpFlag.rst) {
      this.reset = true;
      return;
    }
    if (segment.flags & tcpFlag.syn) {
      if (this.connected) {
        this.#emit(tcpFlag.ack, this.#base, []);
        return;
      }
      this.connected = true;
      this.#expected = plus(segment.sequence, 1);
      this.#peerScale = segment.options.windowScale ?? 0;
      this.#peerWindow = segment.window;
      return;
    }
    if (!this.connected) return;
    let acknowledged = (segment.acknowledgment - this.#base) | 0;
    if (acknowledged === this.#sent.length + 1 && this.#ending) {
      this.endAcknowledged = true;
      acknowledged--;
    }
    if (acknowledged > this.#sent.length) throw new Error(`${acknowledged} bytes acknowledged of ${this.#sent.length}`);
    if (acknowledged > 0) {
      this.#sent.splice(0, acknowledged);
      this.#base = plus(this.#base, acknowledged);
    }
    if (acknowledged >= 0) this.#peerWindow = segment.window * 2 ** this.#peerScale;
    this.#takeBytes(segment);
  }

  #takeBytes({ sequence, payload, flags }: Tcp): void {
    if (less(this.#expected, sequence)) return;
    const skip = (this.#expected - sequence) | 0;
    const fresh = payload.subarray(Math.min(skip, payload.length), Math.min(payload.length, skip + this.room));
    this.received.push(...fresh);
    this.room -= fresh.length;
    this.#expected = plus(this.#expected, fresh.length);
    const whole = this.#expected === plus(sequence, payload.length);
    if (flags & tcpFlag.fin && whole && !this.peerEnded) {
      this.peerEnded = true;
      this.#expected = plus(this.#expected, 1);
    }
  }
}
