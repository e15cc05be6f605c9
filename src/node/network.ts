/** The card of a guest in Node.js, behind which are the host's sockets. */
import type { VirtioPciState } from "../vmm/devices/virtio/virtio-pci.js";
import { hostSockets } from "../vmm/network/node/host-sockets.js";
import { type NetworkChoice, type OpenNetwork, openNetworkOf } from "../vmm/network/open-network.js";

export type { NetworkChoice, OpenNetwork } from "../vmm/network/open-network.js";

/** Rejects with VmmError: a rule is none, or the host cannot listen at a port. `saved`: its device's state in a snapshot. */
export const openNetwork = (choice: NetworkChoice, cpus: number, saved?: VirtioPciState): Promise<OpenNetwork> =>
  openNetworkOf(hostSockets, choice, cpus, saved);
