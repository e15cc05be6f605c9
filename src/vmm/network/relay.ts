/** A relay's address, as a guest's host: Wisp over the WebSocket that a runtime has. */
import { messageOf } from "../../base/errors.js";
import { VmmError } from "../errors.js";
import type { HostNetwork } from "./host.js";
import { type DialRelay, openWisp, type RelayHost } from "./wisp.js";

/** Of WHATWG's "WebSockets": what is used of it, in a page and in Node.js. */
interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  send(bytes: Uint8Array): void;
  close(): void;
  addEventListener(type: string, listener: (event: { readonly data?: unknown; readonly code?: number }) => void): void;
}

/** Rejects with VmmError: `url` is no relay's, cannot be reached, or this runtime has no WebSocket. */
export async function openRelay(url: string, host: RelayHost): Promise<HostNetwork> {
  const { WebSocket } = globalThis as { readonly WebSocket?: new (url: string) => Socket };
  if (!WebSocket) {
    throw new VmmError(
      "this runtime has no WebSocket, which network.via with a relay's address needs: take Node.js 22 or later, or start Node.js 20 with --experimental-websocket",
    );
  }
  const dial: DialRelay = (events) => {
    let socket: Socket;
    try {
      socket = new WebSocket(url);
    } catch (error) {
      // A page that has TLS may not have one without, for one.
      throw new VmmError(`the relay ${url} cannot be used: ${messageOf(error)}`, { cause: error });
    }
    socket.binaryType = "arraybuffer";
    let open = false;
    socket.addEventListener("open", () => {
      open = true;
    });
    socket.addEventListener("message", ({ data }) => {
      // Text is none of Wisp's, nor is an empty packet.
      events.message(data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(0));
    });
    socket.addEventListener("close", ({ code }) =>
      events.closed(open ? `it ended the connection (${code})` : "it cannot be reached"),
    );
    // A "close" follows, but not in every Node.js of one that was never open.
    socket.addEventListener("error", () => {
      if (!open) events.closed("it cannot be reached");
    });
    return {
      send: (bytes) => socket.send(bytes),
      close: () => socket.close(),
      get waiting() {
        return socket.bufferedAmount;
      },
    };
  };
  return openWisp(dial, url, host);
}
