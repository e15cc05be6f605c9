/** A guest's TCE table as VFIO follows it: KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE. Source: arch/powerpc/kvm/book3s_64_vio.c. */
import { KvmError } from "../../../base/errors.js";
import { fileTable } from "../../../base/files.js";
import type { SpaprTceTable } from "../../../base/vfio.js";
import { KVM_MEM_READONLY } from "../../../kvm/constants.js";
import type { VmInside } from "../../../kvm/inside.js";
import type { TceTable, TceTables } from "./tce-table.js";

const read = 1;
const write = 2;

/** EBADF: no such descriptor. EINVAL: it is not one of this VM's tables. */
export function vfioTable(vm: VmInside, tables: TceTables, tablefd: number): SpaprTceTable {
  const table = tables.ofFd(tablefd);
  if (table) return view(vm, table);
  // EBADF if it is nothing at all.
  fileTable().lookup(tablefd);
  throw new KvmError("EINVAL", `KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE: ${tablefd} is no TCE table of this VM`);
}

function view(vm: VmInside, table: TceTable): SpaprTceTable {
  const { pageShift } = table;
  const pageBytes = 2 ** pageShift;
  const offsetBits = (1n << BigInt(pageShift)) - 1n;
  return {
    pageShift,
    offset: table.offset,
    size: table.size,
    translate: (index) => {
      // Looked at anew for each access: hypercalls on any thread change the table, and closing it ends it.
      if (!table.open || index < 0n || index >= table.size) return undefined;
      const tce = table.at(index);
      const permissions = Number(tce & 3n);
      if (permissions === 0) return undefined;
      const found = vm.slots.find(tce & ~offsetBits, pageBytes);
      if (!found) return undefined;
      const allowed = found.slot.flags & KVM_MEM_READONLY ? permissions & ~write : permissions;
      return allowed === 0 ? undefined : { vaddr: found.address, permissions: allowed & (read | write) };
    },
    written: (vaddr, length) => vm.hostWritten(vaddr, length),
  };
}
