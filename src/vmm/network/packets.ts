/**
 * Frames and packets as bytes. What is parsed was written by a guest: whatever does not fit its own lengths is no packet.
 * Source: RFC 894 (Ethernet), RFC 791 (IPv4), RFC 768 (UDP), RFC 9293 (TCP), RFC 1071 (checksums).
 */

export const etherType = { ipv4: 0x0800, arp: 0x0806 } as const;
export const protocol = { icmp: 1, tcp: 6, udp: 17 } as const;
export const tcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

export const ethernetSize = 14;
export const ipv4Size = 20;
export const udpSize = 8;
export const tcpSize = 20;
/** Where a packet's transport header begins in a frame that is made here. */
export const transportAt = ethernetSize + ipv4Size;
/** Bytes of a packet that a card sends as one: what Ethernet carries. */
export const mtu = 1500;
/** Bytes of a frame at most: a packet as long as its length field can say. */
export const mostFrame = ethernetSize + 65535;

/** Six bytes. */
export type Mac = Uint8Array;

export interface Ethernet {
  readonly destination: Mac;
  readonly source: Mac;
  readonly type: number;
  readonly payload: Uint8Array;
}

export function parseEthernet(frame: Uint8Array): Ethernet | undefined {
  if (frame.length < ethernetSize) return undefined;
  return {
    destination: frame.subarray(0, 6),
    source: frame.subarray(6, 12),
    type: viewOf(frame).getUint16(12),
    payload: frame.subarray(ethernetSize),
  };
}

export interface Ipv4 {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  /** What follows the header, without what pads a short frame. */
  readonly payload: Uint8Array;
}

/** Undefined: it is none, its header's checksum is wrong, or it is a fragment, which nothing here puts together. */
export function parseIpv4(packet: Uint8Array): Ipv4 | undefined {
  if (packet.length < ipv4Size) return undefined;
  const view = viewOf(packet);
  const header = 4 * (view.getUint8(0) & 15);
  const length = view.getUint16(2);
  if (view.getUint8(0) >> 4 !== 4 || header < ipv4Size || length < header || length > packet.length) return undefined;
  if (view.getUint16(6) & 0x3fff || sum(packet, 0, header) !== 0xffff) return undefined;
  return {
    source: view.getUint32(12),
    destination: view.getUint32(16),
    protocol: view.getUint8(9),
    payload: packet.subarray(header, length),
  };
}

export interface Udp {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** `checked`: its checksum is right, or is still to be made. */
export function parseUdp(packet: Ipv4, checked: boolean): Udp | undefined {
  const { payload } = packet;
  if (payload.length < udpSize) return undefined;
  const view = viewOf(payload);
  const length = view.getUint16(4);
  if (length < udpSize || length > payload.length) return undefined;
  if (!checked && view.getUint16(6) !== 0 && transportSum(packet, payload.subarray(0, length)) !== 0xffff) {
    return undefined;
  }
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    payload: payload.subarray(udpSize, length),
  };
}

export interface Tcp {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** As it is in the header, not scaled. */
  readonly window: number;
  readonly options: { readonly segmentSize?: number; readonly windowScale?: number };
  readonly payload: Uint8Array;
}

export function parseTcp(packet: Ipv4, checked: boolean): Tcp | undefined {
  const { payload } = packet;
  if (payload.length < tcpSize) return undefined;
  const view = viewOf(payload);
  const header = 4 * (view.getUint8(12) >> 4);
  if (header < tcpSize || header > payload.length) return undefined;
  if (!checked && transportSum(packet, payload) !== 0xffff) return undefined;
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgment: view.getUint32(8),
    flags: view.getUint8(13),
    window: view.getUint16(14),
    options: tcpOptions(payload.subarray(tcpSize, header)),
    payload: payload.subarray(header),
  };
}

function tcpOptions(bytes: Uint8Array): Tcp["options"] {
  const options: { segmentSize?: number; windowScale?: number } = {};
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes[at] ?? 0;
    if (kind === 0) break;
    const length = kind === 1 ? 1 : (bytes[at + 1] ?? 0);
    if ((kind !== 1 && length < 2) || at + length > bytes.length) break;
    if (kind === 2 && length === 4) options.segmentSize = viewOf(bytes).getUint16(at + 2);
    if (kind === 3 && length === 3) options.windowScale = Math.min(14, bytes[at + 2] ?? 0);
    at += length;
  }
  return options;
}

/** A frame whose payload is still to be filled in, from `ethernetSize` on. */
export function ethernetFrame(destination: Mac, source: Mac, type: number, payloadSize: number): Uint8Array {
  const frame = new Uint8Array(ethernetSize + payloadSize);
  frame.set(destination, 0);
  frame.set(source, 6);
  viewOf(frame).setUint16(12, type);
  return frame;
}

export interface Addresses {
  readonly destinationMac: Mac;
  readonly sourceMac: Mac;
  readonly source: number;
  readonly destination: number;
}

/** A frame with an IPv4 header; what follows it is still to be filled in, from `transportAt` on. */
export function ipv4Frame(to: Addresses, kind: number, payloadSize: number): Uint8Array {
  const frame = ethernetFrame(to.destinationMac, to.sourceMac, etherType.ipv4, ipv4Size + payloadSize);
  const view = new DataView(frame.buffer, ethernetSize);
  view.setUint8(0, 0x45);
  view.setUint16(2, ipv4Size + payloadSize);
  // Not to be fragmented.
  view.setUint16(6, 0x4000);
  view.setUint8(8, 64);
  view.setUint8(9, kind);
  view.setUint32(12, to.source);
  view.setUint32(16, to.destination);
  view.setUint16(10, 0xffff ^ sum(frame, ethernetSize, transportAt));
  return frame;
}

export function udpFrame(to: Addresses, sourcePort: number, destinationPort: number, payload: Uint8Array): Uint8Array {
  const frame = ipv4Frame(to, protocol.udp, udpSize + payload.length);
  const view = new DataView(frame.buffer, transportAt);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint16(4, udpSize + payload.length);
  frame.set(payload, transportAt + udpSize);
  const packet = { ...to, protocol: protocol.udp };
  // 0 stands for none.
  view.setUint16(6, 0xffff ^ transportSum(packet, frame.subarray(transportAt)) || 0xffff);
  return frame;
}

/** The sum over a TCP or UDP packet and what its IPv4 header says of it; 0xffff if its checksum is right. */
export function transportSum(packet: Pick<Ipv4, "source" | "destination" | "protocol">, payload: Uint8Array): number {
  return sum(payload, 0, payload.length, pseudoHeader(packet, payload.length));
}

/** The part of the sum that is the IPv4 header's, not folded. */
export function pseudoHeader(
  { source, destination, protocol: kind }: Pick<Ipv4, "source" | "destination" | "protocol">,
  length: number,
): number {
  return (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + kind + length;
}

/** The ones' complement sum of 16-bit words, folded. */
export function sum(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  let total = initial;
  // Sums of 65,536 bytes do not leave 32 bits.
  for (let at = start; at + 1 < end; at += 2) total += ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  if ((end - start) & 1) total += (bytes[end - 1] as number) << 8;
  return fold(total);
}

export function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
