/** What reads a guest's file: loaded by those who boot one. */
export { bootParts } from "../../guests/debian-parts.js";
export { GuestFile } from "../../guests/guest-file.js";
