/** The clock that tells a guest the date, in UTC. Setting it moves only the guest's idea of time. */
import { callback, guard, options, type Signatures, time } from "../../base/takes.js";

/** A clock as a plain value. */
export interface RtcState {
  /** Milliseconds to add to the host's clock. */
  readonly offset: number;
}

/** A guest's clock. */
export class Rtc {
  static {
    guard(Rtc.prototype, "rtc", { read: {}, set: { time }, save: {} } satisfies Signatures<Rtc>);
  }

  #offset: number;
  readonly #now: () => number;

  constructor(state: RtcState = { offset: 0 }, now: () => number = Date.now) {
    options({ offset: time })(state, "new Rtc", "state");
    callback(now, "new Rtc", "now");
    this.#offset = state.offset;
    this.#now = now;
  }

  /** Milliseconds since 1970. */
  read(): number {
    return this.#now() + this.#offset;
  }

  /** It is this time now, milliseconds since 1970. */
  set(time: number): void {
    this.#offset = time - this.#now();
  }

  /** As a plain value: the constructor makes a clock from it that goes on. */
  save(): RtcState {
    return { offset: this.#offset };
  }
}
