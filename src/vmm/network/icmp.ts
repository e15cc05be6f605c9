/** Echo, as ping sends it. Source: RFC 792. */
import { type Addresses, ipv4Frame, protocol, sum, transportAt } from "./packets.js";

const echoRequest = 8;
const echoReply = 0;

/** The answer to an echo request; undefined: it is none. */
export function echoAnswer(to: Addresses, message: Uint8Array): Uint8Array | undefined {
  if (message.length < 8 || message[0] !== echoRequest || message[1] !== 0) return undefined;
  if (sum(message, 0, message.length) !== 0xffff) return undefined;
  const frame = ipv4Frame(to, protocol.icmp, message.length);
  frame.set(message, transportAt);
  frame[transportAt] = echoReply;
  const view = new DataView(frame.buffer, transportAt);
  view.setUint16(2, 0);
  view.setUint16(2, 0xffff ^ sum(frame, transportAt, frame.length));
  return frame;
}
