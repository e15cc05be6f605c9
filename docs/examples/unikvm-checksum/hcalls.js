/** The hypercalls themselves. Every thread that runs a vCPU imports this file. */
import { HcallStatus, hcall } from "unikvm/powerpc";

/** So that no vCPU is away for long. */
const longest = 1n << 20n;

/** H_CHECKSUM(address, bytes): r4 is the 64-bit FNV-1a hash of guest physical memory. */
const checksum = hcall(0xf800, "H_CHECKSUM", { enabled: true }, (vcpu, [address, length]) => {
  if (length > longest) return HcallStatus.p2;
  const memory = vcpu.vm.memory.read(address, Number(length));
  // Not all of it is RAM.
  if (!memory) return HcallStatus.parameter;
  let hash = 0xcbf29ce484222325n;
  for (let at = 0; at < memory.byteLength; at++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(memory.getUint8(at))) * 0x100000001b3n);
  }
  vcpu.setGpr(4, hash);
  return HcallStatus.success;
});

export const hcalls = [checksum];
