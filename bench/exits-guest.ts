/**
 * A guest that does nothing but exit, measured in this process: exits to the user side (a hypercall that the kernel side
 * does not have), and exits that the kernel side answers (H_SET_SPRG0). Prints nanoseconds of CPU time per exit as JSON.
 * exits.ts runs it, bundled once for each way to link.
 *
 *   node exits-guest.js hv|pr [RUNS]
 */
import { assemble } from "../src/arch/powerpc/isa/assembler.js";
import { openKvm } from "../src/kernel.js";
import { KVM_CAP_PPC_ENABLE_HCALL, KVM_VM_PPC_HV, KVM_VM_PPC_PR } from "../src/kvm/constants.js";

const start = 0x1000;
const ramSize = 1 << 20;
/** Kernel-side exits in one run(). */
const inner = 200;

const source = `
  user:   lis 3, 0x7fff
          sc 1
          b user
  kernel: li 5, ${inner}
          mtctr 5
  again:  li 3, 0x24
          li 4, 1
          sc 1
          bdnz again
          lis 3, 0x7fff
          sc 1
          b kernel
`;

/** Exits to the user side. */
const runs = Number(process.argv[3] ?? 60_000);
const type = process.argv[2] === "hv" ? "hv" : "pr";
const kvm = await openKvm({ implementations: [type], memory: "unshared" });
const vm = kvm.createVm(type === "hv" ? KVM_VM_PPC_HV : KVM_VM_PPC_PR, { shared: false, memoryLimit: 256 << 20 });
const ram = vm.allocate(ramSize);
vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [0x24, 1] });
vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: ram });
const { bytes, symbols } = assemble(source, { origin: BigInt(start), littleEndian: false });
new Uint8Array(vm.memory.buffer, ram + start, bytes.length).set(bytes);
const vcpu = vm.createVcpu(0);

/** CPU time of this process, which other work on the machine does not count in. */
const cpuNanoseconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
};

function measure(label: string, times: number, perRun: number): number {
  const pc = symbols.get(label);
  if (pc === undefined) throw new Error(`no label ${label}`);
  vcpu.setRegs({ ...vcpu.getRegs(), pc });
  const go = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const { reason } = vcpu.run();
      if (reason !== "papr_hcall") throw new Error(`the guest left with ${reason}`);
    }
  };
  // Until V8 has compiled the path, and the guest's loop is hot.
  go(times / 2);
  const begin = cpuNanoseconds();
  go(times);
  return (cpuNanoseconds() - begin) / (times * perRun);
}

const user = measure("user", runs, 1);
const kernel = measure("kernel", Math.ceil(runs / 100), inner);
process.stdout.write(`${JSON.stringify({ user, kernel })}\n`);
