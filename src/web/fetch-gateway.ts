/**
 * What is behind a guest's network card in a page: HTTP without TLS from the guest is sent on by fetch, one request a
 * connection, within what the page's browser and the other server let it (CORS). There is nothing else that a page can reach.
 * The guest's request is bounded before it is sent, the answer goes on as the guest takes it, and no cookie of the user's does.
 */
import { messageOf } from "../base/errors.js";
import { ByteQueue } from "../vmm/core/byte-queue.js";
import { VmmError } from "../vmm/errors.js";
import type { HostNetwork, HostStream, HostStreamEvents } from "../vmm/network/host.js";

/** Bytes of a request's head, and of its body. */
const mostHead = 65536;
const mostBody = 8 << 20;
/** Between the guest and this, or not fetch's to be told. RFC 9110, "Connection"; Fetch, "forbidden request-header". */
const ownHeaders =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|content-length|user-agent|expect)$/i;
/** What fetch has already undone, and what is between it and the server. */
const undone = /^(connection|keep-alive|transfer-encoding|content-encoding|content-length|trailer|upgrade)$/i;

export interface GatewayOptions {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Of the page: from one that has TLS no other may be fetched. */
  readonly secure: boolean;
}

export function fetchGateway(options: GatewayOptions): HostNetwork {
  const connectName = (name: string, port: number, events: HostStreamEvents): HostStream =>
    new Exchange(options, addressOf(name, port, options.secure), events);
  return {
    connectName,
    connect: connectName,
    datagrams: () => ({ send: () => undefined, close: () => undefined }),
    resolve: async () => {
      throw new VmmError("a page cannot ask for a name's address");
    },
    ownAddresses: () => [],
    listen: async () => {
      throw new VmmError("a page cannot listen: leave network.forward out");
    },
  };
}

/** What the guest means by port 80 is asked for by HTTPS in a page that has TLS. */
const addressOf = (name: string, port: number, secure: boolean): string =>
  `${secure ? "https" : "http"}://${name}${port === 80 ? "" : `:${port}`}`;

/** One connection of the guest's: a request and its answer. */
class Exchange implements HostStream {
  readonly #options: GatewayOptions;
  readonly #address: string;
  readonly #events: HostStreamEvents;
  readonly #stop = new AbortController();
  /** Of the request, until it is sent. */
  readonly #bytes = new ByteQueue();
  /** Where the end of the head is looked for. */
  #looked = 0;
  #request: { readonly head: Head; readonly length: number } | undefined;
  #sent = false;
  #flowing = true;
  #wake: (() => void) | undefined;

