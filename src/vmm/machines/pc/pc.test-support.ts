/** Machine pc with a guest of a few instructions, on a real KVM. */
import { assemble } from "../../../arch/x86/isa/assembler.js";
import { kvmIntelModule, type X86KvmOffer } from "../../../arch/x86/module-intel.js";
import { ModuleLoader } from "../../../modules/loader.js";
import { vac } from "../../../vac/module.js";
import type { Machine } from "../../core/machine.js";
import { type RunEnd, runMachine } from "../../core/run.js";
import type { ElfImage } from "../../loaders/elf.js";
import { createPc, type PcOptions } from "./machine.js";
import { createPcVcpuSide } from "./vcpu-side.js";

export const memorySize = 32 << 20;
const code = 0x10_0000;

export const loaded = (async () => {
  const loader = new ModuleLoader([vac, kvmIntelModule({ memory: "unshared" })]);
  await loader.modprobe("kvm_intel");
  return loader.offer<X86KvmOffer>("kvm_intel").open();
})();

/** A kernel that is entered at the first of these instructions; labels have a colon behind them. */
export function program(lines: readonly string[]): ElfImage {
  let at = code;
  const data = lines.flatMap((line) => {
    const bytes = assemble(line, 64, BigInt(at));
    at += bytes.length;
    return [...bytes];
  });
  return {
    byteOrder: "little",
    entry: code,
    segments: [{ address: code, size: data.length, data: Uint8Array.from(data) }],
  };
}

/** Writes of a byte each to a port. */
export const out = (port: number, ...bytes: readonly number[]): string[] => [
  `mov edx, ${port}`,
  ...bytes.flatMap((byte) => [`mov eax, ${byte}`, "out dx, al"]),
];

export interface Ran extends RunEnd {
  readonly text: string;
}

/** Runs it to its end, on one thread. */
export async function run(
  lines: readonly string[],
  options: Partial<PcOptions> & Pick<PcOptions, "type">,
  input?: string,
  made?: (machine: Machine) => void,
): Promise<Ran> {
  const kvm = await loaded;
  const parts = { kvm, kernel: program(lines), commandLine: "", memorySize, cpus: 1, ...options };
  let text = "";
  const running = await runMachine({
    createMachine: (control, trace) => {
      const machine = createPc(parts, control, trace);
      made?.(machine);
      return machine;
    },
    kind: "pc",
    createSide: createPcVcpuSide,
    output: (bytes) => {
      text += new TextDecoder().decode(bytes);
      return undefined;
    },
    timeout: 60_000,
  });
  if (input) void running.input(new TextEncoder().encode(input));
  return { ...(await running.ended), text };
}
