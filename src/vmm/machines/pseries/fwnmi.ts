/**
 * Firmware Assisted Non-Maskable Interrupts: the guest registers handlers, firmware writes an error log and enters them.
 * While a CPU has not said that it is done with the log, the next machine check waits (another CPU's) or is the end (its
 * own). Source: LoPAPR, "Firmware Assisted Non-Maskable Interrupts (FWNMI)", "RTAS Error and Event Return Format".
 */
import { KVM_REG_PPC_LPCR_64, type PpcVcpu } from "../../../arch/powerpc/uapi.js";
import { KvmError } from "../../../base/errors.js";
import { having, optional, size } from "../../../base/takes.js";
import { KVM_RUN_PPC_NMI_DISP_FULLY_RECOV, KVM_RUN_PPC_NMI_DISP_MASK } from "../../../kvm/uapi.js";
import type { GuestMemory } from "../../core/guest-memory.js";

/** Where in RTAS's area the log is; before it stands the stub. */
const logOffset = 0x100;

const lpcrIle = 1n << 25n;
const msr = { sixtyFour: 1n << 63n, machineCheck: 1n << 12n, littleEndian: 1n } as const;
/** SRR1 of a machine check on a fetch from a bad real address, as POWER9 reports it, and the bits it takes the place of. */
const srr1 = { causes: 0x783f_0000n, fetch: 0x080c_0000n } as const;

/** "IBM" and a zero byte. */
const company = 0x4942_4d00;
const extendedLength = 16 + 40;

export interface ErrorReport {
  readonly cpu: number;
  readonly recovered: boolean;
  /** What the failing fetch was of. */
  readonly effectiveAddress: bigint;
}

/**
 * An error log of version 6: the fixed part, its extension's head, a section for the machine check: an uncorrectable memory
 * error at an instruction fetch.
 */
export function errorLog({ cpu, recovered, effectiveAddress }: ErrorReport): Uint8Array {
  const bytes = new Uint8Array(8 + extendedLength);
  const view = new DataView(bytes.buffer);
  // Version 6; severity "error, synchronous" (3), disposition (2: not recovered), an extension follows.
  bytes[0] = 6;
  bytes[1] = (3 << 5) | ((recovered ? 0 : 2) << 3) | (1 << 2);
  // Initiator memory (4), target none; type 0, since the section tells it.
  bytes[2] = 4 << 4;
  view.setUint32(4, extendedLength);

  const head = 8;
  // Valid, a new log, in big-endian; in POWER's format, a platform event.
  bytes[head] = 0x80 | 0x10 | 0x02;
  bytes[head + 2] = 0x80 | 0x0e;
  view.setUint32(head + 12, company);

  const section = head + 16;
  view.setUint16(section, 0x4d43); // "MC"
  view.setUint16(section + 2, 40);
  view.setUint8(section + 4, 1);
  view.setUint32(section + 12, cpu);
  // Type 0: uncorrectable error; permanent, its effective address known, at a fetch (1).
  view.setUint8(section + 16, 0);
  view.setUint8(section + 17, 0x80 | 0x40 | 1);
  view.setBigUint64(section + 24, effectiveAddress);
  return bytes;
}

export type Delivery = "delivered" | "later" | "nested" | "unregistered";

export interface FwnmiState {
  /** Real address of the guest's handler, once it is registered. */
  readonly machineCheck?: number | undefined;
  /** The CPU that has the log. */
  readonly holder?: number | undefined;
}

export class Fwnmi {
  readonly #memory: GuestMemory;
  readonly #rtasBase: number;
  #machineCheck: number | undefined;
  #holder: number | undefined;

  /**
   * `rtasBase`: real address of RTAS's area, which has the log. `state` is what an earlier `save` gave. EINVAL: it is not, or
   * of a guest with more memory.
   */
  constructor(memory: GuestMemory, rtasBase: number, state: FwnmiState = {}) {
    having({ machineCheck: optional(size), holder: optional(size) })(state, "new Fwnmi", "state");
    this.#memory = memory;
    this.#rtasBase = rtasBase;
    const { machineCheck, holder } = state;
    if (machineCheck !== undefined && !this.#isHandler(machineCheck)) {
      throw new KvmError("EINVAL", `the saved handler of machine checks, ${machineCheck}, is no instruction in memory`);
    }
    if (holder !== undefined && machineCheck === undefined) {
      throw new KvmError("EINVAL", `by the saved state CPU ${holder} has an error log, without a handler to read it`);
    }
    this.#machineCheck = machineCheck;
    this.#holder = holder;
  }

  save(): FwnmiState {
    return { machineCheck: this.#machineCheck, holder: this.#holder };
  }

  /** ibm,nmi-register. False: no address of an instruction in memory. */
  register(systemReset: number, machineCheck: number): boolean {
    if (!this.#isHandler(systemReset) || !this.#isHandler(machineCheck)) return false;
    this.#machineCheck = machineCheck;
    return true;
  }

  #isHandler(address: number): boolean {
    return address % 4 === 0 && this.#memory.view(address, 4) !== undefined;
  }

  /** ibm,nmi-interlock: the CPU is done with the log. False: it does not have it. */
  release(cpu: number): boolean {
    if (this.#holder !== cpu) return false;
    this.#holder = undefined;
    return true;
  }

  /** A machine check of a vCPU, which is outside run() and at the instruction that could not be fetched. */
  deliver(vcpu: PpcVcpu, flags: number): Delivery {
    if (this.#machineCheck === undefined) return "unregistered";
    if (this.#holder !== undefined) return this.#holder === vcpu.id ? "nested" : "later";
    this.#holder = vcpu.id;
    const regs = vcpu.getRegs();
    const recovered = (flags & KVM_RUN_PPC_NMI_DISP_MASK) === KVM_RUN_PPC_NMI_DISP_FULLY_RECOV;
    const log = errorLog({ cpu: vcpu.id, recovered, effectiveAddress: regs.pc });
    // First r3 as it was, which the log's address takes the place of.
    const saved = new Uint8Array(8 + log.length);
    new DataView(saved.buffer).setBigUint64(0, regs.gpr[3] ?? 0n);
    saved.set(log, 8);
    const address = this.#rtasBase + logOffset;
    this.#memory.write(address, saved);
    regs.gpr[3] = BigInt(address);
    regs.srr0 = regs.pc;
    regs.srr1 = (regs.msr & ~srr1.causes) | srr1.fetch;
    const littleEndian = vcpu.getOneReg(KVM_REG_PPC_LPCR_64) & lpcrIle ? msr.littleEndian : 0n;
    regs.msr = msr.sixtyFour | msr.machineCheck | littleEndian;
    regs.pc = BigInt(this.#machineCheck);
    vcpu.setRegs(regs);
    return "delivered";
  }
}
