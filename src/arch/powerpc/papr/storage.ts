/** Storage and its translations. */
import { byteSwap } from "../../../base/bits.js";
import { type HcallHandlers, HcallStatus, tooHard } from "./hcall.js";
import { isAccessSize, readBig, writeBig } from "./logical-ci.js";

const pageSize = 4096;
const zeroPage = 1n << 15n;
const copyPage = 1n << 14n;
/** Asking that the caches be made so is granted by doing nothing: they are coherent. */
const cacheFlags = (1n << 18n) | (1n << 17n) | (1n << 16n);
/** Targets: the caller's own threads, all of the partition; other bits ask for more than a guest may. */
const targets = 1n | 2n;

export const storageHcalls = {
  /** Clears or copies a page of 4 KiB. */
  H_PAGE_INIT: ({ vm }, [flags, destination, source]) => {
    if (flags & ~(zeroPage | copyPage | cacheFlags)) return HcallStatus.parameter;
    const offset = BigInt(pageSize - 1);
    if (destination & offset || (flags & copyPage && source & offset)) return HcallStatus.parameter;
    const from = flags & copyPage ? vm.memory.read(source, pageSize) : undefined;
    if (flags & copyPage && !from) return HcallStatus.parameter;
    const bytes = (view: DataView) => new Uint8Array(view.buffer, view.byteOffset, pageSize);
    const written = vm.memory.write(destination, pageSize, (to) => {
      if (from) bytes(to).set(bytes(from));
      else if (flags & zeroPage) bytes(to).fill(0);
    });
    if (!written) return HcallStatus.parameter;
    vm.memory.codeWritten(destination, pageSize);
    return HcallStatus.success;
  },

  /** Loads from a real address: r4 is the value. What is neither memory nor the XIVE's is the user side's. */
  H_LOGICAL_CI_LOAD: (vcpu, [size, address]) => {
    if (!isAccessSize(size) || address & (size - 1n)) return HcallStatus.parameter;
    const view = vcpu.vm.memory.read(address, Number(size));
    if (!view) {
      const found = vcpu.vm.busRead(vcpu, address, Number(size));
      if (found === undefined) return tooHard;
      vcpu.setGpr(4, byteSwap(found, Number(size)));
      return HcallStatus.success;
    }
    vcpu.setGpr(4, readBig(view, size));
    return HcallStatus.success;
  },

  /** Stores to a real address. What is neither memory nor an ioeventfd nor the XIVE's is the user side's. */
  H_LOGICAL_CI_STORE: (vcpu, [size, address, value]) => {
    const { vm } = vcpu;
    if (!isAccessSize(size) || address & (size - 1n)) return HcallStatus.parameter;
    if (vm.memory.write(address, Number(size), (view) => writeBig(view, size, value))) {
      vm.memory.codeWritten(address, Number(size));
      return HcallStatus.success;
    }
    const data = byteSwap(BigInt.asUintN(Number(size) * 8, value), Number(size));
    return vm.busWrite(vcpu, address, Number(size), data) ? HcallStatus.success : tooHard;
  },

  /** Invalidates translations that the radix tables no longer hold. Everything is dropped: never wrong, only slow. */
  H_RPT_INVALIDATE: (vcpu, [pid, target, type]) => {
    if (target & ~targets) return HcallStatus.p2;
    vcpu.trace("mmu", "RPT_INVALIDATE", { pid, target, type });
    vcpu.vm.flushTranslations();
    return HcallStatus.success;
  },
} satisfies HcallHandlers;
