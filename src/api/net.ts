/** `vm.net`: connections to servers in the guest, which no socket of the host takes part in. */
import type { HostStream, HostStreamEvents } from "../vmm/network/host.js";
import { VmError } from "./error.js";
import { requireOptions } from "./program.js";
import type { Abort, Duplex, VmNet } from "./types.js";

/** Begins a connection to a port of the guest. Throws VmError: it cannot. */
export type Dial = (port: number, attach: (events: HostStreamEvents) => HostStream) => void;

export const noNetwork = (): VmError =>
  new VmError("ENETUNREACH", "the VM has no network, and so nothing can be reached in it; give createVm network: {}");

export class GuestNet implements VmNet {
  readonly #dial: Dial;

  constructor(dial: Dial) {
    this.#dial = dial;
  }

  async connect(port: number, options: Abort = {}): Promise<Duplex> {
    requirePort(port, "connect");
    requireOptions(options, "connect");
    const { signal } = options;
    signal?.throwIfAborted();
    // Few need it: a page has it when it does.
    const { Connection } = await import("./connection.js");
    signal?.throwIfAborted();
    const connection = new Connection(port);
    this.#dial(port, (events) => connection.attach(events));
    const abort = (): void => connection.reset(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await connection.opened;
      return connection;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async fetch(port: number, request: Request | string): Promise<Response> {
    requirePort(port, "fetch");
    const asked = typeof request === "string" ? requestOf(port, request) : request;
    if (!(asked instanceof Request)) throw new VmError("EINVAL", "fetch: request is neither a Request nor a path");
    asked.signal.throwIfAborted();
    const { askHttp } = await import("./http.js");
    return askHttp(await this.connect(port, { signal: asked.signal }), asked);
  }
}

function requirePort(port: number, call: string): void {
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return;
  throw new VmError("EINVAL", `${call}: port is ${port}, not a number from 1 to 65535`);
}

function requestOf(port: number, path: string): Request {
  try {
    return new Request(new URL(path, `http://localhost:${port}/`));
  } catch (error) {
    throw new VmError("EINVAL", `fetch: ${JSON.stringify(path)} is no path, as "/index.html"`, { cause: error });
  }
}
