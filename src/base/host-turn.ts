/** Lets a thread's other work run once, without a timer's millisecond. */

interface Turns {
  readonly waiting: (() => void)[];
  readonly port: MessagePort;
}

let turns: Turns | undefined;

/**
 * Until what else waits for this thread has had its turn. Node takes up to 1000 messages of a port before it looks at its timers,
 * so that its own setImmediate is used where there is one.
 */
export function hostTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") {
      setImmediate(resolve);
      return;
    }
    turns ??= portTurns();
    turns.waiting.push(resolve);
    turns.port.postMessage(0);
  });
}

function portTurns(): Turns {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return { waiting, port: port2 };
}
