/**
 * The page's part of a machine's network: what it may be, and its end of connections to servers in the guest. The network, in the
 * worker, has the other (network.ts). Loaded by those who have one.
 */
import { notSupported } from "../api/error.js";
import { relayOf } from "../api/network.js";
import type { Network } from "../api/types.js";
import type { Accept, HostStream, HostStreamEvents } from "../vmm/network/host.js";
import type { FarEvent, NearEvent, NetworkPlan } from "./messages.js";

/** Bytes of a connection that were sent to the worker and that the network has not taken. */
const window = 1 << 18;

/** What a page can give a guest of a network. VmError, EINVAL, NOT_SUPPORTED. */
export function networkPlan({ allow = [], forward = [], via = "fetch", onConnect }: Network): NetworkPlan {
  const relay = relayOf(via, allow);
  if (relay === undefined && via !== "fetch") {
    throw notSupported(
      `createVm: the option network.via with ${String(via)} in a page`,
      'there is "fetch", and a relay\'s address as new URL("wss://…")',
    );
  }
  if (allow === "all") {
    // It could not leave out the networks beside the user's machine: a page is not told a name's address.
    throw notSupported('createVm: the option network.allow with "all" in a page', "name hosts and ports");
  }
  if (forward.length > 0) throw notSupported("createVm: the option network.forward in a page", "use vm.net");
  return { allow, relay, asks: onConnect !== undefined };
}

type Post = (stream: number, event: NearEvent, transfer?: Transferable[]) => void;

export class NearStreams {
  readonly #post: Post;
  readonly #streams = new Map<number, NearStream>();
  #next = 0;

  constructor(post: Post) {
    this.#post = post;
  }

  dial(port: number, attach: Parameters<Accept>[0]): void {
    const id = this.#next++;
    this.#streams.set(id, new NearStream(attach, (event, transfer) => this.#post(id, event, transfer)));
    this.#post(id, { kind: "dial", port });
  }

  hear(id: number, event: FarEvent): void {
    const stream = this.#streams.get(id);
    stream?.hear(event);
    if (stream?.over) this.#streams.delete(id);
  }

  /** There is no network any more. */
  close(): void {
    for (const stream of this.#streams.values()) stream.hear({ kind: "destroy" });
    this.#streams.clear();
  }
}

class NearStream implements HostStreamEvents {
  readonly #stream: HostStream;
  readonly #post: (event: NearEvent, transfer?: Transferable[]) => void;
  #untaken = 0;
  #stopped = false;
  /** Who says nothing more. */
  #ended = false;
  #guestEnded = false;
  over = false;

  constructor(attach: Parameters<Accept>[0], post: (event: NearEvent, transfer?: Transferable[]) => void) {
    this.#post = post;
    this.#stream = attach(this);
  }

  data(bytes: Uint8Array): void {
    if (this.over || this.#ended) return;
    this.#untaken += bytes.length;
    if (this.#untaken >= window && !this.#stopped) {
      this.#stopped = true;
      this.#stream.flow(false);
    }
    this.#post({ kind: "data", bytes });
  }

  ended(): void {
    if (this.over || this.#ended) return;
    this.#ended = true;
    this.#post({ kind: "ended" });
    this.over = this.#guestEnded;
  }

  failed(): void {
    if (!this.over) this.#post({ kind: "failed" });
    this.over = true;
  }

  hear(event: FarEvent): void {
    if (this.over) return;
    if (event.kind === "opened") this.#stream.opened?.();
    else if (event.kind === "write") this.#stream.write(event.bytes, () => this.#post({ kind: "written" }));
    else if (event.kind === "took") {
      this.#untaken -= event.length;
      if (!this.#stopped || this.#untaken >= window) return;
      this.#stopped = false;
      this.#stream.flow(true);
    } else if (event.kind === "end") {
      this.#guestEnded = true;
      this.#stream.end();
      this.over = this.#ended;
    } else {
      this.over = true;
      this.#stream.destroy();
    }
  }
}
