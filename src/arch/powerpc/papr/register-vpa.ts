import { ppcVcpu } from "../vm/state.js";
import { type HcallHandler, HcallStatus, type HcallVcpu } from "./hcall.js";
import { dtlEntrySize, sharedProcessor, vpaOffset, vpaSize } from "./vpa.js";

const fields = ppcVcpu.offset;
/** Function codes, in bits 16 to 18 of the flags (counted from the most significant). */
const functions = { vpa: 1n, dtl: 2n, slbShadow: 3n, noVpa: 5n, noDtl: 6n, noSlbShadow: 7n } as const;

/** Registers, or takes back, a processor's VPA, dispatch trace log or SLB shadow. */
export const registerVpa: HcallHandler = (caller, [flags, processor, address]) => {
  const vcpu = caller.vm.vcpu(processor);
  if (!vcpu) return HcallStatus.parameter;
  const { mem } = vcpu.core.vm;
  const record = vcpu.core.archRecord;
  const has = (field: "vpa" | "dtl" | "slbShadow") => mem.i64(record + fields[field]) !== 0n;
  switch ((flags >> 45n) & 7n) {
    case functions.vpa:
      return register(vcpu, "vpa", address);
    case functions.dtl:
      return has("vpa") ? register(vcpu, "dtl", address) : HcallStatus.resource;
    case functions.slbShadow:
      return has("vpa") ? register(vcpu, "slbShadow", address) : HcallStatus.resource;
    case functions.noVpa:
      if (has("dtl") || has("slbShadow")) return HcallStatus.resource;
      mem.setI64(record + fields.vpa, 0n);
      return HcallStatus.success;
    case functions.noDtl:
      mem.setI64(record + fields.dtl, 0n);
      return HcallStatus.success;
    case functions.noSlbShadow:
      mem.setI64(record + fields.slbShadow, 0n);
      return HcallStatus.success;
    default:
      return HcallStatus.parameter;
  }
};

/** The area says its own length, in its first 8 bytes; it must not leave its page. */
function register(vcpu: HcallVcpu, kind: "vpa" | "dtl" | "slbShadow", address: bigint): bigint {
  const head = address !== 0n && (address & 127n) === 0n ? vcpu.vm.memory.read(address, 8) : undefined;
  if (!head) return HcallStatus.parameter;
  const length = kind === "vpa" ? head.getUint16(vpaOffset.size) : head.getUint32(4);
  const least = kind === "vpa" ? vpaSize : kind === "dtl" ? dtlEntrySize : 8;
  if (length < least || !vcpu.vm.memory.isWritable(address, length)) return HcallStatus.parameter;
  if (kind !== "dtl" && Number(address & 0xfffn) + length > 4096) return HcallStatus.parameter;
  const { mem } = vcpu.core.vm;
  const record = vcpu.core.archRecord;
  if (kind === "vpa") {
    vcpu.vm.memory.write(address, vpaSize, (area) => {
      area.setUint8(vpaOffset.oldStatus, area.getUint8(vpaOffset.oldStatus) | sharedProcessor);
      // Even: the processor runs.
      area.setUint32(vpaOffset.yieldCount, 2);
    });
  }
  if (kind === "dtl") mem.setI32(record + fields.dtlIndex, 0);
  mem.setI32(record + fields[`${kind}Length`], length);
  mem.setI64(record + fields[kind], address);
  return HcallStatus.success;
}
