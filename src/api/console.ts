/** What a guest's console said: the last lines for whoever asks what went wrong, and a stream for whoever reads. */
import { ByteQueue } from "../vmm/core/byte-queue.js";

const mostLines = 40;
/** Of a line; what is longer is broken. */
const mostCharacters = 500;
/** Bytes that wait for a reader. */
const mostWaiting = 1 << 20;

export class ConsoleLog {
  readonly #decoder = new TextDecoder();
  #lines: string[] = [];
  #line = "";
  readonly #waiting = new ByteQueue();
  #wake: (() => void) | undefined;
  #ended = false;
  /** What the guest's kernel gave up for, if it said so. */
  panic: string | undefined;
  /** Never holds up the guest: the oldest is forgotten. */
  readonly readable = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        if (this.#waiting.length === 0 && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
        if (this.#waiting.length === 0) return controller.close();
        controller.enqueue(this.#waiting.peek().slice());
        this.#waiting.drop(this.#waiting.length);
      },
    },
    { highWaterMark: 0 },
  );

  write(bytes: Uint8Array): void {
    for (const part of this.#decoder.decode(bytes, { stream: true }).split(/(\n)/)) {
      if (part === "\n") this.#endLine();
      else this.#line += part;
      while (this.#line.length > mostCharacters) this.#endLine(mostCharacters);
    }
    this.#waiting.append(bytes);
    this.#waiting.drop(Math.max(0, this.#waiting.length - mostWaiting));
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The last that was said; at most 40. */
  get lines(): readonly string[] {
    const line = printable(this.#line);
    return [...this.#lines, ...(line ? [line] : [])].slice(-mostLines);
  }

  #endLine(at = this.#line.length): void {
    const line = printable(this.#line.slice(0, at));
    this.#lines.push(line);
    this.panic ??= /Kernel panic - not syncing: (.*)/.exec(line)?.[1];
    this.#line = this.#line.slice(at);
    if (this.#lines.length > mostLines) this.#lines.shift();
  }
}

/** A guest could steer the terminal of whoever prints this. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
export const printable = (text: string): string => text.replaceAll(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "");
