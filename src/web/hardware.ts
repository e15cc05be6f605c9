/** How the machine of a snapshot was made, as a page can make one. Loaded by those who have a snapshot. */
import { notSupported, VmError } from "../api/error.js";
import { KvmError } from "../base/errors.js";
import { anything, boolean, having, integer, listOf, oneOf } from "../base/takes.js";

/** As Node.js has it, so that one goes on in the other. */
export interface Hardware {
  readonly made: "unikvm";
  readonly cpus: number;
  readonly own: 1;
  readonly models: readonly [];
  readonly disks: readonly unknown[];
  readonly network: boolean;
}

const hardwareCheck = having({
  made: oneOf("unikvm"),
  cpus: integer(1, 0xffff),
  own: integer(1, 1),
  models: listOf((_, call, name) => {
    throw new KvmError("EINVAL", `${call}: ${name} is a device that a page has not`);
  }),
  disks: listOf(anything),
  network: boolean,
});

/**
 * Of a snapshot from anywhere, for a VM with disks, or a network. KvmError, EINVAL: its machine is none that a page has. VmError,
 * EINVAL, NOT_SUPPORTED: it has other parts.
 */
export function hardwareOf(hardware: unknown, hasDisks: boolean, hasNetwork: boolean): Hardware {
  hardwareCheck(hardware, "snapshot", "hardware");
  const made = hardware as Hardware;
  requireSameParts(made, hasDisks, hasNetwork);
  return made;
}

function requireSameParts({ disks, network }: Hardware, hasDisks: boolean, hasNetwork: boolean): void {
  if (disks.length > 0 || hasDisks)
    throw notSupported("createVm: a snapshot of a VM with disks in a page", "use one without");
  if (network === hasNetwork) return;
  throw new VmError(
    "EINVAL",
    network
      ? "createVm: the snapshot's machine has a network card; say again what it may reach, as network: {}"
      : "createVm: the snapshot's machine has no network card; leave the network out",
  );
}
