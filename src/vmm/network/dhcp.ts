/** The one address that there is to be had, for whoever asks. Source: RFC 2131, RFC 2132. */
import { viewOf } from "./packets.js";

export const dhcpServerPort = 67;
export const dhcpClientPort = 68;

const cookie = 0x6382_5363;
const fixedSize = 240;
const message = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, inform: 8 } as const;
const option = {
  mask: 1,
  router: 3,
  dns: 6,
  mtu: 26,
  requested: 50,
  lease: 51,
  type: 53,
  server: 54,
  end: 255,
} as const;
/** Seconds; an address that nobody else can have needs no renewing. */
const leaseTime = 86400;

export interface DhcpConfig {
  readonly address: number;
  readonly mask: number;
  /** Router and server. */
  readonly gateway: number;
  readonly dns: number;
  readonly mtu: number;
}

/** What is answered to a client's message; undefined: nothing. Answers are broadcast, since the client has no address yet. */
export function dhcpAnswer(bytes: Uint8Array, config: DhcpConfig): Uint8Array | undefined {
  if (bytes.length < fixedSize) return undefined;
  const view = viewOf(bytes);
  // A request, over Ethernet, with options.
  if (view.getUint8(0) !== 1 || view.getUint16(1) !== 0x0106 || view.getUint32(236) !== cookie) return undefined;
  const options = optionsOf(bytes.subarray(fixedSize));
  const number = (code: number): number | undefined => {
    const value = options.get(code);
    return value?.length === 4 ? viewOf(value).getUint32(0) : undefined;
  };
  const kind = options.get(option.type)?.[0];
  const server = number(option.server);
  if (server !== undefined && server !== config.gateway) return undefined;
  if (kind === message.discover) return reply(bytes, message.offer, config);
  if (kind === message.inform) return reply(bytes, message.ack, config, view.getUint32(12));
  if (kind !== message.request) return undefined;
  const wanted = number(option.requested) ?? view.getUint32(12);
  return reply(bytes, wanted === config.address ? message.ack : message.nak, config);
}

/** `own`: the address that a client already has, which asks for the rest. */
function reply(request: Uint8Array, kind: number, config: DhcpConfig, own?: number): Uint8Array {
  const bytes = new Uint8Array(300);
  const view = viewOf(bytes);
  // Hardware, transaction, seconds and flags, and the client's hardware address.
  bytes.set(request.subarray(1, 12), 1);
  bytes.set(request.subarray(28, 44), 28);
  bytes[0] = 2;
  bytes[3] = 0;
  view.setUint32(236, cookie);
  let at = fixedSize;
  const add = (code: number, size: 1 | 2 | 4, value: number): void => {
    bytes.set([code, size], at);
    if (size === 4) view.setUint32(at + 2, value);
    else if (size === 2) view.setUint16(at + 2, value);
    else bytes[at + 2] = value;
    at += 2 + size;
  };
  add(option.type, 1, kind);
  add(option.server, 4, config.gateway);
  if (kind !== message.nak) {
    if (own === undefined) {
      view.setUint32(16, config.address);
      add(option.lease, 4, leaseTime);
    } else {
      view.setUint32(12, own);
    }
    view.setUint32(20, config.gateway);
    add(option.mask, 4, config.mask);
    add(option.router, 4, config.gateway);
    add(option.dns, 4, config.dns);
    add(option.mtu, 2, config.mtu);
  }
  bytes[at] = option.end;
  return bytes;
}

function optionsOf(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (let at = 0; at < bytes.length; ) {
    const code = bytes[at] ?? option.end;
    if (code === option.end) break;
    if (code === 0) {
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    found.set(code, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return found;
}
