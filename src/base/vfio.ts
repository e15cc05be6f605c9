/**
 * What kvm and vfio know of each other: these types, and no symbol. KVM finds VFIO's file by its descriptor; VFIO gets with
 * the VM what counts its references. Source: include/linux/vfio.h, virt/kvm/vfio.c, and the proposal to "pass get/put
 * helpers from KVM to VFIO" instead of having VFIO look them up.
 */

/** A VM as KVM hands it to VFIO: who it is, and how to hold it. */
export interface KvmReference {
  /** Names the VM, and is not looked into. */
  readonly vm: object;
  /** Holds the VM and the code that its last put will run. False: the VM is dying, or its module is leaving. */
  get(): boolean;
  /** Gives one `get` back: first the VM, then the module, which may be the last that keeps it loaded. */
  put(): void;
}

/** A KVM_CREATE_SPAPR_TCE_64 table, as a window of an IOMMU follows it. Sizes and offsets are in pages of `pageShift`. */
export interface SpaprTceTable {
  readonly pageShift: number;
  readonly offset: bigint;
  readonly size: bigint;
  /**
   * What the guest has put at page `index`, counted from `offset`: the page's address in the VM's memory and the permissions
   * (1 the device may read, 2 it may write). Undefined: nothing, or nothing that is RAM.
   */
  translate(index: bigint): { readonly vaddr: number; readonly permissions: number } | undefined;
  /** The device has written there. */
  written(vaddr: number, length: number): void;
}

/** The subject of an open file that KVM_DEV_VFIO_FILE_ADD takes. */
export interface VfioFile {
  /** Tells a VFIO file from any other. */
  readonly vfio: true;
  /** Undefined: the VM that it had is no longer to be held by devices that are opened from now on. */
  setKvm(kvm: KvmReference | undefined): void;
  /** Lets a DMA window follow the guest's table. EINVAL: there is none of that page size, offset and size. Returns the end. */
  attachSpaprTce(table: SpaprTceTable): () => void;
}

export const isVfioFile = (subject: unknown): subject is VfioFile =>
  typeof subject === "object" && subject !== null && (subject as Partial<VfioFile>).vfio === true;
