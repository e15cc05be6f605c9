/** Where this user's programs keep what they can make again. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { GuestUnavailable } from "./unavailable.js";

/** Our folder there. Throws GuestUnavailable: the user has no home folder, and names none. */
export function userCache(): string {
  const configured = process.env["XDG_CACHE_HOME"];
  // A relative path is to be ignored (XDG Base Directory Specification, "Basics").
  const cache = configured !== undefined && isAbsolute(configured) ? configured : join(homeFolder(), ".cache");
  return join(cache, "unikvm");
}

function homeFolder(): string {
  let home = "";
  try {
    home = homedir();
  } catch {
    // A user whom the system does not know, as in a container, and no HOME.
  }
  if (isAbsolute(home)) return home;
  throw new GuestUnavailable("there is no home folder for the cache of guests: set HOME, or XDG_CACHE_HOME");
}
