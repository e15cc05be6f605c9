/** A VM with its RAM from guest address 0 on, for whoever makes a machine of it: at once, or later. */
import { KVM_MEM_LOG_DIRTY_PAGES, type Kvm, KvmError, type Vm, type VmOptions } from "../../kvm/uapi.js";
import { VmmError } from "../errors.js";
import { GuestMemory } from "./guest-memory.js";
import { fillFrom, latentPages, latentRam } from "./latent-ram.js";
import type { PlacedLatentRam, PlacedRam } from "./machine.js";
import type { SparseImage } from "./sparse-image.js";
import { logPage, PageSet, WrittenPages } from "./written-pages.js";

const wholeAddressSpace = 0x1_0000_0000;

/** Sizes in bytes. */
export const mebibytesOf = (bytes: number): string => `${bytes / 1048576}M`;

/** What else such a VM is made with. */
export interface VmRamOptions {
  readonly shared?: VmOptions["shared"] | undefined;
  readonly codeLimit?: VmOptions["codeLimit"] | undefined;
}

/** A VM that has its RAM and nothing else. What is written to it is noted from the beginning. */
export class VmRam<V extends Vm = Vm> implements PlacedRam {
  readonly address: number;
  readonly #vm: V;
  readonly #size: number;
  #taken = false;
  pages: PageSet;

  /** `type` and the options as for KVM_CREATE_VM. Throws VmmError, and nothing is left behind then. */
  constructor(kvm: Kvm<V>, type: number, options: VmRamOptions, size: number) {
    this.#vm = createVm(kvm, type, options);
    this.#size = size;
    this.pages = new PageSet(Math.ceil(size / logPage));
    try {
      this.address = allocateRam(this.#vm, size);
    } catch (error) {
      this.#vm.close();
      throw error;
    }
  }

  bytes(): Uint8Array {
    return this.#vm.bytes(this.address, this.#size);
  }

  /** For a machine, which closes the VM. EINVAL: it is of another size, or was taken. */
  take(size: number): V {
    if (this.#taken || size !== this.#size) {
      throw new KvmError(
        "EINVAL",
        `RAM of ${this.#size} bytes, for ${size}, that ${this.#taken ? "was" : "is not"} used`,
      );
    }
    this.#taken = true;
    return this.#vm;
  }

  close(): void {
    if (!this.#taken) this.#vm.close();
    this.#taken = true;
  }

  /** As the user side reads and writes it, and what of it was written. The machine has taken it. */
  views(): { readonly memory: GuestMemory; readonly written: WrittenPages } {
    const vm = this.#vm;
    const written = new WrittenPages(this.#size, () => vm.getDirtyLog(0));
    for (const page of this.pages) written.add(page * logPage, logPage);
    const memory = new GuestMemory(
      this.#size,
      (address, length) => vm.bytes(this.address + address, length),
      (address, length) => vm.guestWritten(BigInt(address), length),
    );
    return { memory, written };
  }
}

/** RAM that a machine is restored with: placed already, by the same machine's kind, or its image. EINVAL: it is neither. */
export function restoredRam<V extends Vm>(
  ram: SparseImage | PlacedRam,
): { readonly placed?: VmRam<V>; readonly image?: SparseImage } {
  if (ram instanceof VmRam) return { placed: ram };
  if ("runs" in ram) return { image: ram };
  throw new KvmError("EINVAL", "ram is no image and no placed RAM");
}

/**
 * Fills RAM, which is 0 and lies at `address` of the VM's memory: what the image has is fetched when somebody looks at it, where
 * that can be; else it is copied here. Throws VmmError: the image is of another size.
 */
export function fillRam(
  vm: Vm,
  memory: GuestMemory,
  written: WrittenPages,
  image: SparseImage,
  address: number,
): PlacedLatentRam | undefined {
  const { size, runs, stored } = image;
  if (size !== memory.size) throw new VmmError(`the snapshot has ${size} bytes of ${memory.size} of memory`);
  const latent = latentRam(image, vm.shared);
  if (latent) {
    const placed = { ...latent, address };
    const pages = latentPages(latent);
    for (const page of pages) written.add(page * logPage, logPage);
    vm.withholdPages(address, size, pages.bits);
    vm.fillPages(fillFrom(placed, stored && ((_, position, into) => stored.read(position, into))));
    return placed;
  }
  for (const { offset, bytes } of runs) {
    const view = memory.view(offset, bytes.length);
    if (!view) throw new VmmError(`the snapshot has ${bytes.length} bytes of memory at ${offset} of ${memory.size}`);
    view.set(bytes);
    written.add(offset, bytes.length);
  }
  return undefined;
}

function createVm<V extends Vm>(kvm: Kvm<V>, type: number, { shared, codeLimit }: VmRamOptions): V {
  try {
    return kvm.createVm(type, {
      memoryLimit: wholeAddressSpace,
      ...(shared === undefined ? {} : { shared }),
      ...(codeLimit === undefined ? {} : { codeLimit }),
    });
  } catch (error) {
    if (error instanceof KvmError) throw new VmmError(`no VM can be created: ${error.message}`, { cause: error });
    throw error;
  }
}

function allocateRam(vm: Vm, size: number): number {
  try {
    const address = vm.allocate(size);
    vm.setUserMemoryRegion({
      slot: 0,
      flags: KVM_MEM_LOG_DIRTY_PAGES,
      guestPhysAddr: 0n,
      memorySize: BigInt(size),
      userspaceAddr: address,
    });
    return address;
  } catch (error) {
    if (error instanceof KvmError && error.code === "ENOMEM") {
      throw new VmmError(
        `the platform has no ${mebibytesOf(size)} of memory for the guest; give it less with --memory`,
      );
    }
    throw error;
  }
}
