/** Making every vCPU forget translations or code, from TypeScript: memory slots, the MMU's set-up, H_RPT_INVALIDATE, DMA. */

import type { VcpuInside, VmInside } from "../../../kvm/inside.js";
import { canBlock } from "../../../kvm/memory.js";
import { Request } from "../engines/layout.js";
import { addressOf, request } from "../processor/vcpu.js";

/**
 * When it returns, no vCPU uses a translation from before. A vCPU that is outside the guest (as the caller's own is) does
 * what is asked before it goes in; one inside does it at the end of its slice.
 */
export function flushTranslations(vm: VmInside, bits: number = Request.flushTlb): void {
  const vcpus = vm.vcpus();
  for (const vcpu of vcpus) request(vcpu, bits);
  for (const vcpu of vcpus) waitUntilTaken(vcpu, bits);
}

/** Guest memory was written by a device. When it returns, no vCPU runs what was decoded of these bytes before. */
export function dropCode(vm: VmInside, address: bigint, length: bigint): void {
  if (!vm.engineMemoryWritten(address, length)) return;
  for (const vcpu of vm.vcpus()) waitUntilTaken(vcpu, Request.mail | Request.flushCode);
}

function waitUntilTaken(vcpu: VcpuInside, bits: number): void {
  const { mem } = vcpu.vm;
  const inGuest = addressOf(vcpu, "inGuest");
  const requests = addressOf(vcpu, "requests");
  const wait = mem.shared && canBlock();
  while (mem.load(inGuest) !== 0 && mem.load(requests) & bits) if (wait) mem.wait(inGuest, 1, 0.2);
}
