/**
 * A network without rights of any kind on the host: what a guest sends is ended here, and goes on through the host's own
 * sockets, as programs do. The guest has one neighbour, which is router, DHCP and name server. What may be reached the
 * policy decides; how much, the limits here: nothing on the host grows with what a guest does.
 */
import { having, integer, listOf, u32 } from "../../base/takes.js";
import { arpReply, arpRequest, parseArp } from "./arp.js";
import type { FrameFromGuest, NetworkCard, NetworkEnd } from "./card.js";
import { dhcpAnswer, dhcpClientPort, dhcpServerPort } from "./dhcp.js";
import { dnsPort } from "./dns.js";
import type { Accept, HostDatagrams, HostNetwork } from "./host.js";
import { echoAnswer } from "./icmp.js";
import { formatAddress, parseAddress } from "./ipv4.js";
import { NameServer } from "./name-server.js";
import {
  type Addresses,
  etherType,
  type Ipv4,
  ipv4Size,
  type Mac,
  mtu,
  parseEthernet,
  parseIpv4,
  parseTcp,
  parseUdp,
  protocol,
  type Tcp,
  tcpFlag,
  tcpSize,
  type Udp,
  udpFrame,
  udpSize,
} from "./packets.js";
import { type Destination, type NamesState, Policy } from "./policy.js";
import { noPayload, type Segment, TcpConnection } from "./tcp.js";
import { tcpFrame } from "./tcp-frame.js";

export interface UserNetworkOptions {
  readonly host: HostNetwork;
  /** As policy.ts says. Default: nothing. */
  readonly allow?: "all" | readonly string[] | undefined;
  /** Is asked before each connection that the rules allow. */
  readonly onConnect?: ((to: Destination) => boolean | Promise<boolean>) | undefined;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

/** Names that the guest was told, and its connections: where it is restored they are no more, and it is told so. */
export interface UserNetworkState {
  readonly names: NamesState;
  readonly connections: readonly ConnectionState[];
}

/** A connection as the guest has it. */
interface Flow {
  readonly guestPort: number;
  readonly address: number;
  readonly port: number;
}

interface ConnectionState extends Flow {
  /** The next sequence number for the guest. */
  readonly next: number;
}

const port = integer(1, 65535);
const networkState = having({
  names: listOf(having({})),
  connections: listOf(having({ guestPort: port, address: u32, port, next: u32 })),
});

const address = (text: string): number => parseAddress(text) ?? 0;
/** What others of the kind have, so that guests' settings fit. */
export const guestAddress = address("10.0.2.15");
const gateway = address("10.0.2.2");
const dns = address("10.0.2.3");
const mask = address("255.255.255.0");
const loopback = address("127.0.0.1");
const gatewayMac: Mac = Uint8Array.of(0x52, 0x55, 0x0a, 0x00, 0x02, 0x02);
const broadcastMac = new Uint8Array(6).fill(0xff);
const broadcastAddress = address("255.255.255.255");

const mostConnections = 1024;
/** Bytes that wait in each direction, of all connections; and of one, at least and at most. */
const roomForAll = 16 * 1048576;
const [leastRoom, mostRoom] = [16384, 262_144];
/** What a card cuts into segments. */
const mostPacket = 65535 - ipv4Size - tcpSize;
const mostUdp = 256;
const mostDatagram = mtu - ipv4Size - udpSize;
/** Milliseconds. */
const udpPatience = 60_000;
const tickTime = 250;
/** Of the gateway, for connections to the guest. */
const firstPort = 32768;

interface UdpFlow {
  used: number;
  send(bytes: Uint8Array): void;
  close(): void;
}

interface Connection {
  readonly tcp: TcpConnection;
  readonly flow: Flow;
  queue: number;
}

const keyOf = ({ guestPort, address, port }: Flow): string => `${guestPort} ${address} ${port}`;

export class UserNetwork implements NetworkEnd {
  readonly #host: HostNetwork;
  readonly #policy: Policy;
  readonly #onConnect: UserNetworkOptions["onConnect"];
  readonly #now: () => number;
  readonly #connections = new Map<string, Connection>();
  /** Connections that are to be settled. */
  readonly #touched = new Set<Connection>();
  /** By guest's port and destination, the one that was used longest ago first. */
  readonly #udp = new Map<string, UdpFlow>();
  readonly #listeners: { close(): void }[] = [];
  readonly #names: NameServer;
  #card: NetworkCard | undefined;
  #guestMac: Mac | undefined;
  /** Of connections before a restore, which the guest is still to be told are no more. */
  #lost: readonly ConnectionState[];
  #timer: ReturnType<typeof setInterval> | undefined;
  #nextPort = firstPort;
  /** Something was sent for a connection. */
  #sent = false;
  readonly #counters: Record<string, number> = {};

