/** Answers the guest's questions for names: by the policy, and as far as that says so by asking the host. */
import { dnsAnswer, parseQuestion, type Question, responseCode } from "./dns.js";
import type { HostNetwork } from "./host.js";
import { parseAddress } from "./ipv4.js";
import type { Policy } from "./policy.js";

/** Questions that the host is asked at once, since each may hold one of its few threads; and that wait for that. */
const mostAsking = 2;
const mostWaiting = 64;

export class NameServer {
  readonly #host: HostNetwork;
  readonly #policy: Policy;
  readonly #waiting: (() => void)[] = [];
  #asking = 0;
  /** What a driver asked before it began anew is not answered. */
  #epoch = 0;

  constructor(host: HostNetwork, policy: Policy) {
    this.#host = host;
    this.#policy = policy;
  }

  reset(): void {
    this.#epoch++;
  }

  /** Answers a message, now or later. False: it is no question, or the name is not to be known. */
  ask(message: Uint8Array, reply: (answer: Uint8Array) => void): boolean {
    const question = parseQuestion(message);
    if (!question) return false;
    const how = this.#policy.lookUp(question.name);
    if (how === "refuse") {
      reply(dnsAnswer(question, { code: responseCode.noSuchName }));
      return false;
    }
    if (!question.wantsAddress) reply(dnsAnswer(question, { code: responseCode.done }));
    else if (how === "ask") void this.#askHost(question, reply);
    else reply(dnsAnswer(question, { code: responseCode.done, addresses: [how.standIn] }));
    return true;
  }

  async #askHost(question: Question, reply: (answer: Uint8Array) => void): Promise<void> {
    const epoch = this.#epoch;
    let answer: Uint8Array;
    try {
      const addresses = await this.resolve(question.name);
      const code = addresses.length > 0 ? responseCode.done : responseCode.noSuchName;
      answer = dnsAnswer(question, { code, addresses });
    } catch {
      answer = dnsAnswer(question, { code: responseCode.failed });
    }
    if (epoch === this.#epoch) reply(answer);
  }

  /** A name's addresses, as the host knows them. Rejects: it cannot be known, or too many are asked for at once. */
  async resolve(name: string): Promise<readonly number[]> {
    if (this.#asking >= mostAsking) {
      if (this.#waiting.length >= mostWaiting) throw new Error("too many names are asked for");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#asking++;
    }
    try {
      const addresses = await this.#host.resolve(name);
      return addresses.flatMap((text) => parseAddress(text) ?? []);
    } finally {
      // The one who is next has the place.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#asking--;
    }
  }
}
