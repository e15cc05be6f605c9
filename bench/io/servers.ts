/** What a guest talks to in the bench: servers on the host's loopback. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

export interface BenchServers {
  readonly ports: { readonly down: number; readonly up: number; readonly echo: number };
  /** Sockets that are open now, of all three. */
  readonly open: () => number;
  close(): void;
}

const piece = Buffer.alloc(256 * 1024, "d");

/** `bytes`: what `down` sends to each who comes. */
export async function benchServers(bytes: number): Promise<BenchServers> {
  const sockets = new Set<Socket>();
  const serve = (talk: (socket: Socket) => void): Server =>
    createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => {});
      talk(socket);
    });
  const down = serve((socket) => {
    let left = bytes;
    const more = (): void => {
      while (left > 0) {
        const part = piece.subarray(0, Math.min(left, piece.length));
        left -= part.length;
        if (!socket.write(part)) return;
      }
      socket.end();
    };
    socket.on("drain", more).resume();
    more();
  });
  const up = serve((socket) => {
    socket.on("data", () => {}).on("end", () => socket.end("."));
  });
  const echo = serve((socket) => {
    socket.on("data", (data) => void socket.write(data)).on("end", () => socket.end());
  });
  const listen = (server: Server): Promise<number> =>
    new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port: 0, host: "127.0.0.1", backlog: 2048 }, () =>
        resolve((server.address() as AddressInfo).port),
      );
    });
  return {
    ports: { down: await listen(down), up: await listen(up), echo: await listen(echo) },
    open: () => sockets.size,
    close: () => {
      for (const server of [down, up, echo]) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
