/** Addresses of IPv4 as numbers of 32 bits, and ranges of them. Source: RFC 791, RFC 6890. */

/** Four numbers from 0 to 255; undefined: it is no address. "010" is refused, which some read as eight. */
export function parseAddress(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1);
  if (!parts?.every((part) => String(Number(part)) === part && Number(part) < 256)) return undefined;
  return parts.reduce((address, part) => address * 256 + Number(part), 0);
}

export const formatAddress = (address: number): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");

/** Addresses whose first `bits` bits are those of `start`. */
export interface Range {
  readonly start: number;
  readonly bits: number;
}

/** "10.0.0.0/8", or an address alone; undefined: it is neither. */
export function parseRange(text: string): Range | undefined {
  const [address = "", bits = "32", ...more] = text.split("/");
  const start = parseAddress(address);
  const count = /^\d{1,2}$/.test(bits) ? Number(bits) : 33;
  return start === undefined || count > 32 || more.length > 0 ? undefined : { start, bits: count };
}

export function inRange({ start, bits }: Range, address: number): boolean {
  return bits === 0 || (start ^ address) >>> (32 - bits) === 0;
}

/** What is not on the public internet: this host, private networks, link-local, multicast and what is reserved. */
const special = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"],
  ...["192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"],
].flatMap((text) => parseRange(text) ?? []);

export const isPublic = (address: number): boolean => !special.some((range) => inRange(range, address));
