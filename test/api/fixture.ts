/** What the cases of the interface are given: a fresh VM of one implementation, made as far as a case asks for it. */

import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import type { ImplementationName, PpcKvm, PpcVm } from "../../src/arch/powerpc/module.js";
import {
  KVM_DEV_XIVE_GRP_EQ_CONFIG,
  KVM_DEV_XIVE_GRP_SOURCE,
  KVM_XIVE_EQ_ALWAYS_NOTIFY,
  kvmPpcXiveEq,
  type PpcVcpu,
} from "../../src/arch/powerpc/uapi.js";
import { openKvm } from "../../src/kernel.js";
import {
  KVM_CAP_IRQ_XICS,
  KVM_CAP_PPC_IRQ_XIVE,
  KVM_DEV_TYPE_XICS,
  KVM_DEV_TYPE_XIVE,
} from "../../src/kvm/constants.js";
import type { Device } from "../../src/kvm/uapi.js";
import type { AnyFixture } from "./neutral-fixture.js";

export const kvm: PpcKvm = await openKvm({ memory: "both" });

export const implementations = ["hv", "pr"] as const satisfies readonly ImplementationName[];
export const ramSize = 1 << 20;
export const page = 65536n;
/** Where tests put their code, big-endian. */
export const start = 0x1000n;
const memoryLimit = 256 << 20;

export class Fixture implements AnyFixture {
  readonly kvm = kvm;
  readonly module = "kvm";
  readonly open = openKvm;
  readonly name: ImplementationName;
  #vm: PpcVm | undefined;
  #cpu: PpcVcpu | undefined;
  #xics: Device | undefined;
  #xive: Device | undefined;
  #ram = 0;

  constructor(name: ImplementationName) {
    this.name = name;
  }

  get type(): number {
    return this.name === "hv" ? 1 : 2;
  }

  /** With a MiB of RAM in slot 0. */
  get vm(): PpcVm {
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

  /** Big-endian view of the guest's RAM. */
  get ram(): DataView {
    return new DataView(this.vm.memory.buffer, this.#ram, ramSize);
  }

  /** vCPU 0. */
  get cpu(): PpcVcpu {
    this.#cpu ??= this.vm.createVcpu(0);
    return this.#cpu;
  }

  get controller(): Device {
    return this.xics;
  }

  /** With vCPU 0 connected. */
  get xics(): Device {
    if (!this.#xics) {
      this.#xics = this.vm.createDevice(KVM_DEV_TYPE_XICS);
      if (!this.#xics) throw new Error("there is no XICS");
      this.cpu.enableCap({ cap: KVM_CAP_IRQ_XICS, args: [this.#xics.fd, 0] });
    }
    return this.#xics;
  }

  /** With vCPU 0 connected, a queue of priority 6 and source 0. */
  get xive(): Device {
    if (!this.#xive) {
      this.#xive = this.vm.createDevice(KVM_DEV_TYPE_XIVE);
      if (!this.#xive) throw new Error("there is no XIVE");
      this.cpu.enableCap({ cap: KVM_CAP_PPC_IRQ_XIVE, args: [this.#xive.fd, 0] });
      const queue = { flags: KVM_XIVE_EQ_ALWAYS_NOTIFY, qshift: 16, qaddr: page, qtoggle: 1, qindex: 0 };
      this.#xive.setAttr(KVM_DEV_XIVE_GRP_EQ_CONFIG, 6n, kvmPpcXiveEq(queue));
      this.#xive.setAttr(KVM_DEV_XIVE_GRP_SOURCE, 0n, 0n);
    }
    return this.#xive;
  }

  /** Puts code somewhere, and vCPU 0 there if it is `start`. */
  code(source: string, address = start): void {
    const { bytes } = assemble(source, { origin: address, littleEndian: false });
    new Uint8Array(this.ram.buffer, this.ram.byteOffset + Number(address), bytes.length).set(bytes);
    if (address === start) this.cpu.setRegs({ ...this.cpu.getRegs(), pc: start });
  }

  exiting(): void {
    this.code("li 3, 0x58\nsc 1\n");
  }

  close(): void {
    this.#xics?.close();
    this.#xive?.close();
    this.#cpu?.close();
    this.#vm?.close();
  }
}

export { soon } from "./neutral-cases.js";
