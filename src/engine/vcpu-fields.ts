/** A vCPU's registers in the VM's memory, for the slow paths of any architecture. Only for who holds the vCPU (see kvm/uapi.ts). */
import type { VcpuInside, VmInside } from "../kvm/inside.js";
import { canBlock } from "../kvm/memory.js";
import { engineRequests as Request } from "./layout.js";

interface Field {
  readonly offset: number;
  readonly type: "i32" | "i64" | "f64" | "v128";
  readonly count: number;
}

const bytes = { i32: 4, i64: 8, f64: 8, v128: 16 } as const;

/** The fields by name, of a layout that has the engine's. */
export function vcpuFields<Name extends string>(
  state: Readonly<Record<Name | "requests" | "inGuest", Field>>,
): VcpuFields<Name> {
  const addressOf = (vcpu: VcpuInside, field: Name | "requests" | "inGuest", index = 0): number =>
    vcpu.state + state[field].offset + index * bytes[state[field].type];
  const request = (vcpu: VcpuInside, bits: number): void => {
    vcpu.vm.mem.or(addressOf(vcpu, "requests"), bits);
  };
  const waitUntilTaken = (vcpu: VcpuInside, bits: number): void => {
    const { mem } = vcpu.vm;
    const [inGuest, requests] = [addressOf(vcpu, "inGuest"), addressOf(vcpu, "requests")];
    const wait = mem.shared && canBlock();
    while (mem.load(inGuest) !== 0 && mem.load(requests) & bits) if (wait) mem.wait(inGuest, 1, 0.2);
  };
  return {
    addressOf,
    getField: (vcpu, field, index = 0) => {
      const { mem } = vcpu.vm;
      const address = addressOf(vcpu, field, index);
      const { type } = state[field];
      if (type === "i32") return BigInt(mem.u32(address));
      return type === "v128" ? mem.u64(address) | (mem.u64(address + 8) << 64n) : mem.u64(address);
    },
    setField: (vcpu, field, value, index = 0) => {
      const { mem } = vcpu.vm;
      const address = addressOf(vcpu, field, index);
      const { type } = state[field];
      if (type === "i32") mem.setI32(address, Number(BigInt.asIntN(32, value)));
      else mem.setI64(address, BigInt.asIntN(64, value));
      if (type === "v128") mem.setI64(address + 8, BigInt.asIntN(64, value >> 64n));
    },
    request,
    flushTranslations: (vm) => {
      const vcpus = vm.vcpus();
      for (const vcpu of vcpus) request(vcpu, Request.flushTlb);
      for (const vcpu of vcpus) waitUntilTaken(vcpu, Request.flushTlb);
    },
    dropCode: (vm, address, length) => {
      if (!vm.engineMemoryWritten(address, length)) return;
      for (const vcpu of vm.vcpus()) waitUntilTaken(vcpu, Request.mail | Request.flushCode);
    },
  };
}

export interface VcpuFields<Name extends string> {
  addressOf(vcpu: VcpuInside, field: Name, index?: number): number;
  /** A register or bookkeeping field, unsigned. */
  getField(vcpu: VcpuInside, field: Name, index?: number): bigint;
  setField(vcpu: VcpuInside, field: Name, value: bigint, index?: number): void;
  /** Sets request bits, of which a vCPU in the guest takes notice within a slice. [any thread] */
  request(vcpu: VcpuInside, bits: number): void;
  /**
   * When it returns, no vCPU uses a translation from before. A vCPU that is outside the guest (as the caller's own is) does
   * what is asked before it goes in; one inside does it at the end of its slice.
   */
  flushTranslations(vm: VmInside): void;
  /** Guest memory was written by a device. When it returns, no vCPU runs what was decoded of these bytes before. */
  dropCode(vm: VmInside, address: bigint, length: bigint): void;
}
