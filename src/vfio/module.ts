/**
 * The vfio module. It needs no symbol of kvm, and none of its depends on kvm being loaded: KVM comes to it with an open
 * group and says how the VM is held (base/vfio.ts).
 */
import { KvmError } from "../base/errors.js";
import { thisPackage } from "../base/package.js";
import { guard } from "../base/takes.js";
import { declareSymbol, defineModule, exportSymbol, type ModuleContext } from "../modules/define-module.js";
import { openContainer } from "./container.js";
import { RegisteredDevice } from "./device.js";
import { IommuGroup } from "./group.js";
import type { Vfio } from "./offer.js";
import { vfioSignatures } from "./signatures.js";

export type { Vfio };

/** What a package that offers a device of the host imports: `Vfio.registerDevice`. */
export const vfioRegisterGroupDev = declareSymbol<Vfio["registerDevice"]>("vfio_register_group_dev");

/** The module that opens devices of the host, as a loader takes it. */
export const vfio = defineModule({
  name: "vfio",
  description: "VFIO - User Level meta-driver",
  license: "MIT",
  version: thisPackage.version,
  inTree: true,
  aliases: ["devname:vfio/vfio"],
  exports: {
    /** `Vfio.registerDevice`, for modules that offer devices. */
    registerDevice: exportSymbol(vfioRegisterGroupDev),
  },
  init: (context): Promise<Vfio> => context.step("vfio: /dev/vfio", () => create(context)),
});

export default vfio;

function create(context: ModuleContext): Vfio {
  const groups = new Map<number, IommuGroup>();
  /** An open file keeps the module. */
  const hold = (what: string): (() => void) => {
    if (!context.tryGet()) throw new KvmError("ENODEV", `${what}: the vfio module is going away`);
    return () => context.put();
  };
  const held = <T>(what: string, open: (released: () => void) => T): T => {
    const release = hold(what);
    try {
      return open(release);
    } catch (error) {
      release();
      throw error;
    }
  };
  const offer: Vfio = {
    openContainer: (mm) => held("/dev/vfio/vfio", (released) => openContainer(mm, released)),
    openGroup: (number) =>
      held(`/dev/vfio/${number}`, (released) => {
        const group = groups.get(number);
        if (!group) throw new KvmError("ENODEV", `/dev/vfio/${number}: no device is in this group`);
        return group.open(released);
      }),
    groups: () => [...groups.values()].map(({ number, devices }) => ({ group: number, devices: [...devices.keys()] })),
    registerDevice: (host, number, owner) => {
      if ([...groups.values()].some(({ devices }) => devices.has(host.name))) {
        throw new KvmError("EEXIST", `VFIO has a device ${host.name} already`);
      }
      // A device's driver uses the module.
      const release = hold(host.name);
      const group = groups.get(number) ?? new IommuGroup(number);
      const device = new RegisteredDevice(host, owner);
      groups.set(number, group);
      group.devices.set(host.name, device);
      let registered = true;
      const gone = (): void => {
        registered = false;
        group.devices.delete(host.name);
        if (group.devices.size === 0) {
          groups.delete(number);
          group.revoke();
        }
        release();
      };
      return () => {
        if (!registered || device.takeBack(gone)) return;
        throw new KvmError(
          "EBUSY",
          `${host.name} is open; whoever has it is asked to let go, and then it is taken back`,
        );
      };
    },
  };
  return guard(offer, "vfio", vfioSignatures);
}
