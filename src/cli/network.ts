/** `--network`: what a guest's network is to be. */

import type { NetworkChoice } from "../node/network.js";
import { VmmError } from "../vmm/errors.js";
import { Policy } from "../vmm/network/policy.js";
import { propertiesOf } from "./properties.js";

/** For the help. */
export const networkSyntax = "user[,forward=HOSTPORT:GUESTPORT][,allow=HOST:PORT]";

/** An option's value; in a value two commas stand for one. Throws VmmError. */
export function parseNetwork(text: string, before?: NetworkChoice): NetworkChoice {
  if (before) throw new VmmError("a guest has one network; give --network once, with all its properties");
  const [kind, ...properties] = propertiesOf(text);
  if (kind !== "user") throw new VmmError(`there is no network "${kind}"; a network is ${networkSyntax}`);
  const allow: string[] = [];
  const forward: { host: number; guest: number }[] = [];
  for (const property of properties) {
    const [name, value] = [property.split("=", 1)[0] ?? "", property.slice(property.indexOf("=") + 1)];
    if (name === "allow" && property.includes("=")) allow.push(value);
    else if (name === "forward") {
      const one = parseForward(value);
      if (forward.some(({ host }) => host === one.host)) throw new VmmError(`port ${one.host} is forwarded twice`);
      forward.push(one);
    } else throw new VmmError(`a network has no property "${property}"; it has forward= and allow=`);
  }
  // Says what is wrong with a rule while there is a usage error to be made of it.
  new Policy(allow, () => []);
  return { allow: allow.length > 0 ? allow : "all", forward };
}

function parseForward(value: string): { host: number; guest: number } {
  const [host = 0, guest = 0] = (/^(\d{1,5}):(\d{1,5})$/.exec(value)?.slice(1) ?? []).map(Number);
  if (![host, guest].every((port) => port > 0 && port < 65536)) {
    throw new VmmError(`"${value}" is not HOSTPORT:GUESTPORT, each from 1 to 65535`);
  }
  return { host, guest };
}
