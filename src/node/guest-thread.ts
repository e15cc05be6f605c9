/** A vCPU's thread that begins before its VM is made: what such a thread loads in advance is there for one machine alone. */
import { machineRow } from "../vmm/machines/machines.js";
import { beginThread } from "./spare-threads.js";

/** As `beginThread`, for such a guest; nothing where it is not the default machine's. */
export function beginGuestThread(implementation: string, guest = machineRow().guest): () => void {
  return guest === machineRow().guest ? beginThread(implementation) : () => undefined;
}
