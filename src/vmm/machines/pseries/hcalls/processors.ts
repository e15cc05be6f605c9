/** What a partition asks about its processors and tells of their translation. */
import { KvmError } from "../../../../kvm/uapi.js";
import { HcallStatus, type MachineHandlers } from "./hcall.js";

const flag = { gtse: 1n, hashProcessTable: 2n, radix: 4n, register: 8n, change: 16n } as const;
const allFlags = 31n;
/** Largest size field: 2^(12 + 24) bytes. */
const maxSize = 24n;

export const processorHcalls = {
  /**
   * What the guest need not defend itself against, as KVM tells it: characteristics in r4, behaviours in r5.
   * Source: Power Architecture Platform Requirements, H_GET_CPU_CHARACTERISTICS.
   */
  H_GET_CPU_CHARACTERISTICS: ({ vm }, args) => {
    const { character, behaviour } = vm.getCpuChar();
    args[0] = character;
    args[1] = behaviour;
    return HcallStatus.success;
  },

  /**
   * Tells where the partition's process table lies: flags, base, page size (hash only), size as log2(bytes) - 12.
   * Source: PAPR, H_REGISTER_PROC_TBL.
   */
  H_REGISTER_PROC_TBL: ({ vm }, args) => {
    const [flags = 0n, base = 0n, pageSize = 0n, size = 0n] = args.map((value) => BigInt.asUintN(64, value));
    if ((flags & ~allFlags) !== 0n) return HcallStatus.parameter;
    // Without "change" the table stays as it is: nothing to do.
    if ((flags & flag.change) === 0n) return HcallStatus.success;
    if ((flags & flag.radix) === 0n || (flags & flag.gtse) === 0n) return HcallStatus.parameter;
    if ((flags & flag.register) === 0n) {
      vm.configureV3Mmu({ radix: true, gtse: true, processTable: 0n });
      return HcallStatus.success;
    }
    if ((base & 0xfffn) !== 0n || base >> 60n !== 0n) return HcallStatus.parameter2;
    if (pageSize !== 0n) return HcallStatus.parameter3;
    if (size > maxSize) return HcallStatus.parameter4;
    try {
      vm.configureV3Mmu({ radix: true, gtse: true, processTable: base | size });
    } catch (error) {
      if (error instanceof KvmError) return HcallStatus.parameter;
      throw error;
    }
    return HcallStatus.success;
  },
} satisfies MachineHandlers;
