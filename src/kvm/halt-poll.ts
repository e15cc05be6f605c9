/**
 * How long a vCPU that halts looks for something to do before it sleeps: to sleep and to be woken costs both threads, each some
 * tens of microseconds, which is more than a disk takes. Source: Documentation/virt/kvm/halt-polling.rst; its numbers are Linux's.
 */

/** Nanoseconds. */
const first = 10_000;
const growth = 2;

/**
 * For the next halt, after one that was over in `blocked` having looked for `poll`; `most` as the VM has it. All in nanoseconds. Who
 * sleeps for long, as an idle guest does, does not look at all.
 */
export function nextPoll(poll: number, blocked: number, most: number): number {
  if (blocked > most) return 0;
  return Math.min(most, blocked <= poll ? poll : Math.max(first, growth * poll));
}
