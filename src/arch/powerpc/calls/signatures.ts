/** What the calls take that only a POWER VM has (uapi.ts). */
import {
  bigint,
  boolean,
  bytes,
  optional,
  options,
  type Signatures,
  text,
  u32,
  u64,
  wholeNumber,
} from "../../../base/takes.js";
import {
  deviceSignatures,
  eventFdSignatures,
  kvmSignatures,
  statsFdSignatures,
  vcpuSignatures,
  vmSignatures,
} from "../../../kvm/signatures.js";
import type { Vm } from "../../../kvm/uapi.js";
import type { HtabFd, PpcVm, SpaprTce } from "../uapi.js";

const resize = options({ flags: optional(u32), shift: wholeNumber });

export const ppcVmSignatures = {
  allocateHtab: { order: wholeNumber },
  getHtabFd: { options: optional(options({ flags: optional(u32), startIndex: optional(u64) })) },
  resizeHptPrepare: { resize },
  resizeHptCommit: { resize },
  getSmmuInfo: {},
  createSpaprTce: {
    tce: options({ liobn: bigint, pageShift: wholeNumber, flags: optional(u32), offset: bigint, size: bigint }),
  },
  openSpaprTce: { liobn: bigint },
  rtasDefineToken: { name: text, token: wholeNumber },
  configureV3Mmu: { config: options({ radix: boolean, gtse: boolean, processTable: u64 }) },
  getRmmuInfo: {},
  getPvinfo: {},
  getCpuChar: {},
} as const satisfies Signatures<Omit<PpcVm, keyof Vm>>;

export const htabFdSignatures = {
  read: { buffer: bytes },
  write: { buffer: bytes },
  close: {},
} as const satisfies Signatures<HtabFd>;

export const spaprTceSignatures = {
  get: { index: wholeNumber },
  close: {},
} as const satisfies Signatures<SpaprTce>;

/** Every call, by the object that it is made on (calls.ts). */
export const powerpcSignatures = {
  kvm: kvmSignatures,
  vm: { ...vmSignatures, ...ppcVmSignatures },
  vcpu: vcpuSignatures,
  device: deviceSignatures,
  eventfd: eventFdSignatures,
  stats: statsFdSignatures,
  htab: htabFdSignatures,
  tce: spaprTceSignatures,
} as const;
