/** Misuse of the calls on the hashed page table. */
import { KVM_GET_HTAB_WRITE } from "../../src/arch/powerpc/uapi.js";
import type { CasesOf } from "./cases.js";
import type { Fixture } from "./fixture.js";
import { closed, full, whileRunning } from "./neutral-cases.js";

const order = 18;

function withTable(it: Fixture) {
  it.vm.allocateHtab(order);
  return it.vm;
}

const writer = (it: Fixture) => withTable(it).getHtabFd({ flags: KVM_GET_HTAB_WRITE });

/** One block: entry `index` is valid with these words. */
export function block(index: number, v: bigint, r: bigint): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, index, true);
  view.setUint16(4, 1, true);
  view.setBigUint64(8, v);
  view.setBigUint64(16, r);
  return bytes;
}

/** Valid and bolted, at the places of the hash that a smaller table makes one. */
function collide(it: Fixture): void {
  const { vm } = it;
  vm.allocateHtab(order + 1);
  const file = vm.getHtabFd({ flags: KVM_GET_HTAB_WRITE });
  for (const group of [0, 2 ** (order - 7)]) file.write(block(8 * group, 0x11n, 0x10n));
  file.close();
  vm.resizeHptPrepare({ shift: order });
  vm.resizeHptCommit({ shift: order });
}

export const hptCases: CasesOf<
  | "KVM_PPC_ALLOCATE_HTAB"
  | "KVM_PPC_GET_HTAB_FD"
  | "read (htab)"
  | "write (htab)"
  | "KVM_PPC_RESIZE_HPT_PREPARE"
  | "KVM_PPC_RESIZE_HPT_COMMIT"
  | "KVM_PPC_GET_SMMU_INFO"
> = {
  KVM_PPC_ALLOCATE_HTAB: {
    EBADF: (it) => closed(it).allocateHtab(order),
    EBUSY: (it) => whileRunning(it, () => it.vm.allocateHtab(order)),
    EINVAL: ({ vm }) => vm.allocateHtab(17),
    ENOMEM: ({ vm }) => vm.allocateHtab(40),
  },
  KVM_PPC_GET_HTAB_FD: {
    EBADF: (it) => closed(it).getHtabFd(),
    EINVAL: (it) => withTable(it).getHtabFd({ flags: 4 }),
  },
  "read (htab)": { EBADF: (it) => writer(it).read(new Uint8Array(64)) },
  "write (htab)": {
    EBADF: (it) => withTable(it).getHtabFd().write(new Uint8Array(64)),
    EBUSY: (it) => {
      const file = writer(it);
      whileRunning(it, () => file.write(new Uint8Array(8)));
    },
    EINVAL: (it) => writer(it).write(block(2 ** (order - 4), 1n, 0x10n)),
    EIO: (it) => writer(it).write(block(0, 1n, 0x20n)),
  },
  KVM_PPC_RESIZE_HPT_PREPARE: {
    EINVAL: (it) => withTable(it).resizeHptPrepare({ shift: 17 }),
    ENOMEM: (it) => full(it, () => it.vm.allocateHtab(order)).resizeHptPrepare({ shift: 30 }),
  },
  KVM_PPC_RESIZE_HPT_COMMIT: {
    EINVAL: ({ vm }) => vm.resizeHptCommit({ shift: order }),
    ENOSPC: collide,
    ENXIO: (it) => withTable(it).resizeHptCommit({ shift: 20 }),
  },
  KVM_PPC_GET_SMMU_INFO: {},
};
