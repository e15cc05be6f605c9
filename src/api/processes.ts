/** `limits.processes`: how many processes the programs of a VM may be, which its agent sees to (guests/agent/limits.h). */
import { VmError } from "./error.js";
import { builtIn } from "./fs.js";
import type { Runner } from "./program.js";

/** PID_MAX_LIMIT: no kernel has more. */
export const mostProcesses = 4 << 20;

/**
 * From then on there are no more of them. False: the guest's kernel has no control group that counts them, and it holds for
 * users other than root alone. VmError, NOT_SUPPORTED: the agent is of an older unikvm, in a snapshot.
 */
export async function limitProcesses(runner: Runner, most: number): Promise<boolean> {
  try {
    await builtIn(runner, ["limit", String(most)], { title: "limits.processes" });
    return true;
  } catch (error) {
    const { code } = error as VmError;
    if (code === "EOPNOTSUPP") return false;
    if (code !== "ENOSYS") throw error;
    throw new VmError(
      "NOT_SUPPORTED",
      "limits.processes: the snapshot's agent is of an older unikvm, which counts none",
      {
        cause: error,
      },
    );
  }
}
