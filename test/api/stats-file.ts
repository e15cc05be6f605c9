/** KVM_GET_STATS_FD's file, read as a program that knows only the layout reads it. */
import assert from "node:assert/strict";
import type { StatsFd } from "../../src/kvm/uapi.js";

interface Stat {
  readonly flags: number;
  readonly exponent: number;
  readonly value: bigint;
}

/** struct kvm_stats_header, struct kvm_stats_desc. */
export function parse(file: StatsFd): { id: string; stats: Map<string, Stat> } {
  const read = (offset: number, length: number) => {
    const buffer = new Uint8Array(length);
    assert.equal(file.pread(buffer, offset), length);
    return new DataView(buffer.buffer);
  };
  const text = (view: DataView, at: number, size: number) => {
    const bytes = new Uint8Array(view.buffer, at, size);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  };
  const header = read(0, 24);
  const [flags, nameSize, count, idAt, descriptorsAt, dataAt] = Array.from({ length: 6 }, (_, i) =>
    header.getUint32(4 * i, true),
  ) as [number, number, number, number, number, number];
  assert.equal(flags, 0);
  const stats = new Map<string, Stat>();
  for (let i = 0; i < count; i++) {
    const descriptor = read(descriptorsAt + i * (16 + nameSize), 16 + nameSize);
    assert.equal(descriptor.getUint16(6, true), 1);
    const value = read(dataAt + descriptor.getUint32(8, true), 8).getBigUint64(0, true);
    const name = text(descriptor, 16, nameSize);
    assert.ok(name.length > 0 && !stats.has(name), name);
    stats.set(name, { flags: descriptor.getUint32(0, true), exponent: descriptor.getInt16(4, true), value });
  }
  return { id: text(read(idAt, nameSize), 0, nameSize), stats };
}
