/**
 * Where interrupts lead. Lines go to the IOAPIC, and the first to the older controllers, as a VM begins; those of the bus, behind
 * these, go to both, each to an input that it has for itself there, for guests that have no IOAPIC. Devices' messages are
 * interrupts of KVM's own: each has a number behind those of lines, so that an eventfd of the host's can raise it without this
 * thread (what QEMU's kvm_irqchip_add_msi_route is for).
 */
import { KVM_IRQCHIP_IOAPIC, type X86Vm } from "../../../../arch/x86/uapi.js";
import type { IrqRoute } from "../../../../kvm/uapi.js";
import type { PciMessage } from "../../../devices/pci/messages.js";
import { olderLine } from "../memory-map.js";

/** Lines, all of which the IOAPIC has, and the older controllers the first. */
const lines = 24;
/** Each change sets the whole table; what more messages there are go by the machine's thread. */
const mostMessages = 256;

const pin = (gsi: number, irqchip: number, number: number): IrqRoute => ({
  ...{ gsi, type: "irqchip", irqchip, pin: number },
});
const lineRoutes: readonly IrqRoute[] = Array.from({ length: lines }, (_, line) => {
  const older = olderLine(line);
  return [
    // The timer's is the IOAPIC's third.
    ...(line === 2 ? [] : [pin(line, KVM_IRQCHIP_IOAPIC, line === 0 ? 2 : line)]),
    // Their numbers are 0 and 1.
    ...(older < 16 ? [pin(line, older >> 3, older & 7)] : []),
  ];
}).flat();

export class MessageRoutes {
  readonly #vm: Pick<X86Vm, "setGsiRouting">;
  /** By device and vector: as many as devices of the host have, whatever the guest writes into them. */
  readonly #routes = new Map<string, Extract<IrqRoute, { type: "msi" }>>();

  constructor(vm: Pick<X86Vm, "setGsiRouting">) {
    this.#vm = vm;
    vm.setGsiRouting(lineRoutes);
  }

  /** KVM's number of a device's message, which it leads to from now on; undefined: there are too many. */
  gsiOf(device: number, { vector, address, data }: PciMessage): number | undefined {
    const key = `${device} ${vector}`;
    const known = this.#routes.get(key);
    if (!known && this.#routes.size >= mostMessages) return undefined;
    const gsi = known?.gsi ?? lines + this.#routes.size;
    if (known?.address === address && known.data === data) return gsi;
    this.#routes.set(key, { gsi, type: "msi", address, data });
    this.#vm.setGsiRouting([...lineRoutes, ...this.#routes.values()]);
    return gsi;
  }
}
