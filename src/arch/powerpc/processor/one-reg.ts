/** KVM_GET_ONE_REG and KVM_SET_ONE_REG: one table of registers. */

import { KvmError } from "../../../base/errors.js";
import { KVM_REG_SIZE_MASK } from "../../../kvm/constants.js";
import type { VcpuInside } from "../../../kvm/inside.js";
import { archLayout, type StateField } from "../engines/layout.js";
import { Magic } from "../interrupts/magic.js";
import type { RegisterName } from "../isa/registers.js";
import * as reg from "../uapi/registers.js";
import { ppcVcpuOf } from "../vm/ppc-vm.js";
import { keptRegisters } from "../vm/state.js";
import { debugChanged } from "./debug.js";
import { setCompatibility } from "./processor.js";
import { addressOf, contextChanged, getField, notifyInterrupt, recordAt, setField } from "./vcpu.js";

interface OneReg {
  readonly get: (vcpu: VcpuInside) => bigint;
  readonly set: (vcpu: VcpuInside, value: bigint) => void;
}

/** A field of the engine's state. */
const plain = (field: StateField, index = 0): OneReg => ({
  get: (vcpu) => getField(vcpu, field, index),
  set: (vcpu, value) => setField(vcpu, field, value, index),
});

/** The same, of what the engine compares with. */
const debug = (field: RegisterName): OneReg => ({
  get: (vcpu) => getField(vcpu, field),
  set: (vcpu, value) => {
    setField(vcpu, field, value);
    debugChanged(vcpu);
  },
});

/** The same, where translation or facilities derive from it. */
const context = (field: RegisterName): OneReg => ({
  get: (vcpu) => getField(vcpu, field),
  set: (vcpu, value) => {
    setField(vcpu, field, value);
    contextChanged(vcpu);
  },
});

type RecordWord = "online";
const record = (field: RecordWord): OneReg => ({
  get: (vcpu) => BigInt(vcpu.vm.mem.u32(recordAt(vcpu, field))),
  set: (vcpu, value) => vcpu.vm.mem.setI32(recordAt(vcpu, field), Number(BigInt.asIntN(32, value))),
});

/** Address (upper half) and length of an area that the guest registered. */
const area = (address: "slbShadow" | "dtl"): OneReg => ({
  get: (vcpu) => {
    const { mem } = vcpu.vm;
    return (mem.u64(recordAt(vcpu, address)) << 64n) | BigInt(mem.u32(recordAt(vcpu, `${address}Length`)));
  },
  set: (vcpu, value) => {
    const { mem } = vcpu.vm;
    if (value >> 64n && mem.i64(recordAt(vcpu, "vpa")) === 0n) {
      throw new KvmError("EINVAL", "the VPA comes before the SLB shadow and the dispatch trace log");
    }
    mem.setI64(recordAt(vcpu, address), value >> 64n);
    mem.setI32(recordAt(vcpu, `${address}Length`), Number(BigInt.asIntN(32, value)));
  },
});

const vpaAddress: OneReg = {
  get: (vcpu) => vcpu.vm.mem.u64(recordAt(vcpu, "vpa")),
  set: (vcpu, value) => vcpu.vm.mem.setI64(recordAt(vcpu, "vpa"), value),
};

/** Doubleword 0 of VSR n. */
const fpr = (n: number): OneReg => ({
  get: (vcpu) => vcpu.vm.mem.u64(addressOf(vcpu, "vsr", n) + 8),
  set: (vcpu, value) => vcpu.vm.mem.setI64(addressOf(vcpu, "vsr", n) + 8, value),
});

const vscrNj = 16n;
const vscr: OneReg = {
  get: (vcpu) => (getField(vcpu, "nj") << vscrNj) | getField(vcpu, "sat"),
  set: (vcpu, value) => {
    setField(vcpu, "nj", (value >> vscrNj) & 1n);
    setField(vcpu, "sat", value & 1n);
  },
};

const lpcrAilShift = 23n;
const lpcrAil = 3n << lpcrAilShift;
const lpcrIle = 1n << 25n;
/** LPCR[AIL] and LPCR[ILE] are the VM's. */
const lpcr: OneReg = {
  get: (vcpu) => {
    const { mem } = vcpu.vm;
    const ile = mem.load(archLayout.interruptLittleEndian) ? lpcrIle : 0n;
    const ail = BigInt(mem.load(archLayout.ail)) << lpcrAilShift;
    return (getField(vcpu, "lpcr") & ~(lpcrAil | lpcrIle)) | ile | ail;
  },
  set: (vcpu, value) => {
    setField(vcpu, "lpcr", value);
    ppcVcpuOf(vcpu).vm.setInterruptMode({
      ail: Number((value & lpcrAil) >> lpcrAilShift),
      littleEndian: (value & lpcrIle) !== 0n,
    });
    contextChanged(vcpu);
  },
};

/** One thread a core: one doorbell. */
const dpdes: OneReg = {
  get: (vcpu) => getField(vcpu, "doorbellPending"),
  set: (vcpu, value) => {
    setField(vcpu, "doorbellPending", value & 1n);
    notifyInterrupt(vcpu);
  },
};

