/**
 * Where the engine must order guests' loads and stores: the one place that decides. x86 promises an order between processors (TSO) that
 * hosts of x86 keep by themselves, as long as the engine emits accesses in their order; others do not.
 * Source: Intel SDM, Volume 3A, "Memory Ordering".
 */
import { KvmError } from "../base/errors.js";
import type { Parameters } from "../modules/parameters.js";

const values = ["auto", "on", "off"] as const;

/** The parameter of kvm modules whose guests count on that order. */
export const orderingParameters = {
  ordered: {
    type: "charp",
    default: "auto",
    description: "Ordered accesses where several vCPUs have threads: auto (unless the host is x86), on, off",
  },
} as const satisfies Parameters;

/**
 * The sign of the NaN that x86's processors make is set; ARM's, RISC-V's and POWER's is clear. In plain JavaScript, since where no
 * WebAssembly may be compiled the question is the same.
 */
function signOfNan(): boolean {
  const number = new Float32Array([Number.POSITIVE_INFINITY]);
  const [infinity = 0] = number;
  number[0] = infinity - infinity;
  return (new Int32Array(number.buffer)[0] as number) < 0;
}

/**
 * Whether the host's processors are known to be x86. Node.js says which it was built for; elsewhere the processor's arithmetic tells.
 * A translator of x86's programs for another processor keeps x86's order, too, or no program with threads would run.
 */
export function hostIsX86(
  arch: string | undefined = (globalThis as { process?: { arch?: string } }).process?.arch,
): boolean {
  return arch === undefined ? signOfNan() : arch === "x64" || arch === "ia32";
}

/** Whether VMs with several vCPUs need ordered accesses, as the parameter says. EINVAL: it says nothing that there is. */
export function ordersAccesses(module: string, ordered: string, isX86: () => boolean = hostIsX86): boolean {
  switch (ordered as (typeof values)[number]) {
    case "auto":
      return !isX86();
    case "on":
      return true;
    case "off":
      return false;
    default:
      throw new KvmError("EINVAL", `${module}: \`${ordered}' invalid for parameter \`ordered': ${values.join(", ")}`);
  }
}
