/**
 * The virtual processor area (lppaca), the SLB shadow buffer and the dispatch trace log: memory of the guest that says
 * how its processors are run. Source: PAPR, "Register Virtual Processor Areas".
 */
import type { VmMemory } from "../../../kvm/memory.js";
import { ppcVcpu } from "../vm/state.js";
import type { HcallVcpu } from "./hcall.js";

const fields = ppcVcpu.offset;

export const vpaSize = 640;
export const dtlEntrySize = 48;

/** Offsets in the area. */
export const vpaOffset = { size: 4, oldStatus: 9, yieldCount: 0x100, dtlIndex: 0x218 } as const;
/** The old status bit that tells a guest that its processors share the host's. */
export const sharedProcessor = 2;

/** Where a dispatch trace entry says why: everything that the host may have done. */
const dispatchReason = 7;

/** Sets the yield count odd while the processor is given back, even while it runs. */
export function setYielded(vcpu: HcallVcpu, yielded: boolean): void {
  const memory: VmMemory = vcpu.core.vm.mem;
  const vpa = memory.u64(vcpu.core.archRecord + fields.vpa);
  if (vpa === 0n) return;
  vcpu.vm.memory.write(vpa, vpaSize, (view) => {
    const count = view.getUint32(vpaOffset.yieldCount);
    if ((count & 1) !== Number(yielded)) view.setUint32(vpaOffset.yieldCount, count + 1);
  });
}

/** Notes in the dispatch trace log, if there is one, that the processor was dispatched. */
export function logDispatch(vcpu: HcallVcpu): void {
  const memory: VmMemory = vcpu.core.vm.mem;
  const record = vcpu.core.archRecord;
  const dtl = memory.u64(record + fields.dtl);
  const vpa = memory.u64(record + fields.vpa);
  if (dtl === 0n || vpa === 0n) return;
  const entries = Math.floor(memory.u32(record + fields.dtlLength) / dtlEntrySize);
  const index = memory.u32(record + fields.dtlIndex);
  const at = dtl + BigInt((index % entries) * dtlEntrySize);
  if (!vcpu.vm.memory.isWritable(at, dtlEntrySize)) return;
  vcpu.vm.memory.write(vpa, vpaSize, (area) => {
    vcpu.vm.memory.write(at, dtlEntrySize, (entry) => {
      for (let word = 0; word < dtlEntrySize; word += 8) entry.setBigUint64(word, 0n);
      entry.setUint8(0, dispatchReason);
      entry.setUint16(2, vcpu.id);
      entry.setBigUint64(16, vcpu.timeBase());
      entry.setBigUint64(32, vcpu.getRegister("pc"));
      entry.setBigUint64(40, vcpu.getRegister("msr"));
    });
    memory.setI32(record + fields.dtlIndex, index + 1);
    area.setBigUint64(vpaOffset.dtlIndex, BigInt(index + 1));
  });
}
