/** A VM with a program in it, for tests that run one through the public interface. */
import { assemble } from "./isa/assembler.js";
import type { PpcKvm, PpcVcpu, PpcVm } from "./uapi.js";

const ramSize = 1 << 20;
/** Where programs begin. */
export const programStart = 0x10000n;

/** A VM with a MiB of RAM at `ram` in its memory, and a vCPU that stands at the big-endian program's first instruction. */
export function programVm(
  kvm: Pick<PpcKvm, "createVm">,
  source: string,
  options?: Parameters<PpcKvm["createVm"]>[1],
): { readonly vm: PpcVm; readonly cpu: PpcVcpu; readonly ram: number } {
  const vm = kvm.createVm(0, options);
  const ram = vm.allocate(ramSize);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: ram });
  const { bytes } = assemble(source, { origin: programStart, littleEndian: false });
  vm.bytes(ram + Number(programStart), bytes.length).set(bytes);
  const cpu = vm.createVcpu(0);
  cpu.setRegs({ ...cpu.getRegs(), pc: programStart });
  return { vm, cpu, ram };
}
