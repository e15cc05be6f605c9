/**
 * Hypercalls: the guest's kernel asks for what takes KVM one step and a processor many. Each gives a number that goes to RAX.
 * Source: Documentation/virt/kvm/x86/hypercalls.rst.
 */
import type { VcpuInside } from "../../../kvm/inside.js";
import type { Exit } from "../../../kvm/uapi.js";
import { is64 } from "../processor/instruction-pointer.js";
import { getField, setField } from "../processor/vcpu.js";
import { KVM_EXIT_HYPERCALL_LONG_MODE, KVM_HC_MAP_GPA_RANGE } from "../uapi.js";
import { type X86VmState, x86VmOf } from "../vm/x86-vm.js";

/** KVM_ENOSYS and others, as a guest's kernel has them. */
const Answer = { notPermitted: -1n, invalid: -22n, notSupported: -95n, unknown: -1000n } as const;

interface Call {
  readonly vcpu: VcpuInside;
  readonly vm: X86VmState;
  /** RBX, RCX, RDX, RSI. */
  readonly args: readonly [rbx: bigint, rcx: bigint, rdx: bigint, rsi: bigint];
  /** Bits of a register: 64 in 64-bit mode, else 32. */
  readonly width: 32 | 64;
}

/** Of IA32_APIC's command: the destination and what stands for one are the bitmap's here. */
const destinations = 0xff00_0000n | 0xc0000n;

/** An exit: the user side is asked. */
const rows: Readonly<Record<number, (call: Call) => Exit | bigint>> = {
  // KVM_HC_VAPIC_POLL_IRQ: whoever leaves looks at interrupts.
  1: () => 0n,
  // KVM_HC_KICK_CPU: of flags there is none.
  5: ({ vm, args: [, id] }) => {
    vm.withId(Number(BigInt.asUintN(32, id)))?.kick();
    return 0n;
  },
  // KVM_HC_SEND_IPI: two registers of bits, the first of which is for the local APIC of this number.
  10: ({ vm, args: [low, high, first, command], width }) => {
    if (command & destinations) return Answer.invalid;
    const { irqchip } = vm;
    if (!irqchip) return Answer.notSupported;
    const from = Number(BigInt.asUintN(32, first));
    const ids = bitsOf(low | (high << BigInt(width))).map((bit) => from + bit);
    return BigInt(irqchip.sendToIds(Number(command & 0xffffn), new Set(ids)));
  },
  // KVM_HC_SCHED_YIELD: where another waits for the thread, it gets it.
  11: ({ vcpu }) => {
    if (!vcpu.vm.shared) vcpu.requestExit();
    return 0n;
  },
  [KVM_HC_MAP_GPA_RANGE]: mapRange,
};

/** Of two registers. */
const bitsOf = (word: bigint): number[] =>
  Array.from({ length: 128 }, (_, bit) => bit).filter((bit) => ((word >> BigInt(bit)) & 1n) !== 0n);

const longest = 1n << 64n;

/** The user side answers, if it has asked for it, what can be one. */
function mapRange({ vm, args: [address, pages, attributes], width }: Call): Exit | bigint {
  if (!(vm.setting("userHypercalls") & (1 << KVM_HC_MAP_GPA_RANGE))) return Answer.unknown;
  if (address & 0xfffn || pages === 0n || (address >> 12n) + pages >= longest) return Answer.invalid;
  return {
    ...{ reason: "hypercall", nr: KVM_HC_MAP_GPA_RANGE, args: [address, pages, attributes, 0n, 0n, 0n], ret: 0n },
    flags: width === 64 ? KVM_EXIT_HYPERCALL_LONG_MODE : 0,
  };
}

/** VMCALL and VMMCALL: the number is in RAX, and so is the answer. An exit: the user side is asked. */
export function hypercall(vcpu: VcpuInside): Exit | undefined {
  const width = is64(vcpu) ? 64 : 32;
  const register = (number: number): bigint => BigInt.asUintN(width, getField(vcpu, "general", number));
  const answer = (): Exit | bigint => {
    if (getField(vcpu, "cpl") !== 0n) return Answer.notPermitted;
    const row = rows[Number(BigInt.asUintN(32, register(0)))];
    if (!row || register(0) >= 0x1_0000_0000n) return Answer.unknown;
    return row({ vcpu, vm: x86VmOf(vcpu.vm), args: [register(3), register(1), register(2), register(6)], width });
  };
  const given = answer();
  if (typeof given !== "bigint") return given;
  answerHypercall(vcpu, given);
  return undefined;
}

/** Of 64 bits in 64-bit mode, else of 32. */
export const answerHypercall = (vcpu: VcpuInside, answer: bigint): void =>
  setField(vcpu, "general", BigInt.asUintN(is64(vcpu) ? 64 : 32, answer), 0);
