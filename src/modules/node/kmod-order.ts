/**
 * The order in which depmod has modules that modules.order does not list: that of its hash table of names. Nobody wants
 * it, but modules.dep shows it, and it is the same on every host. Source: the hash function is Paul Hsieh's SuperFastHash.
 */

/** depmod's table of modules has this many buckets, each sorted by name. */
const buckets = 512;

/** Of an ASCII name. */
function superFastHash(name: string): number {
  const u16 = (at: number) => name.charCodeAt(at) | (name.charCodeAt(at + 1) << 8);
  const rest = name.length & 3;
  const whole = name.length - rest;
  let hash = name.length;
  for (let at = 0; at < whole; at += 4) {
    hash = (hash + u16(at)) | 0;
    hash = (hash << 16) ^ ((u16(at + 2) << 11) ^ hash);
    hash = (hash + (hash >>> 11)) | 0;
  }
  if (rest === 3) {
    hash = (hash + u16(whole)) | 0;
    hash ^= hash << 16;
    hash ^= name.charCodeAt(whole + 2) << 18;
    hash = (hash + (hash >>> 11)) | 0;
  } else if (rest === 2) {
    hash = (hash + u16(whole)) | 0;
    hash ^= hash << 11;
    hash = (hash + (hash >>> 17)) | 0;
  } else if (rest === 1) {
    hash = (hash + name.charCodeAt(whole)) | 0;
    hash ^= hash << 10;
    hash = (hash + (hash >>> 1)) | 0;
  }
  hash ^= hash << 3;
  hash = (hash + (hash >>> 5)) | 0;
  hash ^= hash << 4;
  hash = (hash + (hash >>> 17)) | 0;
  hash ^= hash << 25;
  hash = (hash + (hash >>> 6)) | 0;
  return hash >>> 0;
}

/** Sorts by that order. */
export function byKmodOrder<T extends { readonly name: string }>(modules: readonly T[]): T[] {
  return modules
    .map((module) => ({ module, bucket: superFastHash(module.name) & (buckets - 1) }))
    .sort((a, b) => a.bucket - b.bucket || (a.module.name < b.module.name ? -1 : 1))
    .map(({ module }) => module);
}
