/**
 * KVM_GET_STATS_FD: statistics as a file of Linux's binary layout: header, identification, descriptors, data.
 * Source: Documentation/virt/kvm/api.rst, "KVM_GET_STATS_FD"; struct kvm_stats_header, struct kvm_stats_desc.
 */
import { KvmError } from "../base/errors.js";
import { guard } from "../base/takes.js";
import {
  KVM_STATS_BASE_POW2,
  KVM_STATS_BASE_POW10,
  KVM_STATS_TYPE_CUMULATIVE,
  KVM_STATS_TYPE_INSTANT,
  KVM_STATS_UNIT_BOOLEAN,
  KVM_STATS_UNIT_BYTES,
  KVM_STATS_UNIT_NONE,
  KVM_STATS_UNIT_SECONDS,
} from "./constants.js";
import { statsFdSignatures } from "./signatures.js";
import type { StatsFd } from "./uapi.js";

/** One statistic of a VM or a vCPU: a 64-bit number. */
export interface Statistic<O> {
  readonly name: string;
  readonly type: "cumulative" | "instant";
  readonly unit: "none" | "bytes" | "nanoseconds" | "boolean";
  readonly read: (of: O) => number | bigint;
}

export const cumulative = <O>(
  name: string,
  read: Statistic<O>["read"],
  unit: Statistic<O>["unit"] = "none",
): Statistic<O> => ({ name, type: "cumulative", unit, read });

export const instant = <O>(
  name: string,
  read: Statistic<O>["read"],
  unit: Statistic<O>["unit"] = "none",
): Statistic<O> => ({ name, type: "instant", unit, read });

const headerSize = 24;
/** KVM_STATS_NAME_SIZE: of every name, with its zero at the end. */
const nameSize = 48;
const descriptorSize = 16 + nameSize;
const dataSize = 8;

const types = { cumulative: KVM_STATS_TYPE_CUMULATIVE, instant: KVM_STATS_TYPE_INSTANT } as const;
const units = {
  none: KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10,
  bytes: KVM_STATS_UNIT_BYTES | KVM_STATS_BASE_POW2,
  nanoseconds: KVM_STATS_UNIT_SECONDS | KVM_STATS_BASE_POW10,
  boolean: KVM_STATS_UNIT_BOOLEAN | KVM_STATS_BASE_POW10,
} as const;
const exponents = { none: 0, bytes: 0, nanoseconds: -9, boolean: 0 } as const;

/** `hold` keeps the VM alive until what it returns is called. */
export function statsFd<O>(of: O, id: string, statistics: readonly Statistic<O>[], hold: () => () => void): StatsFd {
  const fixed = head(id, statistics);
  const release = hold();
  let position = 0;
  let open = true;
  const contents = (): Uint8Array => {
    if (!open) throw new KvmError("EBADF", "the file of statistics is closed");
    const file = new Uint8Array(fixed.length + dataSize * statistics.length);
    file.set(fixed);
    const data = new DataView(file.buffer, fixed.length);
    for (const [i, statistic] of statistics.entries()) {
      data.setBigUint64(dataSize * i, BigInt.asUintN(64, BigInt(statistic.read(of))), true);
    }
    return file;
  };
  const pread = (buffer: Uint8Array, offset: number): number => {
    const file = contents();
    if (!(Number.isSafeInteger(offset) && offset >= 0)) throw new KvmError("EINVAL", `${offset} is no place in a file`);
    const part = file.subarray(offset, offset + buffer.length);
    buffer.set(part);
    return part.length;
  };
  const file: StatsFd = {
    pread,
    read: (buffer) => {
      const length = pread(buffer, position);
      position += length;
      return length;
    },
    close: () => {
      if (!open) return;
      open = false;
      release();
    },
  };
  return guard(file, "statistics", statsFdSignatures);
}

/** All but the data: it never changes. */
function head<O>(id: string, statistics: readonly Statistic<O>[]): Uint8Array {
  const idAt = headerSize;
  const descriptorsAt = idAt + nameSize;
  const dataAt = descriptorsAt + descriptorSize * statistics.length;
  const file = new Uint8Array(dataAt);
  const view = new DataView(file.buffer);
  for (const [i, word] of [0, nameSize, statistics.length, idAt, descriptorsAt, dataAt].entries()) {
    view.setUint32(4 * i, word, true);
  }
  const put = (text: string, at: number) => {
    // The zero at the end is always there.
    file.set(new TextEncoder().encode(text).subarray(0, nameSize - 1), at);
  };
  put(id, idAt);
  for (const [i, { name, type, unit }] of statistics.entries()) {
    const at = descriptorsAt + descriptorSize * i;
    view.setUint32(at, types[type] | units[unit], true);
    view.setInt16(at + 4, exponents[unit], true);
    view.setUint16(at + 6, 1, true);
    view.setUint32(at + 8, dataSize * i, true);
    put(name, at + 16);
  }
  return file;
}
