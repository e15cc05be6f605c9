/** The card of a guest and what is behind it. */
import { VirtioNet } from "../vmm/devices/virtio/net.js";
import { VirtioPciDevice } from "../vmm/devices/virtio/virtio-pci.js";
import { hostSockets } from "../vmm/network/node/host-sockets.js";
import { UserNetwork } from "../vmm/network/user-network.js";

/** What a guest's network is to be. */
export interface NetworkChoice {
  readonly allow: "all" | readonly string[];
  readonly forward: readonly { readonly host: number; readonly guest: number }[];
}

/** One that others have too, since each guest is alone in its network. */
const mac = Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56);
/** No card gets more queues, however many CPUs there are. */
const mostPairs = 4;

export interface OpenNetwork {
  readonly device: VirtioPciDevice;
  stats(): Readonly<Record<string, number>>;
  close(): void;
}

/** Rejects with VmmError: a rule is none, or the host cannot listen at a port. */
export async function openNetwork({ allow, forward }: NetworkChoice, cpus: number): Promise<OpenNetwork> {
  const network = new UserNetwork({ host: hostSockets, allow });
  try {
    for (const { host, guest } of forward) await network.forward(host, guest);
  } catch (error) {
    network.close();
    throw error;
  }
  const pairs = Math.min(cpus, mostPairs);
  return {
    device: new VirtioPciDevice(new VirtioNet({ end: network, mac, pairs })),
    stats: () => network.stats(),
    close: () => network.close(),
  };
}