  /** VmmError: a rule of `allow` is none. EINVAL: `state` is not what an earlier `save` gave. */
  constructor(options: UserNetworkOptions, state?: UserNetworkState) {
    if (state !== undefined) networkState(state, "new UserNetwork", "state");
    const { host, allow = [], onConnect, now = () => performance.now() } = options;
    this.#host = host;
    this.#policy = new Policy(allow, () => host.ownAddresses(), state?.names);
    this.#names = new NameServer(host, this.#policy);
    this.#onConnect = onConnect;
    this.#now = now;
    this.#lost = (state?.connections ?? []).slice(0, mostConnections);
    this.#keepTime();
  }

  save(): UserNetworkState {
    const connections = [...this.#connections.values()].map(({ flow, tcp }) => ({ ...flow, next: tcp.next }));
    return { names: this.#policy.save(), connections: [...this.#lost, ...connections] };
  }

  /** Counts of what was refused or dropped, and of what is open. */
  stats(): Readonly<Record<string, number>> {
    return { ...this.#counters, net_connections: this.#connections.size, net_udp_flows: this.#udp.size };
  }

  /**
   * Hands connections to a port of the host's loopback on to the guest's port. The host's port; 0 takes a free one. Rejects
   * with VmmError: the host cannot listen there.
   */
  async forward(hostPort: number, guestPort: number): Promise<number> {
    const listener = await this.#host.listen(hostPort, (attach) => this.connect(guestPort, attach));
    this.#listeners.push(listener);
    return listener.port;
  }

  /** A connection to a port of the guest, joined with a stream that somebody outside has begun. */
  connect(guestPort: number, attach: Parameters<Accept>[0]): void {
    const ownPort = this.#freePort(guestPort);
    if (ownPort === undefined) {
      this.#count("refused_connections");
      attach({ data: () => {}, ended: () => {}, failed: () => {} }).destroy();
      return;
    }
    const { tcp } = this.#open({ guestPort, address: gateway, port: ownPort }, 0);
    tcp.join(attach(tcp));
  }

  /** Everything ends. */
  close(): void {
    this.#card = undefined;
    this.reset();
    for (const listener of this.#listeners.splice(0)) listener.close();
  }

  attach(card: NetworkCard): void {
    this.#card = card;
  }

  reset(): void {
    for (const { tcp } of [...this.#connections.values()]) tcp.abort();
    for (const flow of this.#udp.values()) flow.close();
    this.#udp.clear();
    this.#touched.clear();
    this.#names.reset();
    this.#lost = [];
    this.#guestMac = undefined;
    this.#keepTime();
  }

  receive({ bytes, checked, queue }: FrameFromGuest): void {
    const frame = parseEthernet(bytes);
    if (frame?.type === etherType.arp) this.#receiveArp(frame.payload);
    if (frame?.type !== etherType.ipv4) return;
    const packet = parseIpv4(frame.payload);
    if (!packet) {
      this.#count("malformed");
      return;
    }
    if (!this.#receivePacket(packet, { source: frame.source, checked, queue })) this.#count("malformed");
  }

  /** False: it is nothing that this guest can send. */
  #receivePacket(
    packet: Ipv4,
    { source, checked, queue }: { readonly source: Mac; readonly checked: boolean; readonly queue: number },
  ): boolean {
    const udp = packet.protocol === protocol.udp ? parseUdp(packet, checked) : undefined;
    if (udp?.destinationPort === dhcpServerPort) {
      this.#receiveDhcp(udp.payload, queue);
      return true;
    }
    if (packet.source !== guestAddress) return false;
    this.#guestMac ??= source.slice();
    const tcp = packet.protocol === protocol.tcp ? parseTcp(packet, checked) : undefined;
    if (udp) this.#receiveUdp(packet, udp, queue);
    else if (tcp) this.#receiveTcp(packet, tcp, queue);
    else if (packet.protocol === protocol.icmp) this.#receiveIcmp(packet, queue);
    else return false;
    return true;
  }

  settle(): void {
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const { tcp } of touched) tcp.settle();
    this.#tellLost();
  }

  drained(): void {
    this.#tellLost();
    // Who had its turn comes last the next time.
    for (const [key, connection] of [...this.#connections]) {
      this.#sent = false;
      connection.tcp.drained();
      if (this.#sent && this.#connections.delete(key)) this.#connections.set(key, connection);
    }
  }

  /** Looks at the clock: what waited long enough is sent again, or ended. */
  tick(): void {
    for (const { tcp } of [...this.#connections.values()]) tcp.expire();
    const old = this.#now() - udpPatience;
    for (const [key, flow] of this.#udp) {
      if (flow.used > old) break;
      this.#endUdp(key, flow);
    }
    this.#tellLost();
    this.#keepTime();
  }

  /** A clock goes as long as there is something to wait for. */
  #keepTime(): void {
    const waits = this.#connections.size > 0 || this.#udp.size > 0 || this.#lost.length > 0;
    if (waits && this.#timer === undefined) {
      this.#timer = setInterval(() => this.tick(), tickTime);
      (this.#timer as { unref?: () => void }).unref?.();
    } else if (!waits && this.#timer !== undefined) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  #receiveArp(payload: Uint8Array): void {
    const arp = parseArp(payload);
    if (!arp) return;
    if (arp.sender === guestAddress) this.#guestMac = arp.senderMac;
    if (arp.asks && (arp.target === gateway || arp.target === dns)) {
      this.#card?.send({ bytes: arpReply(arp, arp.target, gatewayMac), queue: 0 });
    }
  }

  #receiveDhcp(payload: Uint8Array, queue: number): void {
    const answer = dhcpAnswer(payload, { address: guestAddress, mask, gateway, dns, mtu });
    if (!answer) return;
    const to = { destinationMac: broadcastMac, sourceMac: gatewayMac, source: gateway, destination: broadcastAddress };
    this.#card?.send({ bytes: udpFrame(to, dhcpServerPort, dhcpClientPort, answer), queue });
  }

  #receiveIcmp({ destination, payload }: Ipv4, queue: number): void {
    if (destination !== gateway && destination !== dns) return;
    const bytes = echoAnswer(this.#from(destination), payload);
    if (bytes) this.#card?.send({ bytes, queue });
  }

  /** Headers of packets to the guest. */
  #from(source: number): Addresses {
    return {
      destinationMac: this.#guestMac ?? broadcastMac,
      sourceMac: gatewayMac,
      source,
      destination: guestAddress,
    };
  }

  #receiveUdp({ destination }: Ipv4, { sourcePort, destinationPort, payload }: Udp, queue: number): void {
    const reply = (bytes: Uint8Array): void => {
      // Nothing here cuts packets.
      if (bytes.length > mostDatagram) this.#count("too_long");
      else this.#card?.send({ bytes: udpFrame(this.#from(destination), destinationPort, sourcePort, bytes), queue });
    };
    if (destination === dns && destinationPort === dnsPort) {
      if (!this.#names.ask(payload, reply)) this.#count("refused_questions");
      return;
    }
    // Nothing has it, and the host's sockets cannot be asked to reach it.
    if (destinationPort === 0) {
      this.#count("refused_datagrams");
      return;
    }
    const key = keyOf({ guestPort: sourcePort, address: destination, port: destinationPort });
    const known = this.#udp.get(key);
    const flow = known ?? this.#openUdp(destination, destinationPort, reply);
    flow.used = this.#now();
    this.#udp.delete(key);
    this.#udp.set(key, flow);
    flow.send(payload);
    if (this.#udp.size > mostUdp) {
      for (const [oldest, old] of this.#udp) {
        this.#endUdp(oldest, old);
        break;
      }
    }
    this.#keepTime();
  }

  #endUdp(key: string, flow: UdpFlow): void {
    flow.close();
    this.#udp.delete(key);
  }

  #openUdp(destination: number, port: number, received: (bytes: Uint8Array) => void): UdpFlow {
    let datagrams: HostDatagrams | undefined;
    let closed = false;
    /** What is sent before it is known where to. */
    let first: Uint8Array | undefined;
    void this.#decide(destination, port, "udp").then((where) => {
      if (where === undefined) this.#count("refused_datagrams");
      if (closed || where === undefined) return;
      const host = typeof where === "number" ? formatAddress(where) : where;
      datagrams = this.#host.datagrams(host, port, (bytes) => {
        if (!closed) received(bytes);
      });
      if (first) datagrams.send(first);
    });
    return {
      used: 0,
      send: (bytes) => {
        if (datagrams) datagrams.send(bytes);
        else first = bytes.slice();
      },
      close: () => {
        closed = true;
        datagrams?.close();
      },
    };
  }

  #receiveTcp({ destination }: Ipv4, segment: Tcp, queue: number): void {
    const flow = { guestPort: segment.sourcePort, address: destination, port: segment.destinationPort };
    const known = this.#connections.get(keyOf(flow));
    if (known) {
      known.queue = queue;
      known.tcp.receive(segment);
      this.#touched.add(known);
      return;
    }
    if (segment.flags & tcpFlag.rst) return;
    const begins = (segment.flags & (tcpFlag.syn | tcpFlag.ack)) === tcpFlag.syn;
    const full = this.#connections.size >= mostConnections;
    if (!begins || full || flow.guestPort === 0 || flow.port === 0) {
      if (begins) this.#count("refused_connections");
      this.#refuse(flow, segment, queue);
      return;
    }
    const { tcp } = this.#open(flow, queue, segment);
    void this.#decide(destination, flow.port, "tcp").then((where) => {
      if (tcp.state !== "opening") return;
      if (where === undefined) {
        this.#count("refused_connections");
        tcp.abort();
      } else if (typeof where === "number") {
        tcp.join(this.#host.connect(formatAddress(where), flow.port, tcp));
      } else {
        const stream = this.#host.connectName?.(where, flow.port, tcp);
        if (stream) tcp.join(stream);
      }
    });
  }

  /** There is no such connection. */
  #refuse(flow: Flow, { flags, acknowledgment, sequence, payload }: Tcp, queue: number): void {
    const acknowledged = (flags & tcpFlag.ack) !== 0;
    const length = payload.length + (flags & tcpFlag.syn ? 1 : 0) + (flags & tcpFlag.fin ? 1 : 0);
    this.#send(flow, queue, {
      sequence: acknowledged ? acknowledgment : 0,
      acknowledgment: acknowledged ? 0 : (sequence + length) >>> 0,
      flags: tcpFlag.rst | (acknowledged ? 0 : tcpFlag.ack),
      window: 0,
      payload: noPayload,
      segmentSize: 0,
    });
  }

  /** The address that the host is to reach, or the name, if it reaches names; undefined: none. */
  async #decide(destination: number, port: number, kind: "tcp" | "udp"): Promise<number | string | undefined> {
    // The host itself is where the guest's router is, if a rule says so.
    const target = this.#policy.target(destination === gateway ? loopback : destination, port);
    if (!target) return undefined;
    try {
      const host = "name" in target ? target.name : formatAddress(target.address);
      if (this.#onConnect && (await this.#onConnect({ host, port, protocol: kind })) !== true) return undefined;
      if ("address" in target) return target.address;
      if (this.#host.connectName) return target.name;
      const addresses = await this.#names.resolve(target.name);
      return this.#policy.choose(addresses, port);
    } catch {
      this.#count("unresolved");
      return undefined;
    }
  }

  #open(flow: Flow, queue: number, syn?: Tcp): Connection {
    const key = keyOf(flow);
    const [initial = 0] = crypto.getRandomValues(new Uint32Array(1));
    const network = this;
    const tcp = new TcpConnection(
      {
        send: (segment) => this.#send(flow, connection.queue, segment),
        get mostAtOnce() {
          return network.#card?.takesLong ? mostPacket : 0;
        },
        get room() {
          return Math.max(leastRoom, Math.min(mostRoom, Math.floor(roomForAll / network.#connections.size)));
        },
        now: this.#now,
        closed: () => {
          this.#connections.delete(key);
          this.#touched.delete(connection);
        },
      },
      initial,
      syn,
    );
    const connection: Connection = { tcp, flow, queue };
    this.#connections.set(key, connection);
    this.#keepTime();
    return connection;
  }

  #send(flow: Flow, queue: number, segment: Segment): boolean {
    const sent = !this.#card || this.#sendThrough(this.#card, flow, queue, segment);
    this.#sent ||= sent;
    return sent;
  }

  #sendThrough(card: NetworkCard, flow: Flow, queue: number, segment: Segment): boolean {
    if (!card.ready(queue)) return false;
    if (!this.#guestMac) {
      // Who has just started has not said anything yet.
      card.send({ bytes: arpRequest(guestAddress, gateway, gatewayMac), queue });
      return false;
    }
    const bytes = tcpFrame(this.#from(flow.address), flow.port, flow.guestPort, segment, card.takesUnchecked);
    return card.send({ bytes, queue, tcp: { segmentSize: segment.segmentSize } });
  }

  /** A port of the gateway's for a connection to the guest; undefined: there are too many. */
  #freePort(guestPort: number): number | undefined {
    if (this.#connections.size >= mostConnections) return undefined;
    for (;;) {
      const port = this.#nextPort;
      this.#nextPort = port === 65535 ? firstPort : port + 1;
      if (!this.#connections.has(keyOf({ guestPort, address: gateway, port }))) return port;
    }
  }

  #tellLost(): void {
    while (this.#lost[0] && this.#card) {
      const { next, ...flow } = this.#lost[0];
      const segment = { sequence: next, acknowledgment: 0, flags: tcpFlag.rst, window: 0, segmentSize: 0 };
      if (!this.#send(flow, 0, { ...segment, payload: noPayload })) return;
      this.#lost = this.#lost.slice(1);
    }
  }

  #count(what: string): void {
    this.#counters[`net_${what}`] = (this.#counters[`net_${what}`] ?? 0) + 1;
  }
}
