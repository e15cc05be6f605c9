/**
 * Hypercalls: the guest's kernel asks for what takes KVM one step and a processor many. Each gives a number that goes to RAX.
 * Source: Documentation/virt/kvm/x86/hypercalls.rst.
 */
import type { VcpuInside } from "../../../kvm/inside.js";
import { is64 } from "../processor/instruction-pointer.js";
import { getField, setField } from "../processor/vcpu.js";
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

const rows: Readonly<Record<number, (call: Call) => bigint>> = {
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
    const ids = [...bitsOf(low), ...bitsOf(high).map((bit) => bit + width)];
    const from = Number(BigInt.asUintN(32, first));
    return BigInt(irqchip.sendToIds(Number(command & 0xffffn), new Set(ids.map((bit) => from + bit))));
  },
  // KVM_HC_SCHED_YIELD: where another waits for the thread, it gets it.
  11: ({ vcpu }) => {
    if (!vcpu.vm.shared) vcpu.requestExit();
    return 0n;
  },
};

const bitsOf = (word: bigint): number[] =>
  Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => ((word >> BigInt(bit)) & 1n) !== 0n);

/** VMCALL and VMMCALL: the number is in RAX, and so is the answer. */
export function hypercall(vcpu: VcpuInside): void {
  const width = is64(vcpu) ? 64 : 32;
  const register = (number: number): bigint => BigInt.asUintN(width, getField(vcpu, "general", number));
  const answer = (): bigint => {
    if (getField(vcpu, "cpl") !== 0n) return Answer.notPermitted;
    const row = rows[Number(BigInt.asUintN(32, register(0)))];
    if (!row || register(0) >= 0x1_0000_0000n) return Answer.unknown;
    return row({ vcpu, vm: x86VmOf(vcpu.vm), args: [register(3), register(1), register(2), register(6)], width });
  };
  setField(vcpu, "general", BigInt.asUintN(width, answer()), 0);
}
