/** A host bridge with two devices on a VM that is only memory, TCE tables and a list of what was raised. */
import type { CreateSpaprTce, PpcVm, SpaprTce } from "../../../../arch/powerpc/uapi.js";
import { KvmError } from "../../../../base/errors.js";
import { GuestMemory } from "../../../core/guest-memory.js";
import type { PciDevice } from "../../../devices/pci/device.js";
import { EduDevice } from "../../../devices/pci/edu.js";
import { type BridgeState, PciHostBridge } from "./host-bridge.js";

export const ramSize = 0x40_0000;

export function setUpBridge(
  devices: readonly PciDevice[] = [new EduDevice(), new EduDevice()],
  state: BridgeState | undefined = undefined,
) {
  const all = new Uint8Array(ramSize);
  const events: string[] = [];
  const tables: CreateSpaprTce[] = [];
  /** How many more there is room for. */
  const room = { tables: Number.POSITIVE_INFINITY };
  let end = ramSize;
  const spaces = new Map<number, Uint8Array>();
  const vm: Partial<PpcVm> = {
    createSpaprTce: (tce: CreateSpaprTce): SpaprTce => {
      if (room.tables-- <= 0) throw new KvmError("ENOMEM", "the VM's memory is full");
      tables.push(tce);
      const address = end;
      end += Number(tce.size) * 8;
      spaces.set(address, new Uint8Array(Number(tce.size) * 8));
      return { ...tce, address } as unknown as SpaprTce;
    },
    bytes: (address, length) => {
      for (const [start, space] of spaces) {
        if (address >= start && address + length <= start + space.length) {
          return space.subarray(address - start, address - start + length);
        }
      }
      return all.subarray(address, address + length);
    },
    irqLine: (irq, level) => void events.push(`line 0x${irq.toString(16)} ${level}`),
    signalMsi: ({ data }) => events.push(`message 0x${data.toString(16)}`),
  };
  const memory = new GuestMemory(
    ramSize,
    (address, length) => all.subarray(address, address + length),
    (address, length) => void events.push(`written 0x${address.toString(16)} ${length}`),
  );
  const bridge = new PciHostBridge(
    { vm: vm as PpcVm, memory, wake: () => undefined, fail: (error) => void events.push(`failed ${error}`) },
    devices,
    state,
  );
  /** Does what H_PUT_TCE does. */
  const putTce = (liobn: number, index: number, tce: bigint): void => {
    const at = tables.findIndex((table) => table.liobn === BigInt(liobn));
    const space = [...spaces.values()][at];
    if (!space) throw new Error(`no table 0x${liobn.toString(16)}`);
    new DataView(space.buffer).setBigUint64(8 * index, tce, true);
  };
  const drain = (): string[] => events.splice(0);
  return { bridge, memory, ram: all, tables, room, putTce, drain };
}
