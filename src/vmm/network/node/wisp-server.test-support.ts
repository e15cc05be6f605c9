/** A relay for tests: Wisp, version 1, over WebSockets (RFC 6455) over TCP. Every name is this host's. */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Packets that a stream may have on their way. */
const buffer = 4;

export interface WispServer {
  readonly url: URL;
  /** What was asked for, as "name:port". */
  readonly asked: string[];
  /** Sends a message to all, whatever it is. */
  say(bytes: Uint8Array): void;
  /** Ends all that are there; it goes on listening. */
  drop(): void;
  close(): void;
}

export async function wispServer(): Promise<WispServer> {
  const asked: string[] = [];
  const sockets = new Set<Duplex>();
  const server = createServer();
  server.on("upgrade", ({ headers }, socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    const key = createHash("sha1").update(`${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key.digest("base64")}\r\n\r\n`,
    );
    serve(socket, asked);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`),
    asked,
    say: (bytes) => {
      for (const socket of sockets) send(socket, bytes);
    },
    drop,
    close: () => {
      drop();
      server.close();
    },
  };
}

function send(socket: Duplex, bytes: Uint8Array): void {
  const { length } = bytes;
  // Firefox takes a length only as it is shortest.
  const size = length < 126 ? 2 : length < 65536 ? 4 : 10;
  const head = Buffer.alloc(size);
  head.writeUInt8(0x82, 0);
  head.writeUInt8(size === 2 ? length : size === 4 ? 126 : 127, 1);
  if (size === 4) head.writeUInt16BE(length, 2);
  else if (size === 10) head.writeBigUInt64BE(BigInt(length), 2);
  socket.write(Buffer.concat([head, bytes]));
}

function packet(type: number, id: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(type, 0);
  head.writeUInt32LE(id, 1);
  return Buffer.concat([head, payload]);
}

function room(id: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(buffer, 0);
  return packet(3, id, payload);
}

function serve(socket: Duplex, asked: string[]): void {
  const streams = new Map<number, { readonly to: Socket; packets: number }>();
  const hear = (bytes: Buffer): void => {
    const [type, id, payload] = [bytes.readUInt8(0), bytes.readUInt32LE(1), bytes.subarray(5)];
    const known = streams.get(id);
    if (type === 1) {
      const [port, name] = [payload.readUInt16LE(1), payload.subarray(3).toString("utf8")];
      asked.push(`${name}:${port}`);
      const to = connect(port, "127.0.0.1");
      streams.set(id, { to, packets: 0 });
      to.on("data", (data) => send(socket, packet(2, id, data)));
      const over = (reason: number): void => {
        if (streams.delete(id)) send(socket, packet(4, id, Uint8Array.of(reason)));
      };
      to.on("end", () => over(2));
      to.on("error", () => over(0x44));
    } else if (type === 2 && known) {
      // Who sends more than there is room for is no client of this protocol.
      if (++known.packets > buffer) socket.destroy();
      known.to.write(payload, () => {
        if (--known.packets === 0) send(socket, room(id));
      });
    } else if (type === 4 && known) {
      streams.delete(id);
      known.to.end();
    }
  };
  let waiting: Buffer = Buffer.alloc(0);
  socket.on("data", (data: Buffer) => {
    waiting = Buffer.concat([waiting, data]);
    for (let frame = take(waiting); frame; frame = take(waiting)) {
      waiting = waiting.subarray(frame.size);
      if (frame.opcode === 2) hear(frame.payload);
      else if (frame.opcode === 8) socket.end();
    }
  });
  socket.on("close", () => {
    for (const { to } of streams.values()) to.destroy();
  });
  send(socket, room(0));
}

/** The first frame of a client's, without its mask. */
function take(bytes: Buffer): { readonly opcode: number; readonly payload: Buffer; readonly size: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes.readUInt8(1) & 127;
  const at = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < at + 4) return undefined;
  const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  const begin = at + 4;
  if (bytes.length < begin + length) return undefined;
  const payload = Buffer.from(bytes.subarray(begin, begin + length));
  for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[at + (i & 3)] ?? 0);
  return { opcode: bytes.readUInt8(0) & 15, payload, size: begin + length };
}
