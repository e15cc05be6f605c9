/** Exits of repeated string instructions, as accesses one after the other. */
import { type Exit, KVM_EXIT_IO_IN, type Vm } from "../../../kvm/uapi.js";

export type IoExit = Exit & { reason: "io" };

/** Has `answer` answer each access of the exit, which it is given as an exit of one. */
export function answerEach(exit: IoExit, vm: Pick<Vm, "bytes"> | undefined, answer: (one: IoExit) => void): void {
  const { size, count, dataOffset } = exit;
  if (dataOffset === undefined) {
    answer(exit);
    return;
  }
  const { reason, direction, port } = exit;
  const bytes = vm?.bytes(dataOffset, count * size) ?? new Uint8Array(count * size);
  for (let at = 0; at < bytes.length; at += size) {
    const element = bytes.subarray(at, at + size);
    const data = element.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const one: IoExit = { reason, direction, port, size, count: 1, data: direction === KVM_EXIT_IO_IN ? 0n : data };
    answer(one);
    if (direction !== KVM_EXIT_IO_IN) continue;
    for (let i = 0; i < size; i++) element[i] = Number((one.data >> BigInt(8 * i)) & 0xffn);
  }
}