/** Interrupts of a PAPR guest are at 0. */
const hior: OneReg = {
  get: () => 0n,
  set: (_, value) => {
    if (value !== 0n) throw new KvmError("EINVAL", "KVM_REG_PPC_HIOR: the interrupt vectors of this guest are at 0");
  },
};

/** As in Linux for Book3S: an instruction of primary opcode 0, which is otherwise illegal. */
const debugInstruction: OneReg = {
  get: () => BigInt(Magic.softwareBreakpoint),
  set: () => {
    throw new KvmError("EINVAL", "KVM_REG_PPC_DEBUG_INST can only be read");
  },
};

const decExpiry: OneReg = {
  get: (vcpu) => getField(vcpu, "decExpiry"),
  set: (vcpu, value) => {
    setField(vcpu, "decExpiry", value);
    setField(vcpu, "decPending", 0n);
    notifyInterrupt(vcpu);
  },
};

const icpState: OneReg = {
  get: (vcpu) => {
    const { xics, server } = inXics(vcpu);
    const state = xics.serverState(server);
    if (!state) return 0n;
    return (
      (BigInt(state.cppr) << 56n) |
      (BigInt(state.xisr) << 32n) |
      (BigInt(state.mfrr) << 24n) |
      (BigInt(state.pendingPriority) << 16n)
    );
  },
  set: (vcpu, value) => {
    const { xics, server } = inXics(vcpu);
    const byte = (shift: bigint) => Number((value >> shift) & 0xffn);
    const xisr = Number((value >> 32n) & 0xffffffn);
    xics.restoreServer(server, { cppr: byte(56n), xisr, mfrr: byte(24n), pendingPriority: byte(16n) });
  },
};

function inXics(vcpu: VcpuInside) {
  const { vm, server } = ppcVcpuOf(vcpu);
  if (!vm.xics || server === undefined) {
    throw new KvmError("ENXIO", `vCPU ${vcpu.id} is not connected to a XICS`);
  }
  return { xics: vm.xics, server };
}

/** See keptRegisters. */
const kept = (name: (typeof keptRegisters)[number]): [bigint, OneReg] => {
  const offset = 8 * keptRegisters.indexOf(name);
  const names: Readonly<Record<`KVM_REG_PPC_${typeof name}`, bigint>> = reg;
  return [
    names[`KVM_REG_PPC_${name}`],
    {
      get: (vcpu) => vcpu.vm.mem.u64(recordAt(vcpu, "kept") + offset),
      set: (vcpu, value) => vcpu.vm.mem.setI64(recordAt(vcpu, "kept") + offset, value),
    },
  ];
};

/** The state of a vCPU in a XIVE: the first 8 bytes of its ring, big-endian, in the lower half. */
const vpState: OneReg = {
  get: (vcpu) => {
    const { xive, server } = inXive(vcpu);
    return (xive.registers(server) ?? []).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  },
  set: (vcpu, value) => {
    const { xive, server } = inXive(vcpu);
    xive.setRegisters(
      server,
      Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * (7 - i))) & 0xffn)),
    );
  },
};

function inXive(vcpu: VcpuInside) {
  const { vm, xiveServer } = ppcVcpuOf(vcpu);
  if (!vm.xive || xiveServer === undefined) {
    throw new KvmError("ENXIO", `vCPU ${vcpu.id} is not connected to a XIVE`);
  }
  return { xive: vm.xive, server: xiveServer };
}

/** The partition table of a guest's own guests. */
const ptcr: OneReg = {
  get: () => 0n,
  set: (_, value) => {
    if (value !== 0n) throw new KvmError("EINVAL", "KVM_REG_PPC_PTCR: a guest cannot have guests of its own here");
  },
};

const numbered = (n: number): [bigint, OneReg][] => [
  [reg.KVM_REG_PPC_FPR(n), fpr(n)],
  [reg.KVM_REG_PPC_VR(n), plain("vsr", 32 + n)],
  [reg.KVM_REG_PPC_VSR(n), plain("vsr", n)],
];

