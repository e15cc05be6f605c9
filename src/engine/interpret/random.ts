/** Random bits of the host's for guests: what processors' instructions give that have a source of their own. */

/** Words that are fetched at once: a call of the host's generator costs as much as a hundred of them. */
const batch = 256;

/**
 * 32 bits a call, each given once. `fill` puts as many as there is room for; without it, they are of cryptographic quality. They
 * are kept outside the VM's memory: a guest cannot look at those to come, and twins of a VM do not get the same.
 */
export function makeRandom(
  fill: (words: Int32Array<ArrayBuffer>) => void = (words) => void crypto.getRandomValues(words),
): () => number {
  const words = new Int32Array(batch);
  let next = batch;
  return () => {
    if (next === batch) {
      fill(words);
      next = 0;
    }
    const word = words[next] as number;
    words[next++] = 0;
    return word;
  };
}
