/**
 * POWER's part of kvm/save-state.ts: what a guest has set up in the kernel side, and its vCPUs' registers, without a place in
 * the VM's memory. What comes in may be from a hostile file.
 */
import { KvmError } from "../../../base/errors.js";
import {
  anything,
  bytes,
  having,
  integer,
  listOf,
  oneOf,
  optional,
  options,
  recordOf,
  u32,
  u64,
} from "../../../base/takes.js";
import { free } from "../../../kvm/heap.js";
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { restoreFields, savedValue, saveFields } from "../../../kvm/saved.js";
import { getHtabFd } from "../calls/hpt-fd.js";
import { hptMethods } from "../calls/hpt-methods.js";
import { configureV3Mmu } from "../calls/vm-methods.js";
import { archLayout } from "../engines/layout.js";
import { hptOrderMax, hptOrderMin, hptRange } from "../mmu/hpt.js";
import { rtasCalls } from "../papr/rtas/list.js";
import { dtlEntrySize } from "../papr/vpa.js";
import { recordAt } from "../processor/vcpu.js";
import { KVM_GET_HTAB_WRITE } from "../uapi.js";
import { ppcVmOf } from "./ppc-vm.js";
import { checkVcpuState, restoreVcpu, type SavedPpcVcpu } from "./saved.js";
import { ppcVm } from "./state.js";

/** Switches of the VM, each an i32 of the architecture's words, and what it may be. */
const switches = {
  ail: oneOf(0, 2, 3),
  interruptLittleEndian: oneOf(0, 1),
  fwnmi: oneOf(0, 1),
  pvCalls: oneOf(0, 1),
} as const;
type Switch = keyof typeof switches;

/** A hashed page table: log2 of its bytes, of one that is being prepared, and the blocks of KVM_PPC_GET_HTAB_FD. */
interface SavedHash {
  readonly order: number;
  readonly prepared?: number | undefined;
  readonly blocks: readonly Uint8Array[];
}

interface PpcState {
  readonly switches: Readonly<Record<Switch, number>>;
  /** Threads a core: what they were told when they were made. */
  readonly smt: number;
  /** Of a radix guest: as KVM_PPC_CONFIGURE_V3_MMU has it. */
  readonly processTable?: bigint | undefined;
  readonly hash?: SavedHash | undefined;
  readonly rtasTokens: Readonly<Record<string, number>>;
  readonly hcallEnabled: readonly number[];
}

const order = integer(hptOrderMin, hptOrderMax);
const stateCheck = having({
  switches: having(switches),
  smt: u32,
  processTable: optional(u64),
  hash: optional(options<SavedHash>({ order, prepared: optional(order), blocks: listOf(bytes) })),
  rtasTokens: recordOf(u32),
  hcallEnabled: listOf(integer(-(2 ** 31), 2 ** 32 - 1)),
});

const blockSize = 1 << 20;
/** Of ppcVm. */
const hcalls = { hcallEnabled: ppcVm.fields.hcallEnabled } as const;
const hcallFields = { fields: hcalls, offset: { hcallEnabled: ppcVm.offset.hcallEnabled }, size: 0 };

export function saveState(vm: VmInside): PpcState {
  const { mem } = vm;
  const ppc = ppcVmOf(vm);
  const { table } = ppc.hashTable;
  const hash = ppc.hpt && table ? saveHash(vm, table.order, ppc.preparedHpt?.order) : undefined;
  const processTable =
    BigInt.asUintN(64, mem.i64(archLayout.processTableBase)) | BigInt(mem.i32(archLayout.processTableSize));
  const tokens = rtasCalls.map(
    ({ name }, i) => [name, mem.u32(ppc.address + ppcVm.offset.rtasTokens + 4 * i)] as const,
  );
  const words = (Object.keys(switches) as Switch[]).map((name) => [name, mem.i32(archLayout[name])] as const);
  return {
    switches: Object.fromEntries(words) as Record<Switch, number>,
    smt: mem.i32(archLayout.smt),
    ...(hash ? { hash } : { processTable }),
    rtasTokens: Object.fromEntries(tokens),
    hcallEnabled: saveFields(mem, hcallFields, ppc.address)["hcallEnabled"] as number[],
  };
}

