/** Between a guest's network card and what is at the other end of its cable. Frames are Ethernet's, without a checksum. */

export interface FrameToGuest {
  readonly bytes: Uint8Array;
  /** Of the card's receive queues, by which number the guest sent what this answers. */
  readonly queue: number;
  /**
   * A TCP packet over IPv4 without options: its checksum has only the sum of the pseudo-header, and where its payload is
   * longer than `segmentSize`, it is to be cut. Only as far as the card says that it can.
   */
  readonly tcp?: { readonly segmentSize: number };
}

/** A guest's network card. */
export interface NetworkCard {
  /** The guest takes a TCP packet whose checksum is not made. */
  readonly takesUnchecked: boolean;
  /** And one longer than a segment. */
  readonly takesLong: boolean;
  /** False: others on this thread have their turn first; `drained` tells when it goes on. For who would make a frame in vain. */
  ready(queue: number): boolean;
  /** False: the guest has no room now, or it is others' turn; `drained` tells when it has. */
  send(frame: FrameToGuest): boolean;
}

export interface FrameFromGuest {
  /** To keep. As long as a packet of IPv4 can be. */
  readonly bytes: Uint8Array;
  /** The transport's checksum is right, or still to be made. */
  readonly checked: boolean;
  readonly queue: number;
}

/** What is at the other end. */
export interface NetworkEnd {
  attach(card: NetworkCard): void;
  /** The guest's driver begins anew. */
  reset(): void;
  receive(frame: FrameFromGuest): void;
  /** All frames that the guest had ready were received. */
  settle(): void;
  /** The guest has room for frames again. */
  drained(): void;
  /** A plain value, from which another one can be made. */
  save(): unknown;
}
