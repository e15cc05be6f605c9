/** Who has an address? Source: RFC 826. */
import { ethernetFrame, ethernetSize, etherType, type Mac, viewOf } from "./packets.js";

const packetSize = 28;
const request = 1;
const reply = 2;
const broadcast = new Uint8Array(6).fill(0xff);

export interface Arp {
  readonly asks: boolean;
  readonly senderMac: Mac;
  readonly sender: number;
  readonly target: number;
}

export function parseArp(packet: Uint8Array): Arp | undefined {
  if (packet.length < packetSize) return undefined;
  const view = viewOf(packet);
  // Ethernet and IPv4, with addresses of 6 and 4 bytes.
  if (view.getUint32(0) !== 0x0001_0800 || view.getUint16(4) !== 0x0604) return undefined;
  return {
    asks: view.getUint16(6) === request,
    senderMac: packet.slice(8, 14),
    sender: view.getUint32(14),
    target: view.getUint32(24),
  };
}

/** Says that `own` is at `ownMac`. */
export function arpReply(to: Arp, own: number, ownMac: Mac): Uint8Array {
  return arpFrame(reply, { mac: ownMac, address: own }, { mac: to.senderMac, address: to.sender });
}

/** Asks who has `target`. */
export function arpRequest(target: number, own: number, ownMac: Mac): Uint8Array {
  return arpFrame(request, { mac: ownMac, address: own }, { mac: broadcast, address: target });
}

interface End {
  readonly mac: Mac;
  readonly address: number;
}

function arpFrame(operation: number, from: End, to: End): Uint8Array {
  const frame = ethernetFrame(to.mac, from.mac, etherType.arp, packetSize);
  const view = new DataView(frame.buffer, ethernetSize);
  view.setUint32(0, 0x0001_0800);
  view.setUint16(4, 0x0604);
  view.setUint16(6, operation);
  frame.set(from.mac, ethernetSize + 8);
  view.setUint32(14, from.address);
  if (operation === reply) frame.set(to.mac, ethernetSize + 18);
  view.setUint32(24, to.address);
  return frame;
}
