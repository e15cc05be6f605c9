/** The calls that only a POWER VM has (uapi.ts). */
import { KvmError } from "../../../base/errors.js";
import { guard } from "../../../base/takes.js";
import { free } from "../../../kvm/heap.js";
import type { VmInside } from "../../../kvm/inside.js";
import { vmLayout } from "../../../kvm/layout.js";
import { locked } from "../../../kvm/lock.js";
import { vmState } from "../../../kvm/state.js";
import { archLayout, Request } from "../engines/layout.js";
import { getPvinfo } from "../exits/pv.js";
import { allocateHpt, hptRange } from "../mmu/hpt.js";
import { rtasCalls } from "../papr/rtas/list.js";
import { KVM_PPC_1T_SEGMENTS, type PpcMmuV3, type PpcRmmuInfo, type PpcSmmuInfo, type PpcVm } from "../uapi.js";
import { ppcVmOf } from "../vm/ppc-vm.js";
import { ppcVm } from "../vm/state.js";
import { flushTranslations } from "../vm/translations.js";
import { cpuChar } from "./cpu-char.js";
import { type HptMethods, hptMethods } from "./hpt-methods.js";
import { ppcVmSignatures } from "./signatures.js";

/** Second doubleword of a partition table entry: where the process table is, and its size. */
const processTableBase = 0x0fff_ffff_ffff_f000n;
const processTableSize = 0x1fn;
const largestProcessTable = 24n;

/** Page shift and AP encoding of each size that a radix tree's leaves and tlbie know. */
const pageSizes = [
  [12, 0],
  [16, 5],
  [21, 1],
  [30, 2],
] as const;

type Methods = HptMethods &
  Pick<
    PpcVm,
    | "createSpaprTce"
    | "openSpaprTce"
    | "rtasDefineToken"
    | "configureV3Mmu"
    | "getPvinfo"
    | "getCpuChar"
    | "getRmmuInfo"
    | "getSmmuInfo"
  >;

export function vmMethods(vm: VmInside): Methods {
  const methods: Methods = {
    ...hptMethods(vm),
    getPvinfo: () => getPvinfo(vm),
    getCpuChar: () => cpuChar,
    getSmmuInfo: () => smmuInfo,
    createSpaprTce: (tce) => {
      vm.requireOpen();
      return ppcVmOf(vm).tceTables.create(tce);
    },
    openSpaprTce: (liobn) => {
      vm.requireOpen();
      return ppcVmOf(vm).tceTables.open(liobn);
    },
    rtasDefineToken: (name, token) => rtasDefineToken(vm, name, token),
    configureV3Mmu: (config) => configureV3Mmu(vm, config),
    getRmmuInfo,
  };
  return guard(methods, "vm", ppcVmSignatures);
}

/** As POWER9. */
const smmuInfo: PpcSmmuInfo = {
  flags: KVM_PPC_1T_SEGMENTS,
  slbSize: 32,
  dataKeys: 32,
  instrKeys: 32,
  sps: [
    {
      pageShift: 12,
      slbEnc: 0,
      enc: [
        { pageShift: 12, pteEnc: 0 },
        { pageShift: 16, pteEnc: 7 },
        { pageShift: 24, pteEnc: 0x38 },
      ],
    },
    {
      pageShift: 16,
      slbEnc: 0x110,
      enc: [
        { pageShift: 16, pteEnc: 1 },
        { pageShift: 24, pteEnc: 8 },
      ],
    },
    { pageShift: 24, slbEnc: 0x100, enc: [{ pageShift: 24, pteEnc: 0 }] },
  ],
};

function rtasDefineToken(vm: VmInside, name: string, token: number): void {
  const index = rtasCalls.findIndex((call) => call.name === name);
  if (index < 0) throw new KvmError("ENOENT", `the kernel side has no RTAS call ${name}`);
  if (!(Number.isInteger(token) && token >= 0 && token <= 0xffffffff)) {
    throw new KvmError("EINVAL", `RTAS token ${token} is no 32-bit number`);
  }
  const tokens = ppcVmOf(vm).address + ppcVm.offset.rtasTokens;
  locked(vm.mem, vmState.lock, () => {
    const holder = rtasCalls.findIndex((_, i) => token !== 0 && vm.mem.u32(tokens + 4 * i) === token);
    if (holder >= 0) throw new KvmError("EEXIST", `RTAS token ${token} is ${rtasCalls[holder]?.name}'s`);
    vm.mem.store(tokens + 4 * index, token | 0);
  });
}

export function configureV3Mmu(vm: VmInside, { radix, gtse, processTable }: PpcMmuV3): void {
  const refuse = (why: string) => new KvmError("EINVAL", `KVM_PPC_CONFIGURE_V3_MMU: ${why}`);
  if (radix && !gtse) throw refuse("a radix guest invalidates its translations itself (GTSE)");
  if (processTable & ~(processTableBase | processTableSize)) throw refuse("reserved bits of the process table are set");
  const size = processTable & processTableSize;
  if (size > largestProcessTable) throw refuse(`a process table of 2^${size + 12n} bytes`);
  const { mem } = vm;
  if (!radix) {
    useHash(vm);
    return;
  }
  const hashed = mem.load(archLayout.radix) === 0;
  if (hashed) requireStopped(vm);
  mem.store(archLayout.radix, 1);
  mem.setI64(archLayout.processTableBase, processTable & processTableBase);
  mem.setI32(archLayout.processTableSize, Number(size));
  flushTranslations(vm, Request.flushTlb | Request.context);
  if (hashed) leaveHash(vm);
  const base = processTable & processTableBase;
  const bytes = processTable === 0n ? 0 : 2 ** (12 + Number(size));
  if (vm.trace.mask) vm.trace.emit("mmu", -1, "process table", { base, bytes });
}

function requireStopped(vm: VmInside): void {
  if (vm.mem.load(vmLayout.runners) !== 0) throw new KvmError("EBUSY", "KVM_PPC_CONFIGURE_V3_MMU: a vCPU is running");
}

/** What a guest gets that was given no hashed page table: 2^24 bytes, as in Linux. */
const defaultHptOrder = 24;

function useHash(vm: VmInside): void {
  const { mem } = vm;
  if (mem.load(archLayout.radix) === 0) return;
  requireStopped(vm);
  const { hashTable } = ppcVmOf(vm);
  if (!hashTable.table) hashTable.use(allocateHpt(mem, defaultHptOrder));
  mem.store(archLayout.radix, 0);
  flushTranslations(vm, Request.flushTlb | Request.context);
}

/** The hashed page tables are of no more use: whoever was let in meanwhile translates by the radix tree. */
function leaveHash(vm: VmInside): void {
  const ppc = ppcVmOf(vm);
  const prepared = ppc.preparedHpt;
  ppc.preparedHpt = undefined;
  if (prepared) free(vm.mem, [hptRange(prepared)]);
  // A hypercall may be amid an entry.
  ppc.hashTable.locked(() => ppc.hashTable.use(undefined));
}

function getRmmuInfo(): PpcRmmuInfo {
  return {
    geometries: [
      { pageShift: 12, levelBits: [9, 9, 9, 13] },
      { pageShift: 16, levelBits: [5, 9, 9, 13] },
    ],
    apEncodings: pageSizes.map(([shift, ap]) => ((ap << 29) | shift) >>> 0),
  };
}
