/** What `createVm` takes for a network on every platform. */
import { messageOf } from "../base/errors.js";
import { Policy } from "../vmm/network/policy.js";
import { notSupported, VmError } from "./error.js";
import type { Network } from "./types.js";

/** Throws VmError, EINVAL: an entry of what is allowed is no rule. */
function requireRules(allow: Network["allow"] = []): void {
  try {
    new Policy(allow, () => []);
  } catch (cause) {
    throw new VmError("EINVAL", `createVm: network.allow: ${messageOf(cause)}`, { cause });
  }
}

/** The address of the relay that `via` is; undefined: it is none. VmError, EINVAL, also for `allow`, and NOT_SUPPORTED. */
export function relayOf(via: Network["via"], allow: Network["allow"]): string | undefined {
  requireRules(allow);
  if (!(via instanceof URL)) return undefined;
  if (via.protocol !== "ws:" && via.protocol !== "wss:") {
    throw new VmError("EINVAL", `createVm: network.via is ${via.href}, and a relay's address begins with wss: or ws:`);
  }
  if (allow?.includes("all")) {
    // A relay does not tell a name's address, so that the private networks beside it could not be left out.
    throw notSupported('createVm: the option network.allow with "all" by way of a relay', "name hosts and ports");
  }
  return via.href;
}
