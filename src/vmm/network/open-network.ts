/** The card of a guest and what is behind it, whoever the host is. */
import { VirtioNet, type VirtioNetState } from "../devices/virtio/net.js";
import { VirtioPciDevice, type VirtioPciState } from "../devices/virtio/virtio-pci.js";
import type { Accept, HostNetwork } from "./host.js";
import type { Destination } from "./policy.js";
import { UserNetwork, type UserNetworkState } from "./user-network.js";

/** What a guest's network is to be. */
export interface NetworkChoice {
  readonly allow: "all" | readonly string[];
  readonly forward: readonly { readonly host: number; readonly guest: number }[];
  /** A relay's address, as network/relay.ts takes it. Default: what the host has. */
  readonly relay?: string;
  /** Is asked before each connection that `allow` allows. */
  readonly onConnect?: (to: Destination) => boolean | Promise<boolean>;
}

/** One that others have too, since each guest is alone in its network. */
const mac = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
/** No card gets more queues, however many CPUs there are. */
const mostPairs = 4;

export interface OpenNetwork {
  readonly device: VirtioPciDevice;
  /** Begins a connection to a port of the guest. */
  connect(port: number, attach: Parameters<Accept>[0]): void;
  stats(): Readonly<Record<string, number>>;
  close(): void;
}

/**
 * Rejects with VmmError: a rule is none, or the host cannot listen at a port; the host is closed then, as with the network.
 * `saved`: its device's state in a snapshot.
 */
export async function openNetworkOf(
  host: HostNetwork,
  { allow, forward, onConnect }: NetworkChoice,
  cpus: number,
  saved?: VirtioPciState,
): Promise<OpenNetwork> {
  const card = saved?.device as VirtioNetState | undefined;
  const network = new UserNetwork({ host, allow, onConnect }, card?.end as UserNetworkState | undefined);
  try {
    for (const { host: port, guest } of forward) await network.forward(port, guest);
  } catch (error) {
    network.close();
    host.close?.();
    throw error;
  }
  const pairs = Math.min(cpus, mostPairs);
  return {
    device: new VirtioPciDevice(new VirtioNet({ end: network, mac, pairs }, card), saved),
    connect: (port, attach) => network.connect(port, attach),
    stats: () => network.stats(),
    close: () => {
      network.close();
      host.close?.();
    },
  };
}
