/** `limits.memory`: what a VM takes of the host's memory, and how that is shared between its parts. */
import { bytesIn } from "./bytes.js";
import { VmError } from "./error.js";
import type { VmOptions } from "./types.js";

const mebibyte = 1 << 20;
/** With less, too little would be left for code and disks. */
const leastRest = 48 * mebibyte;
/** What waits in its connections, in both directions; and for a relay. */
const forNetwork = 32 * mebibyte;
const forRelay = 32 * mebibyte;
/** A JavaScript engine takes so much for a byte of WebAssembly. */
const costOfCode = 10;

/** Of a VM's memory what is not its RAM, bytes. */
export interface MemoryShares {
  /** Most of generated code, as KVM_CREATE_VM has it. */
  readonly code: number;
  /** What disks take in memory: overlays, caches. */
  readonly disks: number;
}

/** What it takes in any case, bytes. */
export interface FixedMemory {
  readonly ram: number;
  /** What kvm takes at most for registers, decoded code and translations of addresses. */
  readonly kvm: number;
}

/** Undefined: it has no limit. VmError, EINVAL: the limit is no size, or too small for that. */
export function memoryShares(
  { limits = {}, network, type }: Pick<VmOptions, "limits" | "network" | "type">,
  { ram, kvm }: FixedMemory,
): MemoryShares | undefined {
  if (limits.memory === undefined) return undefined;
  const limit = bytesIn(limits.memory, "createVm: limits.memory");
  const buffers = network ? forNetwork + (network.via instanceof URL ? forRelay : 0) : 0;
  const beside = kvm + leastRest + buffers;
  if (limit < ram + beside) {
    const why = `the guest's RAM is ${inMebibytes(ram)} (option memory), and beside it ${inMebibytes(beside)} is the least`;
    throw new VmError(
      "EINVAL",
      `createVm: limits.memory is ${inMebibytes(limit)}, but ${why}: give it ${inMebibytes(ram + beside)}`,
    );
  }
  const rest = limit - ram - kvm - buffers;
  // pr generates none.
  const code = type === "pr" ? 0 : Math.floor(rest / 2);
  return { code: Math.min(Math.floor(Math.max(code, mebibyte) / costOfCode), 2 ** 31 - 1), disks: rest - code };
}

const inMebibytes = (bytes: number): string => `${Math.round((bytes / mebibyte) * 100) / 100}M`;
