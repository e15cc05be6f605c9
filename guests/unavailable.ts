/** What keeps a guest from being had. */

/** Something outside unikvm keeps a guest from being fetched or read; the message says what the user can do. */
export class GuestUnavailable extends Error {
  /** "GuestUnavailable". */
  override name = "GuestUnavailable";
}
