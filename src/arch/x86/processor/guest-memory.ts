/** Guest memory as the kernel side reads and writes it for the paravirtual interfaces, whose addresses are the guest's word. */
import { KVM_MEM_READONLY } from "../../../kvm/constants.js";
import type { VcpuInside, VmInside } from "../../../kvm/inside.js";

/** Where so many bytes of guest memory are in the VM's memory, if they lie wholly in a slot that may be written. */
export function placeOf({ slots }: VmInside, address: bigint, length: number): number | undefined {
  const found = slots.find(address, length);
  return found && !(found.slot.flags & KVM_MEM_READONLY) ? found.address : undefined;
}

/** Writes guest memory as a device does; false: there is none. */
export function put({ vm }: VcpuInside, address: bigint, length: number, fill: (view: DataView) => void): boolean {
  const place = placeOf(vm, address, length);
  if (place === undefined) return false;
  fill(new DataView(vm.mem.wasm.buffer, place, length));
  vm.guestWritten(address, length);
  return true;
}
