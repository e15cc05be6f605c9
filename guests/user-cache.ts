/** Folders of the user's, by the XDG Base Directory Specification: where programs keep what they can make again, and others. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { GuestUnavailable } from "./unavailable.js";

/** Our folder there. Throws GuestUnavailable: the user has no home folder, and names none. */
export function userCache(): string {
  const cache = xdgFolder("XDG_CACHE_HOME") ?? join(homeFolder("the cache of guests", "XDG_CACHE_HOME"), ".cache");
  return join(cache, "unikvm");
}

/** What the variable says; undefined: nothing, or a relative path, which is to be ignored ("Basics"). */
export function xdgFolder(variable: string): string | undefined {
  const configured = process.env[variable];
  return configured !== undefined && isAbsolute(configured) ? configured : undefined;
}

/** Throws GuestUnavailable: the user has none for `what`, for which the variable could name another folder. */
export function homeFolder(what: string, variable: string): string {
  let home = "";
  try {
    home = homedir();
  } catch {
    // A user whom the system does not know, as in a container, and no HOME.
  }
  if (isAbsolute(home)) return home;
  throw new GuestUnavailable(`there is no home folder for ${what}: set HOME, or ${variable}`);
}
