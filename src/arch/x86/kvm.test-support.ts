/** An x86 VM through KVM's interface, with a guest of a few instructions. */
import assert from "node:assert/strict";
import { after } from "node:test";
import type { KvmConfig } from "../../engine/kvm-config.js";
import { KVM_CAP_SPLIT_IRQCHIP } from "../../kvm/constants.js";
import type { Exit } from "../../kvm/uapi.js";
import type { ModuleDefinition } from "../../modules/define-module.js";
import { ModuleLoader } from "../../modules/loader.js";
import { vac } from "../../vac/module.js";
import { assemble } from "./isa/assembler.js";
import { kvmAmdModule } from "./module-amd.js";
import { kvmIntelModule, type X86KvmOffer } from "./module-intel.js";
import {
  KVM_MP_STATE_RUNNABLE,
  KVM_X86_UNIKVM_HV,
  KVM_X86_UNIKVM_PR,
  type X86Kvm,
  type X86Vcpu,
  type X86Vm,
} from "./uapi.js";

const vendors = { intel: kvmIntelModule, amd: kvmAmdModule } as const satisfies Record<
  string,
  (config?: KvmConfig) => ModuleDefinition
>;
export const types = [KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR] as const;
const open: (() => void)[] = [];
after(() => {
  for (const close of open) close();
});

const loaded = new Map<string, Promise<X86Kvm>>();
export async function kvmOf(vendor: keyof typeof vendors): Promise<X86Kvm> {
  const name = `kvm_${vendor}`;
  const known = loaded.get(name);
  if (known) return known;
  const loading = (async () => {
    const loader = new ModuleLoader([vac, vendors[vendor]({ memory: "unshared" })]);
    await loader.modprobe(name);
    return loader.offer<X86KvmOffer>(name).open();
  })();
  loaded.set(name, loading);
  return loading;
}

export const ramSize = 4 << 20;
const code = 0x10_0000;
const tables = 0x1000;
export const interrupts = 0x9000;
export const segments = 0xa000;
const handlers = 0xb000;

export interface Guest {
  readonly vm: X86Vm;
  readonly cpu: X86Vcpu;
  /** All of its memory, as it lies now. */
  ram(): Uint8Array;
  load(lines: readonly string[]): void;
  run(): Exit;
}

type IrqChip = boolean | "split";

export async function guest(
  type: number,
  vendor: keyof typeof vendors = "intel",
  irqchip: IrqChip = true,
): Promise<Guest> {
  const made = guestOf(await kvmOf(vendor), type, irqchip);
  open.push(() => {
    made.cpu.close();
    made.vm.close();
  });
  return made;
}

/**
 * Level 0 with 4 GiB of memory where it is, and gates that lead to a HLT of each vector's own. `irqchip`: all controllers and the
 * timer; "split": local APICs, and an IOAPIC of 24 pins that is the user side's. `prepare` is called before the vCPU is made.
 */
