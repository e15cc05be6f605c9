/**
 * Bytes of the buffer: more than V8 lets wait of what it counts, which is half its heap's limit; the most that an
 * ArrayBuffer may have there and in Firefox. Where it cannot be had at all, an engine collects before it says so.
 */
const pressure = 8 * 2 ** 30;

/**
 * Has the JavaScript engine collect garbage, in the one way that every engine has: by asking for a buffer that does not fit
 * beside the garbage it may keep. The buffer is never touched and takes no memory itself.
 */
export function collectGarbage(): void {
  try {
    free(new ArrayBuffer(pressure));
  } catch {
    // It did not fit even after a collection, which is what was wanted.
  }
}

/**
 * At once: such buffers would wait for the next collection, and Linux forks no process that has more of them than there is memory
 * (ENOMEM: whoever starts a program then).
 */
function free(buffer: ArrayBuffer & { readonly transfer?: (length: number) => ArrayBuffer }): void {
  if (buffer.transfer) buffer.transfer(0);
  else {
    // Node.js 20: what nobody will take is freed when the thread next looks at its messages.
    const { port1, port2 } = new MessageChannel();
    port2.close();
    port1.postMessage(buffer, [buffer]);
  }
}

/** By then nobody holds what is to go, ms. */
const soon = 1000;

/** The same in a second; nothing is kept alive by that. */
export function collectGarbageSoon(): void {
  const timer: unknown = setTimeout(collectGarbage, soon);
  (timer as { unref?: () => void }).unref?.();
}
