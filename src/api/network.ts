/** What `createVm` takes for a network on every platform. */
import { notSupported, VmError } from "./error.js";
import type { Network } from "./types.js";

/** The address of the relay that `via` is; undefined: it is none. VmError, EINVAL, NOT_SUPPORTED. */
export function relayOf(via: Network["via"], allow: Network["allow"]): string | undefined {
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
