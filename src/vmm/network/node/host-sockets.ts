/** The host's sockets and resolver, through Node.js. What only guests with a network need of it is loaded when they do. */
import type { Socket as DatagramSocket } from "node:dgram";
import { createServer, connect as openConnection, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { VmmError } from "../../errors.js";
import type { HostDatagrams, HostNetwork, HostStream, HostStreamEvents } from "../host.js";

const loopback = "127.0.0.1";
/** Datagrams that wait for the host, of one flow: more are lost, as they are anywhere. */
const mostWaiting = 64;

export const hostSockets: HostNetwork = {
  connect(address, port, events) {
    const socket = openConnection({ host: address, port, allowHalfOpen: true, noDelay: true });
    socket.once("connect", () => events.connected?.());
    return stream(socket, events);
  },

  datagrams(address, port, received): HostDatagrams {
    let socket: DatagramSocket | undefined;
    let closed = false;
    let waiting: Uint8Array[] | undefined = [];
    let inFlight = 0;
    const close = (): void => {
      if (!closed) socket?.close();
      closed = true;
    };
    const send = (bytes: Uint8Array): void => {
      if (closed || inFlight >= mostWaiting) return;
      inFlight++;
      socket?.send(bytes, () => inFlight--);
    };
    void import("node:dgram").then(({ createSocket }) => {
      if (closed) return;
      const opened = createSocket("udp4");
      socket = opened;
      // Nobody listens there, or there is no way: as lost.
      opened.on("error", () => {});
      opened.on("message", received);
      opened.connect(port, address, (error?: Error) => {
        // A socket that is not connected throws where it is to send.
        if (error) close();
        else for (const bytes of waiting ?? []) send(bytes);
        waiting = undefined;
      });
      opened.unref();
    });
    return {
      send: (bytes) => {
        if (!waiting) send(bytes);
        else if (waiting.length < mostWaiting) waiting.push(bytes.slice());
      },
      close,
    };
  },

  async resolve(name) {
    const { lookup } = await import("node:dns/promises");
    try {
      const found = await lookup(name, { family: 4, all: true });
      return found.map(({ address }) => address);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOTFOUND") return [];
      throw error;
    }
  },

  ownAddresses: () => Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []),

  listen(port, accept) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      accept((events) => stream(socket, events));
    });
    return new Promise((resolve, reject) => {
      server.once("error", (cause) =>
        reject(new VmmError(`connections to port ${port} of ${loopback} cannot be taken: ${cause.message}`, { cause })),
      );
      server.listen(port, loopback, () => {
        server.on("error", () => {});
        const bound = server.address();
        resolve({
          port: typeof bound === "object" && bound ? bound.port : port,
          close: () => void server.close(),
        });
      });
    });
  },
};

function stream(socket: Socket, events: HostStreamEvents): HostStream {
  let over = false;
  let ended = false;
  const fail = (): void => {
    if (over) return;
    over = true;
    socket.destroy();
    events.failed();
  };
  socket.on("data", (bytes) => {
    if (!over) events.data(bytes);
  });
  socket.on("end", () => {
    ended = true;
    if (!over) events.ended();
  });
  socket.on("error", fail);
  socket.on("close", () => {
    if (!ended) fail();
  });
  return {
    write: (bytes, written) => void socket.write(bytes, written),
    end: () => void socket.end(),
    destroy: () => {
      over = true;
      // A reset, so that who is at the other end does not take what came for all. While it connects, that would wait.
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
    },
    flow: (wanted) => void (wanted ? socket.resume() : socket.pause()),
  };
}
