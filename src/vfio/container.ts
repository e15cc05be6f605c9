/** /dev/vfio/vfio: an IOMMU for the groups that are set to it. Source: drivers/vfio/container.c. */
import { KvmError } from "../base/errors.js";
import { fileTable, OpenFile } from "../base/files.js";
import { guard } from "../base/takes.js";
import type { ContainerIommu } from "./iommu.js";
import { containerSignatures } from "./signatures.js";
import { SpaprTceIommu } from "./spapr-tce.js";
import { Type1Iommu } from "./type1.js";
import {
  type AddressSpace,
  type Container,
  VFIO_API_VERSION,
  VFIO_SPAPR_TCE_IOMMU,
  VFIO_SPAPR_TCE_v2_IOMMU,
  VFIO_TYPE1v2_IOMMU,
} from "./uapi.js";

const iommus: readonly number[] = [VFIO_SPAPR_TCE_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU, VFIO_TYPE1v2_IOMMU];

/** The container itself: it lives while a descriptor or a group holds it. */
export class ContainerFile {
  readonly #mm: AddressSpace;
  #groups = 0;
  #iommu: ContainerIommu | undefined;

  constructor(mm: AddressSpace) {
    this.#mm = mm;
  }

  /** Undefined before VFIO_SET_IOMMU. */
  get iommu(): ContainerIommu | undefined {
    return this.#iommu;
  }

  /** EBUSY: the IOMMU takes no further group. */
  attachGroup(): void {
    this.#iommu?.attachGroup();
    this.#groups++;
  }

  detachGroup(): void {
    this.#iommu?.detachGroup();
    // As after opening: whoever sets the next group chooses anew.
    if (--this.#groups === 0) this.#iommu = undefined;
  }

  setIommu(type: number): void {
    if (this.#groups === 0) throw new KvmError("EINVAL", "VFIO_SET_IOMMU: set a group to the container first");
    if (this.#iommu) throw new KvmError("EINVAL", "VFIO_SET_IOMMU: the container has its IOMMU");
    if (!iommus.includes(type)) throw new KvmError("ENODEV", `VFIO_SET_IOMMU: there is no IOMMU of type ${type}`);
    const iommu = type === VFIO_TYPE1v2_IOMMU ? new Type1Iommu(this.#mm) : new SpaprTceIommu(this.#mm, type);
    for (let group = 0; group < this.#groups; group++) iommu.attachGroup();
    this.#iommu = iommu;
  }
}

/** EINVAL: it is the descriptor of something else. EBADF: of nothing. */
export function containerOf(fd: number): OpenFile<ContainerFile> {
  const file = fileTable().lookup(fd);
  if (file.subject instanceof ContainerFile) return file as OpenFile<ContainerFile>;
  throw new KvmError("EINVAL", `VFIO_GROUP_SET_CONTAINER: ${fd} is not a container's descriptor`);
}

export function openContainer(mm: AddressSpace, released: () => void): Container {
  const container = new ContainerFile(mm);
  const fd = fileTable().install(new OpenFile(container, released));
  let open = true;
  const own = (): ContainerFile => {
    if (!open) throw new KvmError("EBADF", "the container's descriptor is closed");
    return container;
  };
  const iommu = (): ContainerIommu => {
    const found = own().iommu;
    if (!found) throw new KvmError("EINVAL", "the container has no IOMMU yet: VFIO_SET_IOMMU comes first");
    return found;
  };
  const spapr = (): SpaprTceIommu => {
    const found = iommu();
    if (found instanceof SpaprTceIommu) return found;
    throw new KvmError("ENOTTY", "the container's IOMMU is of type 1, and this call is the sPAPR TCE IOMMU's");
  };
  const type1 = (): Type1Iommu => {
    const found = iommu();
    if (found instanceof Type1Iommu) return found;
    throw new KvmError("ENOTTY", "the container's IOMMU is the sPAPR TCE one, and this call is type 1's");
  };
  const handle: Container = {
    fd,
    getApiVersion: () => VFIO_API_VERSION,
    checkExtension: (extension) => (iommus.includes(extension) ? 1 : 0),
    setIommu: (type) => own().setIommu(type),
    iommuGetInfo: () => type1().getInfo(),
    spaprTceGetInfo: () => spapr().getInfo(),
    spaprTceCreate: ({ pageShift, windowSize, levels, flags = 0 }) =>
      spapr().create(pageShift, windowSize, levels, flags),
    spaprTceRemove: ({ startAddr, flags = 0 }) => spapr().remove(startAddr, flags),
    enable: () => spapr().enable(),
    disable: () => spapr().disable(),
    spaprRegisterMemory: ({ vaddr, size, flags = 0 }) => spapr().register(vaddr, size, flags),
    spaprUnregisterMemory: ({ vaddr, size, flags = 0 }) => spapr().unregister(vaddr, size, flags),
    mapDma: (map) => iommu().map(map),
    unmapDma: (map) => iommu().unmap(map),
    close: () => {
      if (!open) return;
      open = false;
      fileTable().close(fd);
    },
  };
  return guard(handle, "container", containerSignatures);
}
