/** A frame with a TCP segment for the guest. */
import {
  type Addresses,
  fold,
  ipv4Frame,
  protocol,
  pseudoHeader,
  tcpSize,
  transportAt,
  transportSum,
} from "./packets.js";
import type { Segment } from "./tcp.js";

/** `unchecked`: the checksum field gets the pseudo-header's sum alone, as a card that makes the rest takes it. */
export function tcpFrame(
  to: Addresses,
  sourcePort: number,
  destinationPort: number,
  segment: Segment,
  unchecked: boolean,
): Uint8Array {
  const options = segment.options ? optionBytes(segment.options) : undefined;
  const header = tcpSize + (options?.length ?? 0);
  const frame = ipv4Frame(to, protocol.tcp, header + segment.payload.length);
  const view = new DataView(frame.buffer, transportAt);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint32(4, segment.sequence);
  view.setUint32(8, segment.acknowledgment);
  view.setUint8(12, (header / 4) << 4);
  view.setUint8(13, segment.flags);
  view.setUint16(14, segment.window);
  if (options) frame.set(options, transportAt + tcpSize);
  segment.payload.copyTo(frame.subarray(transportAt + header));
  const packet = { ...to, protocol: protocol.tcp };
  const length = frame.length - transportAt;
  const checksum = unchecked
    ? fold(pseudoHeader(packet, length))
    : 0xffff ^ transportSum(packet, frame.subarray(transportAt));
  view.setUint16(16, checksum);
  return frame;
}

function optionBytes({ segmentSize, windowScale }: NonNullable<Segment["options"]>): Uint8Array {
  const size = [2, 4, segmentSize >> 8, segmentSize & 0xff];
  return Uint8Array.from(windowScale === undefined ? size : [...size, 1, 3, 3, windowScale]);
}