const table: ReadonlyMap<bigint, OneReg> = new Map<bigint, OneReg>([
  [reg.KVM_REG_PPC_HIOR, hior],
  [reg.KVM_REG_PPC_DSCR, plain("dscr")],
  [reg.KVM_REG_PPC_PURR, plain("purr")],
  [reg.KVM_REG_PPC_SPURR, plain("spurr")],
  [reg.KVM_REG_PPC_DAR, plain("dar")],
  [reg.KVM_REG_PPC_DSISR, plain("dsisr")],
  [reg.KVM_REG_PPC_AMR, context("amr")],
  [reg.KVM_REG_PPC_UAMOR, plain("uamor")],
  [reg.KVM_REG_PPC_IAMR, context("iamr")],
  [reg.KVM_REG_PPC_MMCR0, plain("mmcr0")],
  [reg.KVM_REG_PPC_MMCR1, plain("mmcr1")],
  [reg.KVM_REG_PPC_MMCR2, plain("mmcr2")],
  [reg.KVM_REG_PPC_MMCR3, plain("mmcr3")],
  [reg.KVM_REG_PPC_SIER2, plain("sier2")],
  [reg.KVM_REG_PPC_SIER3, plain("sier3")],
  [reg.KVM_REG_PPC_MMCRA, plain("mmcra")],
  [reg.KVM_REG_PPC_SIAR, plain("siar")],
  [reg.KVM_REG_PPC_SDAR, plain("sdar")],
  [reg.KVM_REG_PPC_SIER, plain("sier")],
  [reg.KVM_REG_PPC_PMC1, plain("pmc1")],
  [reg.KVM_REG_PPC_PMC2, plain("pmc2")],
  [reg.KVM_REG_PPC_PMC3, plain("pmc3")],
  [reg.KVM_REG_PPC_PMC4, plain("pmc4")],
  [reg.KVM_REG_PPC_PMC5, plain("pmc5")],
  [reg.KVM_REG_PPC_PMC6, plain("pmc6")],
  [reg.KVM_REG_PPC_FPSCR, plain("fpscr")],
  [reg.KVM_REG_PPC_VSCR, vscr],
  [reg.KVM_REG_PPC_VPA_ADDR, vpaAddress],
  [reg.KVM_REG_PPC_VPA_SLB, area("slbShadow")],
  [reg.KVM_REG_PPC_VPA_DTL, area("dtl")],
  [reg.KVM_REG_PPC_DEBUG_INST, debugInstruction],
  [reg.KVM_REG_PPC_TB_OFFSET, plain("tbOffset")],
  [reg.KVM_REG_PPC_FSCR, plain("fscr")],
  [reg.KVM_REG_PPC_EBBHR, plain("ebbhr")],
  [reg.KVM_REG_PPC_EBBRR, plain("ebbrr")],
  [reg.KVM_REG_PPC_BESCR, plain("bescr")],
  [reg.KVM_REG_PPC_TAR, plain("tar")],
  [reg.KVM_REG_PPC_DPDES, dpdes],
  [reg.KVM_REG_PPC_DAWR, debug("dawr0")],
  [reg.KVM_REG_PPC_DAWRX, debug("dawrx0")],
  [reg.KVM_REG_PPC_CIABR, debug("ciabr")],
  [reg.KVM_REG_PPC_IC, plain("ic")],
  [reg.KVM_REG_PPC_VTB, plain("vtb")],
  [reg.KVM_REG_PPC_PID, context("pid")],
  [reg.KVM_REG_PPC_VRSAVE, plain("vrsave")],
  [reg.KVM_REG_PPC_LPCR, lpcr],
  [reg.KVM_REG_PPC_LPCR_64, lpcr],
  [reg.KVM_REG_PPC_PPR, plain("ppr")],
  [
    reg.KVM_REG_PPC_ARCH_COMPAT,
    {
      get: (vcpu) => BigInt(vcpu.vm.mem.u32(recordAt(vcpu, "archCompat"))),
      set: (vcpu, value) => setCompatibility(vcpu, Number(value)),
    },
  ],
  [reg.KVM_REG_PPC_WORT, plain("wort")],
  [reg.KVM_REG_PPC_PSSCR, plain("psscr")],
  [reg.KVM_REG_PPC_DEC_EXPIRY, decExpiry],
  [reg.KVM_REG_PPC_ONLINE, record("online")],
  [reg.KVM_REG_PPC_ICP_STATE, icpState],
  [reg.KVM_REG_PPC_VP_STATE, vpState],
  [reg.KVM_REG_PPC_PTCR, ptcr],
  [reg.KVM_REG_PPC_PSPB, plain("pspb")],
  [reg.KVM_REG_PPC_TIDR, plain("tidr")],
  ...keptRegisters.map(kept),
  ...Array.from({ length: 32 }, (_, n) => numbered(n)).flat(),
]);

/** What KVM_GET_REG_LIST answers. */
export const registerIds: readonly bigint[] = [...table.keys()];

const sizes = new Set([...table.keys()].map((id) => id & ~KVM_REG_SIZE_MASK));

function find(id: bigint): OneReg {
  const row = table.get(id);
  if (row) return row;
  const name = `0x${id.toString(16)}`;
  if (sizes.has(id & ~KVM_REG_SIZE_MASK)) throw new KvmError("EINVAL", `register ${name} has another size`);
  throw new KvmError("ENOENT", `there is no register ${name}`);
}

const bitsOf = (id: bigint): number => 8 << Number((id & KVM_REG_SIZE_MASK) >> 52n);

export const getOneReg = (vcpu: VcpuInside, id: bigint): bigint => BigInt.asUintN(bitsOf(id), find(id).get(vcpu));

export function setOneReg(vcpu: VcpuInside, id: bigint, value: bigint): void {
  const row = find(id);
  if (BigInt.asUintN(bitsOf(id), value) !== value) {
    throw new KvmError("EINVAL", `0x${value.toString(16)} does not fit register 0x${id.toString(16)}`);
  }
  row.set(vcpu, value);
}
