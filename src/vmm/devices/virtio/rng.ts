/** Random bytes for a guest. Source: Virtual I/O Device (VIRTIO) 1.1, "Entropy Device". */
import { lengthOf, type VirtioDevice, type VirtioQueue } from "./device.js";

/** What one buffer gets at most, however long it is; also the most that the platform's generator gives at once. */
const mostBytes = 65536;
const queueSize = 64;

export class VirtioRng implements VirtioDevice {
  readonly id = 4;
  readonly features = 0n;
  readonly queues = [queueSize];
  readonly config = new Uint8Array(0);

  reset(): void {}

  /** It has none. */
  save(): undefined {}

  notify(_index: number, queue: VirtioQueue): void {
    // The driver may add more while this runs: no more than a queue's worth at a time.
    for (let count = 0; count < queueSize; count++) {
      const buffer = queue.take();
      if (!buffer) return;
      const bytes = crypto.getRandomValues(new Uint8Array(Math.min(lengthOf(buffer.writable), mostBytes)));
      const written = queue.fill(buffer, bytes);
      if (written === undefined) return;
      queue.give(buffer, written);
    }
  }
}
