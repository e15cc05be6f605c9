/**
 * The KVM-VFIO device: tells VFIO's files which VM they are for. KVM needs no symbol of VFIO either: it finds an open file,
 * and asks that. Source: Documentation/virt/kvm/devices/vfio.rst, virt/kvm/vfio.c.
 */
import { KvmError } from "../base/errors.js";
import { fileTable, type OpenFile } from "../base/files.js";
import { isVfioFile, type KvmReference, type SpaprTceTable, type VfioFile } from "../base/vfio.js";
import type { DeviceType } from "./arch.js";
import {
  KVM_DEV_TYPE_VFIO,
  KVM_DEV_VFIO_FILE,
  KVM_DEV_VFIO_FILE_ADD,
  KVM_DEV_VFIO_FILE_DEL,
  KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE,
} from "./constants.js";
import type { DeviceOps } from "./device.js";
import type { VmInside } from "./inside.js";

/** What an architecture adds. */
export interface VfioArch {
  /**
   * The table that a descriptor stands for. EBADF: no open file. EINVAL: something else, or another VM's. Absent: the
   * architecture has no TCE tables.
   */
  readonly spaprTceTable?: (vm: VmInside, tablefd: number) => SpaprTceTable;
}

interface Added {
  readonly file: OpenFile;
  readonly vfio: VfioFile;
  /** Ends the following of each table. */
  readonly tables: Map<number, () => void>;
}

/** One per VM; a second is EBUSY. Its files are those of the thread that creates it. */
export function vfioDeviceType(arch: VfioArch): DeviceType {
  return {
    type: KVM_DEV_TYPE_VFIO,
    second: "EBUSY",
    present: () => true,
    create: (vm) => vfioDevice(vm, arch),
    attach: () => {
      throw new KvmError("ENODEV", "the KVM-VFIO device is of the thread that created it; its files are there");
    },
  };
}

function vfioDevice(vm: VmInside, arch: VfioArch): DeviceOps {
  const files: Added[] = [];
  const reference: KvmReference = {
    vm,
    get: () => vm.references.get(),
    put: () => vm.references.put(),
  };
  const has = (group: number, attr: bigint): boolean =>
    group === KVM_DEV_VFIO_FILE &&
    (attr === KVM_DEV_VFIO_FILE_ADD ||
      attr === KVM_DEV_VFIO_FILE_DEL ||
      (attr === KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE && arch.spaprTceTable !== undefined));
  const unknown = (group: number, attr: bigint) =>
    new KvmError("ENXIO", `the KVM-VFIO device has no attribute ${attr} in group ${group}`);

  const add = (fd: number): void => {
    const file = fileTable().lookup(fd);
    const { subject } = file;
    if (!isVfioFile(subject)) throw new KvmError("EINVAL", `KVM_DEV_VFIO_FILE_ADD: ${fd} is not a VFIO group's file`);
    if (files.some((known) => known.file === file)) {
      throw new KvmError("EEXIST", `KVM_DEV_VFIO_FILE_ADD: file ${fd} is added already`);
    }
    files.push({ file: file.get(), vfio: subject, tables: new Map() });
    subject.setKvm(reference);
  };
  const find = (fd: number, call: string): Added => {
    const file = fileTable().lookup(fd);
    const known = files.find((candidate) => candidate.file === file);
    if (!known) throw new KvmError("ENOENT", `${call}: file ${fd} has not been added`);
    return known;
  };
  const drop = ({ file, vfio, tables }: Added): void => {
    for (const end of tables.values()) end();
    vfio.setKvm(undefined);
    file.put();
  };
  const setSpaprTce = (value: bigint): void => {
    const groupfd = Number(BigInt.asIntN(32, value));
    const tablefd = Number(BigInt.asIntN(32, value >> 32n));
    const known = find(groupfd, "KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE");
    const table = arch.spaprTceTable?.(vm, tablefd);
    if (!table) return;
    // Set again: the window that followed it may have been removed, and another be there.
    const end = known.vfio.attachSpaprTce(table);
    known.tables.get(tablefd)?.();
    known.tables.set(tablefd, end);
  };

  return {
    setAttr: (group, attr, value) => {
      if (!has(group, attr)) throw unknown(group, attr);
      if (attr === KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE) return setSpaprTce(value);
      const fd = Number(BigInt.asIntN(32, value));
      if (attr === KVM_DEV_VFIO_FILE_ADD) return add(fd);
      const known = find(fd, "KVM_DEV_VFIO_FILE_DEL");
      files.splice(files.indexOf(known), 1);
      drop(known);
    },
    getAttr: (group, attr) => {
      throw unknown(group, attr);
    },
    hasAttr: has,
    release: () => {
      for (const known of files.splice(0)) drop(known);
    },
  };
}