export function guestOf(
  kvm: X86Kvm,
  type: number,
  irqchip: IrqChip = true,
  prepare: (vm: X86Vm) => void = () => {},
): Guest {
  const vm = kvm.createVm(type);
  const ramAt = vm.allocate(ramSize);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: ramAt });
  if (irqchip === "split") vm.enableCap({ cap: KVM_CAP_SPLIT_IRQCHIP, args: [24] });
  else if (irqchip) {
    vm.createIrqchip();
    vm.createPit2();
  }
  prepare(vm);
  const cpu = vm.createVcpu(0);
  const ram = vm.bytes(ramAt, ramSize);
  const view = new DataView(ram.buffer, ram.byteOffset, ramSize);
  const put = (at: number, value: bigint) => view.setBigUint64(at, value, true);
  put(tables, BigInt(tables + 0x1000) | 3n);
  for (let g = 0; g < 4; g++) {
    put(tables + 0x1000 + 8 * g, BigInt(tables + 0x2000 + 0x1000 * g) | 3n);
    for (let i = 0; i < 512; i++) {
      put(tables + 0x2000 + 0x1000 * g + 8 * i, (BigInt(g) << 30n) | (BigInt(i) << 21n) | 0x83n);
    }
  }
  ram.fill(0xf4, handlers, handlers + 256);
  for (let vector = 0; vector < 256; vector++) {
    put(interrupts + 16 * vector, BigInt((handlers + vector) & 0xffff) | (0x10n << 16n) | (0x8e00n << 32n));
  }
  put(segments + 0x10, 0x00af9b000000ffffn);
  cpu.setCpuid2(kvm.getSupportedCpuid());
  const flat = { base: 0n, limit: 0xffff_ffff, present: 1, dpl: 0, s: 1, g: 1, avl: 0, unusable: 0 } as const;
  const data = { ...flat, selector: 0x18, type: 3, l: 0, db: 1 };
  cpu.setSregs({
    ...cpu.getSregs(),
    ...{ ds: data, es: data, fs: data, gs: data, ss: data },
    cs: { ...flat, selector: 0x10, type: 11, l: 1, db: 0 },
    gdt: { base: BigInt(segments), limit: 0x1f },
    idt: { base: BigInt(interrupts), limit: 0xfff },
    ...{ cr0: 0x8001_0011n, cr3: BigInt(tables), cr4: 0x20n, efer: 0x500n },
  });
  return {
    vm,
    cpu,
    // Memory may have grown since.
    ram: () => vm.bytes(ramAt, ramSize),
    load: (lines) => {
      const now = vm.bytes(ramAt, ramSize);
      let at = code;
      for (const line of [...lines, "hlt"]) {
        const bytes = assemble(line, 64, BigInt(at));
        now.set(bytes, at);
        at += bytes.length;
      }
      vm.guestWritten(BigInt(code), at - code);
      cpu.setRegs({ ...cpu.getRegs(), rip: BigInt(code), rsp: 0x8000n, rflags: 2n });
      cpu.setMpState(KVM_MP_STATE_RUNNABLE);
    },
    run: () => cpu.run({ deadline: performance.now() + 60_000, wait: false }),
  };
}

/** The vector whose handler it stands in; -1: none's. */
export const vectorAt = ({ cpu }: Guest): number => {
  const at = Number(cpu.getRegs().rip) - 1 - handlers;
  return at >= 0 && at < 256 ? at : -1;
};

export async function waitUntil(one: Guest, there: (guest: Guest) => boolean): Promise<void> {
  const end = performance.now() + 60_000;
  while (performance.now() < end) {
    const exit = one.run();
    if (there(one)) return;
    assert.equal(
      exit.reason,
      "hlt",
      JSON.stringify(exit, (_, value) => (typeof value === "bigint" ? `${value}` : value)),
    );
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.fail("it does not come");
}

/** The user side asks for a window, and run() tells of it, behind the one instruction that STI keeps interrupts from. */
export function openWindow(one: Guest): void {
  const { cpu } = one;
  one.load(["cli", "inc rbx", "sti", "inc rbx", "inc rbx", "hlt"]);
  cpu.setRegs({ ...cpu.getRegs(), rbx: 0n });
  assert.equal(cpu.readyForInterruptInjection(), false);
  cpu.requestInterruptWindow(true);
  assert.deepEqual(one.run(), { reason: "irq_window_open" });
  assert.equal(cpu.getRegs().rbx, 2n);
  assert.equal(cpu.readyForInterruptInjection(), true);
}

/** WRMSR. */
export const msr = (number: number, value: number | bigint): string[] => [
  `mov ecx, 0x${number.toString(16)}`,
  `mov eax, 0x${BigInt.asUintN(32, BigInt(value)).toString(16)}`,
  `mov edx, 0x${(BigInt(value) >> 32n).toString(16)}`,
  "wrmsr",
];

/** OUT of bytes, one after the other. */
export const out = (port: number, ...values: readonly number[]): string[] =>
  values.flatMap((value) => [`mov al, ${value}`, `out ${port}, al`]);
