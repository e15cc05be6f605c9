/** A guest's network card in a page, and what is behind it. In the machine's worker, which loads it if there is one. */
import { ByteQueue } from "../vmm/core/byte-queue.js";
import type { VirtioPciState } from "../vmm/devices/virtio/virtio-pci.js";
import { VmmError } from "../vmm/errors.js";
import type { HostNetwork, HostStream, HostStreamEvents } from "../vmm/network/host.js";
import { type OpenNetwork, openNetworkOf } from "../vmm/network/open-network.js";
import type { Destination } from "../vmm/network/policy.js";
import type { FarEvent, FromMachine, NearEvent, NetworkPlan } from "./messages.js";

/** Questions that the page has not answered: a guest could ask for ever. */
const mostQuestions = 1024;

type Post = (message: FromMachine, transfer?: Transferable[]) => void;

export class PageNetwork {
  readonly #open: OpenNetwork;
  readonly #post: Post;
  readonly #questions: Questions;
  readonly #streams = new Map<number, FarStream>();

  private constructor(open: OpenNetwork, questions: Questions, post: Post) {
    [this.#open, this.#questions, this.#post] = [open, questions, post];
  }

  /** Rejects with VmmError: a rule is none, or the relay cannot be reached. */
  static async open(
    plan: NetworkPlan,
    cpus: number,
    saved: VirtioPciState | undefined,
    post: Post,
  ): Promise<PageNetwork> {
    const { allow, relay, asks } = plan;
    const questions = new Questions(post);
    const onConnect = asks ? { onConnect: (to: Destination) => questions.ask(to) } : {};
    const host = relay === undefined ? await gateway() : await byRelay(relay);
    return new PageNetwork(
      await openNetworkOf(host, { allow, forward: [], ...onConnect }, cpus, saved),
      questions,
      post,
    );
  }

  get device(): OpenNetwork["device"] {
    return this.#open.device;
  }

  answer(id: number, may: boolean): void {
    this.#questions.answer(id, may);
  }

  hear(id: number, event: NearEvent): void {
    if (event.kind === "dial") {
      this.#open.connect(event.port, (events) => {
        const say = (one: FarEvent, transfer?: Transferable[]): void =>
          this.#post({ type: "net", stream: id, event: one }, transfer);
        const stream = new FarStream(events, say, () => this.#streams.delete(id));
        this.#streams.set(id, stream);
        return stream;
      });
      return;
    }
    this.#streams.get(id)?.hear(event);
  }

  close(): void {
    this.#open.close();
  }
}

async function gateway(): Promise<HostNetwork> {
  const { fetchGateway } = await import("./fetch-gateway.js");
  return fetchGateway({ fetch: (url, init) => fetch(url, init), secure: location.protocol === "https:" });
}

async function byRelay(url: string): Promise<HostNetwork> {
  const { openRelay } = await import("../vmm/network/relay.js");
  return openRelay(url, {
    listen: async () => {
      throw new VmmError("a page cannot listen: leave network.forward out");
    },
  });
}

/** What the page is asked. */
class Questions {
  readonly #post: Post;
  readonly #open = new Map<number, (may: boolean) => void>();
  #next = 0;

  constructor(post: Post) {
    this.#post = post;
  }

  async ask(to: Destination): Promise<boolean> {
    if (this.#open.size >= mostQuestions) return false;
    const id = this.#next++;
    this.#post({ type: "asks", id, to });
    return new Promise((resolve) => this.#open.set(id, resolve));
  }

  answer(id: number, may: boolean): void {
    this.#open.get(id)?.(may);
    this.#open.delete(id);
  }
}

/** The network's end of a connection that the page has begun. */
class FarStream implements HostStream {
  readonly #events: HostStreamEvents;
  readonly #say: (event: FarEvent, transfer?: Transferable[]) => void;
  readonly #forget: () => void;
  /** Of pieces that the page has not read. */
  readonly #written: (() => void)[] = [];
  /** From the page, not taken yet. */
  readonly #bytes = new ByteQueue();
  #flowing = true;
  #pageEnded = false;
  #told = false;
  #guestEnded = false;

  constructor(events: HostStreamEvents, say: (event: FarEvent, transfer?: Transferable[]) => void, forget: () => void) {
    [this.#events, this.#say, this.#forget] = [events, say, forget];
  }

  opened(): void {
    this.#say({ kind: "opened" });
  }

  write(bytes: Uint8Array, written: () => void): void {
    this.#written.push(written);
    const copy = bytes.slice();
    this.#say({ kind: "write", bytes: copy }, [copy.buffer]);
  }

  end(): void {
    this.#guestEnded = true;
    this.#say({ kind: "end" });
    this.#settle();
  }

  destroy(): void {
    this.#say({ kind: "destroy" });
    this.#forget();
  }

  flow(wanted: boolean): void {
    this.#flowing = wanted;
    if (wanted) this.#drain();
  }

  hear(event: NearEvent): void {
    if (event.kind === "data") {
      this.#bytes.append(event.bytes);
      this.#drain();
    } else if (event.kind === "written") {
      this.#written.shift()?.();
      this.#settle();
    } else if (event.kind === "ended") {
      this.#pageEnded = true;
      this.#drain();
    } else {
      this.#forget();
      this.#events.failed();
    }
  }

  #drain(): void {
    if (!this.#flowing) return;
    const bytes = this.#bytes.peek().slice();
    this.#bytes.drop(bytes.length);
    if (bytes.length > 0) {
      this.#say({ kind: "took", length: bytes.length });
      this.#events.data(bytes);
    }
    if (!this.#pageEnded || this.#told || this.#bytes.length > 0) return;
    this.#told = true;
    this.#events.ended();
    this.#settle();
  }

  /** Nothing more is to come from either side. */
  #settle(): void {
    if (this.#guestEnded && this.#told && this.#written.length === 0) this.#forget();
  }
}
