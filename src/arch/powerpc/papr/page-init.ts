import { HcallStatus, hcall } from "./hcall.js";

const pageSize = 4096;
const zeroPage = 1n << 15n;
const copyPage = 1n << 14n;
/** Asking that the caches be made so is granted by doing nothing: they are coherent. */
const cacheFlags = (1n << 18n) | (1n << 17n) | (1n << 16n);

/** Clears or copies a page of 4 KiB. */
export const pageInit = hcall(0x2c, "H_PAGE_INIT", { enabled: false }, ({ vm }, [flags, destination, source]) => {
  if (flags & ~(zeroPage | copyPage | cacheFlags)) return HcallStatus.parameter;
  const offset = BigInt(pageSize - 1);
  if (destination & offset || (flags & copyPage && source & offset)) return HcallStatus.parameter;
  const to = vm.memory.write(destination, pageSize);
  if (!to) return HcallStatus.parameter;
  const bytes = (view: DataView) => new Uint8Array(view.buffer, view.byteOffset, pageSize);
  if (flags & copyPage) {
    const from = vm.memory.read(source, pageSize);
    if (!from) return HcallStatus.parameter;
    bytes(to).set(bytes(from));
  } else if (flags & zeroPage) {
    bytes(to).fill(0);
  }
  vm.memory.codeWritten(destination, pageSize);
  return HcallStatus.success;
});
