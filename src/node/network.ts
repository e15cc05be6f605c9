/** The card of a guest in Node.js, behind which are the host's sockets, or a relay. */
import type { VirtioPciState } from "../vmm/devices/virtio/virtio-pci.js";
import { hostSockets } from "../vmm/network/node/host-sockets.js";
import { type NetworkChoice, type OpenNetwork, openNetworkOf } from "../vmm/network/open-network.js";
import { openRelay } from "../vmm/network/relay.js";

export type { NetworkChoice, OpenNetwork } from "../vmm/network/open-network.js";

/** Rejects with VmmError: a rule is none, or the host cannot listen at a port. `saved`: its device's state in a snapshot. */
export async function openNetwork(choice: NetworkChoice, cpus: number, saved?: VirtioPciState): Promise<OpenNetwork> {
  const host = choice.relay === undefined ? hostSockets : await openRelay(choice.relay, hostSockets);
  return openNetworkOf(host, choice, cpus, saved);
}
