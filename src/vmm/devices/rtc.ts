/** The clock that tells a guest the date, in UTC. Setting it moves only the guest's idea of time. */
export interface RtcState {
  /** Milliseconds to add to the host's clock. */
  readonly offset: number;
}

export class Rtc {
  #offset: number;
  readonly #now: () => number;

  constructor({ offset }: RtcState = { offset: 0 }, now: () => number = Date.now) {
    this.#offset = offset;
    this.#now = now;
  }

  /** Milliseconds since 1970. */
  read(): number {
    return this.#now() + this.#offset;
  }

  set(time: number): void {
    this.#offset = time - this.#now();
  }

  save(): RtcState {
    return { offset: this.#offset };
  }
}
