/** A mutual exclusion lock in a VM's memory: 0 free, 1 held, 2 held and waited for. Sections under it are short. */
import { canBlock, type VmMemory } from "./memory.js";

const spins = 200;

/** Runs `body` with the lock at `address` held. Not to be nested on one lock. */
export function locked<T>(memory: VmMemory, address: number, body: () => T): T {
  acquire(memory, address);
  try {
    return body();
  } finally {
    if (memory.exchange(address, 0) === 2) memory.notify(address, 1);
  }
}

function acquire(memory: VmMemory, address: number): void {
  for (let i = 0; i < spins; i++) if (memory.compareExchange(address, 0, 1) === 0) return;
  const wait = memory.shared && canBlock();
  while (memory.exchange(address, 2) !== 0) if (wait) memory.wait(address, 2, 10);
}
