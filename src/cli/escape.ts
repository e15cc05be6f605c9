/**
 * QEMU's escape key on the console: Ctrl-A, then X to leave, H for help, Ctrl-A (or A) to send one Ctrl-A. A Ctrl-A at the
 * end of one chunk takes its letter from the next.
 */

export interface EscapeActions {
  readonly send: (bytes: Uint8Array) => void;
  readonly leave: () => void;
  readonly help: () => void;
}

const ctrlA = 1;

/** Returns what is to be called with each chunk the user types. */
export function escapes({ send, leave, help }: EscapeActions): (chunk: Uint8Array) => void {
  let escaped = false;
  return (chunk) => {
    let begin = 0;
    const sendUpTo = (end: number): void => {
      if (end > begin) send(chunk.slice(begin, end));
    };
    for (const [i, byte] of chunk.entries()) {
      if (!escaped) {
        if (byte !== ctrlA) continue;
        sendUpTo(i);
        begin = i + 1;
        escaped = true;
        continue;
      }
      escaped = false;
      begin = i + 1;
      const key = String.fromCharCode(byte).toLowerCase();
      if (key === "x") leave();
      else if (key === "h" || key === "?") help();
      else if (byte === ctrlA || key === "a") send(Uint8Array.of(ctrlA));
    }
    if (!escaped) sendUpTo(chunk.length);
  };
}

export const escapeHelp = [
  "Ctrl-A H       this help",
  "Ctrl-A X       leave, ending the guest at once",
  "Ctrl-A Ctrl-A  send Ctrl-A to the guest",
];
