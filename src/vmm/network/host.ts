/** What a user network asks of its host: connections, datagrams, names. Node's is in node/; a test has one of its own. */

/** A stream to a program outside, as the network uses it. */
export interface HostStream {
  /** The guest has taken the connection that somebody outside has begun. */
  opened?(): void;
  /** Sends bytes, which the stream keeps; `written` is called when the host has taken them. */
  write(bytes: Uint8Array, written: () => void): void;
  /** Nothing more will be written. */
  end(): void;
  /** Ends it at once, in both directions; no event comes afterwards. */
  destroy(): void;
  /** Whether `data` is to be called. At first: yes. */
  flow(wanted: boolean): void;
}

/** What a stream tells. */
export interface HostStreamEvents {
  /** Of one that was asked for: it is there. */
  connected?(): void;
  /** Bytes to keep. */
  data(bytes: Uint8Array): void;
  /** The other side writes nothing more. */
  ended(): void;
  /** It is no more, or never was. */
  failed(): void;
}

export interface HostDatagrams {
  send(bytes: Uint8Array): void;
  close(): void;
}

/** Takes a stream that somebody outside has begun. */
export type Accept = (attach: (events: HostStreamEvents) => HostStream) => void;

export interface HostNetwork {
  /** A TCP connection to an IPv4 address. */
  connect(address: string, port: number, events: HostStreamEvents): HostStream;
  /** As `connect`, of a host that asks for no names itself: to a name that a rule allows. Its `datagrams` takes names, too. */
  connectName?(name: string, port: number, events: HostStreamEvents): HostStream;
  /** UDP to and from one address and port. */
  datagrams(address: string, port: number, received: (bytes: Uint8Array) => void): HostDatagrams;
  /** A name's IPv4 addresses; none: there is no such name. Rejects: it cannot be known. */
  resolve(name: string): Promise<readonly string[]>;
  /** Addresses of the host itself. */
  ownAddresses(): readonly string[];
  /** Listens on the host's loopback. Rejects with VmmError: it cannot. */
  listen(port: number, accept: Accept): Promise<{ readonly port: number; close(): void }>;
  /** Nothing more is asked of it. */
  close?(): void;
}
