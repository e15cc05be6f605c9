/** What the cases of x86's interface are given: a fresh VM of one implementation, made as far as a case asks for it. */
import { assemble } from "../../../src/arch/x86/isa/assembler.js";
import { KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR, type X86Vcpu, type X86Vm } from "../../../src/arch/x86/uapi.js";
import type { KvmConfig } from "../../../src/engine/kvm-config.js";
import { openKvm } from "../../../src/kernel.js";
import { type Device, KVM_DEV_TYPE_VFIO } from "../../../src/kvm/uapi.js";
import type { AnyFixture } from "../neutral-fixture.js";

export const kvm = await openKvm({ guest: "x86_64", memory: "both" });

export const implementations = ["hv", "pr"] as const;
export type ImplementationName = (typeof implementations)[number];
export const ramSize = 1 << 20;
/** Where tests put their code, of 16 bits in real mode. */
export const start = 0x1000;
const memoryLimit = 256 << 20;

export class X86Fixture implements AnyFixture {
  readonly kvm = kvm;
  readonly module = "kvm_intel";
  readonly name: ImplementationName;
  #vm: X86Vm | undefined;
  #cpu: X86Vcpu | undefined;
  #hasController = false;
  #ram = 0;

  constructor(name: ImplementationName) {
    this.name = name;
  }

  open(options: KvmConfig) {
    return openKvm({ ...options, guest: "x86_64" });
  }

  get type(): number {
    return this.name === "hv" ? KVM_X86_UNIKVM_HV : KVM_X86_UNIKVM_PR;
  }

  /** With a MiB of RAM in slot 0. */
  get vm(): X86Vm {
    if (!this.#vm) {
      this.#vm = kvm.createVm(this.type, { shared: false, memoryLimit });
      this.#ram = this.#vm.allocate(ramSize);
      this.#vm.setUserMemoryRegion(this.region);
    }
    return this.#vm;
  }

  get region() {
    return { slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: this.#ram };
  }

  get ram(): Uint8Array {
    return this.vm.bytes(this.#ram, ramSize);
  }

  /** What calls are made on. */
  get objects() {
    const { vm, cpu } = this;
    const device = vm.createDevice(KVM_DEV_TYPE_VFIO) as Device;
    return { kvm, vm, vcpu: cpu, device, eventfd: vm.createEventFd(), stats: vm.getStatsFd() };
  }

  /** vCPU 0; before it, `controller`, where a test wants one. */
  get cpu(): X86Vcpu {
    this.#cpu ??= this.vm.createVcpu(0);
    return this.#cpu;
  }

  /** The interrupt controllers, and vCPU 0. */
  get controller(): true {
    if (!this.#hasController) {
      this.#hasController = true;
      this.vm.createIrqchip();
    }
    this.cpu;
    return true;
  }

  /** Puts code of 16 bits at `start`, and vCPU 0 there, in real mode. */
  code(...lines: readonly string[]): void {
    let at = start;
    for (const line of lines) {
      const bytes = assemble(line, 16, BigInt(at));
      this.ram.set(bytes, at);
      at += bytes.length;
    }
    this.vm.guestWritten(BigInt(start), at - start);
    const { cpu } = this;
    const sregs = cpu.getSregs();
    cpu.setSregs({ ...sregs, cs: { ...sregs.cs, base: 0n, selector: 0 } });
    cpu.setRegs({ ...cpu.getRegs(), rip: BigInt(start), rsp: 0x8000n, rflags: 2n });
  }

  exiting(): void {
    this.code("out 0x80, al", "hlt");
  }

  close(): void {
    this.#cpu?.close();
    this.#vm?.close();
  }
}