  constructor(options: GatewayOptions, address: string, events: HostStreamEvents) {
    [this.#options, this.#address, this.#events] = [options, address, events];
    queueMicrotask(() => {
      if (!this.#stop.signal.aborted) events.connected?.();
    });
  }

  write(bytes: Uint8Array, written: () => void): void {
    // What comes behind a request is not read: its answer says that the connection ends with it.
    if (!this.#sent) this.#take(bytes);
    written();
  }

  end(): void {
    if (!this.#sent) this.#refuse(400, "the request is not whole");
  }

  destroy(): void {
    this.#stop.abort();
    this.#wake?.();
  }

  flow(wanted: boolean): void {
    this.#flowing = wanted;
    if (wanted) this.#wake?.();
  }

  #take(bytes: Uint8Array): void {
    this.#bytes.append(bytes);
    if (!this.#request) this.#readHead();
    const { head, length } = this.#request ?? {};
    if (!head || length === undefined || this.#bytes.length < length || this.#sent) return;
    const body = length > 0 ? this.#bytes.peek().slice(0, length) : undefined;
    void this.#send(head, body);
  }

  #readHead(): void {
    const end = endOfHead(this.#bytes.peek(), this.#looked);
    if (end === undefined) {
      this.#looked = Math.max(0, this.#bytes.length - 3);
      if (this.#bytes.length > mostHead) this.#refuse(431, `the request's head is longer than ${mostHead} bytes`);
      return;
    }
    const head = end <= mostHead ? parseHead(this.#bytes.peek().subarray(0, end)) : undefined;
    if (!head) {
      this.#refuse(400, "this is no request of HTTP/1.1");
      return;
    }
    const length = head.headers.find(([name]) => name.toLowerCase() === "content-length")?.[1] ?? "0";
    if (head.headers.some(([name]) => name.toLowerCase() === "transfer-encoding")) {
      this.#refuse(411, "a body without its length cannot be sent on");
      return;
    }
    if (!/^\d{1,9}$/.test(length)) {
      this.#refuse(400, "the body's length is no number");
      return;
    }
    if (Number(length) > mostBody) {
      this.#refuse(413, `a body of more than ${mostBody} bytes cannot be sent on`);
      return;
    }
    this.#bytes.drop(end);
    this.#request = { head, length: Number(length) };
  }

  async #send({ method, path, headers }: Head, body: Uint8Array<ArrayBuffer> | undefined): Promise<void> {
    this.#sent = true;
    this.#bytes.drop(this.#bytes.length);
    let response: Response;
    try {
      response = await this.#options.fetch(this.#address + path, {
        method,
        headers: headers.filter(([name]) => !ownHeaders.test(name)) as [string, string][],
        ...(body ? { body } : {}),
        // The guest is not the user.
        // What is allowed is this host, and a page is not told where else it would be sent.
        redirect: "manual",
        ...{ credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store" },
        signal: this.#stop.signal,
      });
    } catch (error) {
      return this.#answer(502, `${this.#address} cannot be fetched by this page: ${messageOf(error)}`);
    }
    if (response.type === "opaqueredirect") {
      return this.#answer(502, `${this.#address} is elsewhere now, and a page cannot tell where`);
    }
    const lines = [...response.headers].flatMap(([name, value]) => (undone.test(name) ? [] : [`${name}: ${value}`]));
    this.#say(
      [`HTTP/1.1 ${response.status} ${response.statusText}`, ...lines, "connection: close", "", ""].join("\r\n"),
    );
    try {
      const reader = response.body?.getReader();
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        while (!this.#flowing && !this.#over) await new Promise<void>((resolve) => (this.#wake = resolve));
        if (this.#over) return;
        this.#events.data(part.value);
      }
      if (!this.#over) this.#events.ended();
    } catch {
      if (!this.#over) this.#events.failed();
    }
  }

  get #over(): boolean {
    return this.#stop.signal.aborted;
  }

  /** What is not sent on. */
  #refuse(status: number, why: string): void {
    this.#sent = true;
    this.#bytes.drop(this.#bytes.length);
    this.#answer(status, why);
  }

  #answer(status: number, why: string): void {
    if (this.#over) return;
    const length = new TextEncoder().encode(why).length + 1;
    this.#say(
      `HTTP/1.1 ${status} unikvm\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${why}\n`,
    );
    this.#events.ended();
  }

  #say(text: string): void {
    if (!this.#over) this.#events.data(new TextEncoder().encode(text));
  }
}

interface Head {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Where the body begins. */
function endOfHead(bytes: Uint8Array, from: number): number | undefined {
  for (let at = bytes.indexOf(13, from); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
    if (at > mostHead) return undefined;
  }
  return undefined;
}

/** RFC 9112, "Message Format", with a path as target; undefined: it is not. */
function parseHead(bytes: Uint8Array): Head | undefined {
  const [first = "", ...lines] = new TextDecoder("latin1").decode(bytes).split("\r\n");
  const [, method, path] = /^([A-Z]{1,20}) (\/[\x21-\x7e]*) HTTP\/1\.[01]$/.exec(first) ?? [];
  if (method === undefined || path === undefined) return undefined;
  const headers: (readonly [string, string])[] = [];
  for (const line of lines.filter((one) => one !== "")) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\x20-\x7e\t\x80-\xff]*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    headers.push([name, value.trimEnd()]);
  }
  return { method, path, headers };
}
