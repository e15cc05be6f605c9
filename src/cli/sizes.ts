/** Sizes, times and names of files as people write them on a command line. */
import { InvalidArgumentError } from "commander";

const units: Readonly<Record<string, number>> = {
  "": 1048576,
  K: 1024,
  M: 1048576,
  G: 1073741824,
  T: 1099511627776,
  P: 1125899906842624,
};

/** Bytes from "512M", "1G", "1.5G"; a bare number counts MiB, as QEMU's -m does. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(?:([KMGTP])(?:i?B)?)?$/i.exec(text);
  const unit = units[(match?.[2] ?? "").toUpperCase()];
  if (!match || unit === undefined) throw new InvalidArgumentError(`"${text}" is no size; write it as 512M or 1G.`);
  const bytes = Math.floor(Number(match[1]) * unit);
  if (!Number.isSafeInteger(bytes))
    throw new InvalidArgumentError(`"${text}" is more than there can be of anything here.`);
  return bytes;
}

/** A whole number of at least `least`, and at most `most`. */
export function parseCount(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least) {
      throw new InvalidArgumentError(`"${text}" is not a whole number of at least ${least}.`);
    }
    if (value > most) throw new InvalidArgumentError(`"${text}" is more than ${most}.`);
    return value;
  };
}

/** Seconds, with a fraction if need be, as milliseconds. */
export function parseSeconds(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0) throw new InvalidArgumentError(`"${text}" is no number of seconds.`);
  // The longest time that a timer takes.
  return Math.min(value * 1000, 0x7fff_ffff);
}

/** A file or folder; an empty name is most often a shell's variable that is not set. */
export function parsePath(text: string): string {
  if (text === "") throw new InvalidArgumentError("It needs a name.");
  return text;
}
