/** /dev/vfio/vfio: an IOMMU for the groups that are set to it. Source: drivers/vfio/container.c. */
import { KvmError } from "../base/errors.js";
import { fileTable, OpenFile } from "../base/files.js";
import { guard } from "../base/takes.js";
import { containerSignatures } from "./signatures.js";
import { SpaprTceIommu } from "./spapr-tce.js";
import {
  type AddressSpace,
  type Container,
  VFIO_API_VERSION,
  VFIO_SPAPR_TCE_IOMMU,
  VFIO_SPAPR_TCE_v2_IOMMU,
} from "./uapi.js";

const iommus: readonly number[] = [VFIO_SPAPR_TCE_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU];

/** The container itself: it lives while a descriptor or a group holds it. */
export class ContainerFile {
  readonly #mm: AddressSpace;
  #groups = 0;
  #iommu: SpaprTceIommu | undefined;

  constructor(mm: AddressSpace) {
    this.#mm = mm;
  }

  /** Undefined before VFIO_SET_IOMMU. */
  get iommu(): SpaprTceIommu | undefined {
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
    const iommu = new SpaprTceIommu(this.#mm, type);
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
  const iommu = (): SpaprTceIommu => {
    const found = own().iommu;
    if (!found) throw new KvmError("EINVAL", "the container has no IOMMU yet: VFIO_SET_IOMMU comes first");
    return found;
  };
  const handle: Container = {
    fd,
    getApiVersion: () => VFIO_API_VERSION,
    checkExtension: (extension) => (iommus.includes(extension) ? 1 : 0),
    setIommu: (type) => own().setIommu(type),
    spaprTceGetInfo: () => iommu().getInfo(),
    spaprTceCreate: ({ pageShift, windowSize, levels, flags = 0 }) =>
      iommu().create(pageShift, windowSize, levels, flags),
    spaprTceRemove: ({ startAddr, flags = 0 }) => iommu().remove(startAddr, flags),
    enable: () => iommu().enable(),
    disable: () => iommu().disable(),
    spaprRegisterMemory: ({ vaddr, size, flags = 0 }) => iommu().register(vaddr, size, flags),
    spaprUnregisterMemory: ({ vaddr, size, flags = 0 }) => iommu().unregister(vaddr, size, flags),
    mapDma: (map) => iommu().map(map),
    unmapDma: ({ iova, size, flags = 0 }) => iommu().unmap(iova, size, flags),
    close: () => {
      if (!open) return;
      open = false;
      fileTable().close(fd);
    },
  };
  return guard(handle, "container", containerSignatures);
}
