/**
 * What a guest may reach. By default nothing; "all" is the public internet: not the host, not the networks beside it. A rule
 * names a host, or a range of addresses, and ports. A name that a rule allows is answered with an address of its own out of
 * a range that nobody has, so that a connection says which name was meant, and no question leaves the host before: the
 * guest cannot send anything in names, and cannot have a name mean another address later.
 */
import { having, listOf, text, u32 } from "../../base/takes.js";
import { VmmError } from "../errors.js";
import { formatAddress, inRange, isPublic, parseRange, type Range } from "./ipv4.js";

export interface Destination {
  readonly host: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
}

/** Where a guest's packets go: an address outside, or a name that the host is to resolve. */
export type Target = { readonly address: number } | { readonly name: string };

interface Rule {
  /** A name, "*.name" for all below one, or a range. */
  readonly host: string | Range;
  /** Undefined: any. */
  readonly ports: ReadonlySet<number> | undefined;
}

/** Names of which the guest was told an address. */
export type NamesState = readonly { readonly address: number; readonly name: string }[];

const namesState = listOf(having({ address: u32, name: text }));

/** Addresses that stand for names, 198.18.0.0/15: for tests of networks, so that nobody has them. */
const standIns: Range = { start: 0xc612_0000, bits: 15 };
/** More names than a guest needs; the one that was asked for longest ago is forgotten. */
const mostNames = 4096;
const ruleSyntax = '"all", "example.org:443", "*.example.org:80,443" or "203.0.113.0/24:*"';

/** One entry of a list of what is allowed. Throws VmmError. */
function parseRule(entry: string): Rule {
  const [host = "", ports = "", ...more] = entry.toLowerCase().split(":");
  const refuse = (what: string): never => {
    throw new VmmError(`"${entry}" ${what}; what a guest may reach is written as ${ruleSyntax}`);
  };
  if (more.length > 0 || host === "" || ports === "") return refuse("is no host and ports");
  const numbers = ports.split(",").map(Number);
  if (ports !== "*" && !numbers.every((port) => Number.isInteger(port) && port > 0 && port < 65536)) {
    return refuse(`has ports that there are not, "${ports}"`);
  }
  const range = parseRange(host);
  const isName = /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host) && !/^[\d.]+$/.test(host);
  if (!range && !isName) return refuse(`names no host, "${host}"`);
  return { host: range ?? host, ports: ports === "*" ? undefined : new Set(numbers) };
}

export class Policy {
  readonly #all: boolean;
  readonly #rules: readonly Rule[];
  /** By name, the one that was asked for longest ago first. */
  readonly #addresses = new Map<string, number>();
  readonly #names = new Map<number, string>();
  readonly #own: () => readonly string[];

  /** `own`: addresses of the host. Throws VmmError: a rule is none. EINVAL: `state` is not what `save` gave. */
  constructor(allow: "all" | readonly string[], own: () => readonly string[], state: NamesState = []) {
    namesState(state, "new Policy", "state");
    const entries = allow === "all" ? ["all"] : allow;
    this.#all = entries.includes("all");
    this.#rules = entries.filter((entry) => entry !== "all").map(parseRule);
    this.#own = own;
    for (const { address, name } of state.slice(-mostNames)) if (inRange(standIns, address)) this.#tie(name, address);
  }

  save(): NamesState {
    return [...this.#addresses].map(([name, address]) => ({ address, name }));
  }

  /** How a guest's question for a name is answered: with the address that stands for it, by asking the host, or not. */
  lookUp(name: string): { readonly standIn: number } | "ask" | "refuse" {
    if (this.#rules.some(({ host }) => typeof host === "string" && fits(host, name))) {
      return { standIn: this.#standIn(name) };
    }
    return this.#all ? "ask" : "refuse";
  }

  /** Where packets to an address are to go; undefined: nowhere. */
  target(address: number, port: number): Target | undefined {
    if (inRange(standIns, address)) {
      const name = this.#names.get(address);
      if (name === undefined) return undefined;
      const allowed = this.#rules.some(
        ({ host, ports }) => typeof host === "string" && fits(host, name) && (ports?.has(port) ?? true),
      );
      return allowed ? { name } : undefined;
    }
    return this.#isAllowed(address, port) ? { address } : undefined;
  }

  /** Of the addresses that a name has, the first that may be meant by it; undefined: none may. */
  choose(addresses: readonly number[], port: number): number | undefined {
    return addresses.find((address) => this.#isOutside(address) || this.#isListed(address, port));
  }

  #isAllowed(address: number, port: number): boolean {
    return this.#isListed(address, port) || (this.#all && this.#isOutside(address));
  }

  #isListed(address: number, port: number): boolean {
    return this.#rules.some(
      ({ host, ports }) => typeof host !== "string" && inRange(host, address) && (ports?.has(port) ?? true),
    );
  }

  #isOutside(address: number): boolean {
    return isPublic(address) && !this.#own().includes(formatAddress(address));
  }

  #standIn(name: string): number {
    const known = this.#addresses.get(name);
    const address = known ?? this.#freeAddress();
    this.#tie(name, address);
    return address;
  }

  #freeAddress(): number {
    if (this.#addresses.size >= mostNames) {
      for (const [name, address] of this.#addresses) {
        this.#addresses.delete(name);
        this.#names.delete(address);
        // The guest may still remember what it stood for: it is the last to be used again.
        break;
      }
    }
    const most = 2 ** (32 - standIns.bits) - 2;
    for (let tries = 0; tries < most; tries++) {
      this.#next = (this.#next % most) + 1;
      if (!this.#names.has(standIns.start + this.#next)) return standIns.start + this.#next;
    }
    throw new RangeError("there are more addresses than names");
  }
  #next = 0;

  #tie(name: string, address: number): void {
    this.#addresses.delete(name);
    this.#addresses.set(name, address);
    this.#names.set(address, name);
    this.#next = Math.max(this.#next, address - standIns.start);
  }
}

const fits = (rule: string, name: string): boolean =>
  rule.startsWith("*.") ? name.endsWith(rule.slice(1)) : rule === name;