function saveHash(vm: VmInside, size: number, prepared: number | undefined): SavedHash {
  const file = getHtabFd(vm, {});
  const blocks: Uint8Array[] = [];
  const buffer = new Uint8Array(blockSize);
  try {
    // Once through the table; afterwards it would tell what has changed.
    for (let length = file.read(buffer); length > 0; length = file.read(buffer)) blocks.push(buffer.slice(0, length));
  } finally {
    file.close();
  }
  return { order: size, prepared, blocks };
}

export function loadState(vm: VmInside, saved: unknown): void {
  stateCheck(saved, "vm.loadState", "archVm");
  const { smt, processTable, hash, rtasTokens, hcallEnabled, ...rest } = saved as PpcState;
  const { mem } = vm;
  const ppc = ppcVmOf(vm);
  if (mem.i32(archLayout.smt) !== smt)
    refuse(`has ${smt} threads a core (KVM_CAP_PPC_SMT), not ${mem.i32(archLayout.smt)}`);
  if ((hash === undefined) === (processTable === undefined)) refuse("has no translation, or two kinds of it");
  if (hash) loadHash(vm, hash);
  else configureV3Mmu(vm, { radix: true, gtse: true, processTable: processTable ?? 0n });
  for (const name of Object.keys(switches) as Switch[]) mem.store(archLayout[name], rest.switches[name]);
  for (const [i, { name }] of rtasCalls.entries()) {
    mem.setI32(
      ppc.address + ppcVm.offset.rtasTokens + 4 * i,
      (Object.hasOwn(rtasTokens, name) && rtasTokens[name]) || 0,
    );
  }
  restoreFields(mem, hcallFields, ppc.address, { hcallEnabled });
}

function loadHash(vm: VmInside, { order: size, prepared, blocks }: SavedHash): void {
  const { allocateHtab, resizeHptPrepare } = hptMethods(vm);
  const old = ppcVmOf(vm).preparedHpt;
  ppcVmOf(vm).preparedHpt = undefined;
  if (old) free(vm.mem, [hptRange(old)]);
  allocateHtab(size);
  const file = getHtabFd(vm, { flags: KVM_GET_HTAB_WRITE });
  try {
    for (const block of blocks) {
      if (file.write(block) !== block.length) refuse("has a block of its hashed page table that is cut off");
    }
  } finally {
    file.close();
  }
  // The guest is about to fill it.
  if (prepared !== undefined) resizeHptPrepare({ shift: prepared });
}

const vcpuCheck = having({
  state: recordOf(listOf(anything)),
  requests: u32,
  record: recordOf(savedValue),
});

/** The vCPU is connected to what the user side connected it to. */
export function loadVcpu(vcpu: VcpuInside, saved: unknown): void {
  vcpuCheck(saved, "vm.loadState", `the vCPU ${vcpu.id}`);
  const { state: fields, requests, record } = saved as SavedPpcVcpu;
  checkVcpuState(fields, `vCPU ${vcpu.id}`);
  const { mem } = vcpu.vm;
  for (const name of ["xicsServer", "xiveServer"] as const) {
    if ((record[name] ?? 0) === mem.i32(recordAt(vcpu, name))) continue;
    refuse(`has vCPU ${vcpu.id} at another server of its interrupt controller (${name})`);
  }
  restoreVcpu(vcpu, { state: fields, requests, record });
  if (mem.i64(recordAt(vcpu, "dtl")) !== 0n && mem.u32(recordAt(vcpu, "dtlLength")) < dtlEntrySize) {
    refuse(`has a dispatch trace log without room for an entry in vCPU ${vcpu.id}`);
  }
}

const refuse = (what: string): never => {
  throw new KvmError("EINVAL", `vm.loadState: the state ${what}`);
};
