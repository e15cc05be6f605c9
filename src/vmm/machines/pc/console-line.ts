/** What COM1's line is: the console, as each thread that answers for the port has it. */
import type { ConsoleRing } from "../../devices/console-ring.js";
import type { SerialLine } from "../../devices/serial.js";

/** No more than a port's queue is sent without a look whether there is room. */
const leastRoom = 64;

/** `changed`: there is output. */
export function consoleLine(
  ring: ConsoleRing,
  changed: () => void,
  interrupt: (level: boolean) => void,
): SerialLine & { readonly room: boolean } {
  return {
    send: (byte) => {
      ring.write(Uint8Array.of(byte));
      changed();
    },
    receive: () => {
      const [byte] = ring.read(1);
      // There is room for what was typed since.
      if (!ring.inputPending) changed();
      return byte;
    },
    get waiting() {
      return ring.inputPending;
    },
    get room() {
      return ring.room >= leastRoom;
    },
    interrupt,
  };
}
