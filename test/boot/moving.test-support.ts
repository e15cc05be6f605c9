/** Debian's guest run in this process, so that its VM can be moved between loaded kvms while it runs. */
import { readFileSync } from "node:fs";
import type { CpioEntry } from "../../guests/cpio.js";
import { guestDrivers } from "../../guests/index.js";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import type { PpcKvm } from "../../src/arch/powerpc/uapi.js";
import { createLoader, type KvmOffer } from "../../src/kernel.js";
import { spawnVcpuThread } from "../../src/node/vcpu-thread.js";
import { type Run, runMachine } from "../../src/vmm/core/run.js";
import { Nvram } from "../../src/vmm/devices/nvram.js";
import { Rtc } from "../../src/vmm/devices/rtc.js";
import type { VirtioPciDevice } from "../../src/vmm/devices/virtio/virtio-pci.js";
import { loadKernelImage } from "../../src/vmm/loaders/kernel-image.js";
import { createPseries } from "../../src/vmm/machines/pseries/machine.js";
import { createPseriesVcpuSide } from "../../src/vmm/machines/pseries/vcpu-side.js";
import { type Change, withChangedCopy } from "../changed-copy.test-support.js";
import { staticElf } from "../differential/elf.js";
import { type ThreadMode, withInitrd } from "./booting.test-support.js";

const memory = 512 << 20;

export interface LoadedKvm {
  readonly kvm: PpcKvm;
  /** Handles that VMs have on the module. */
  references(): number | undefined;
  /** Throws while a VM is there. */
  unload(): void;
}

/** Loads kvm from a copy of this package, by default from this one. */
export async function loadKvm(copy: { createLoader: typeof createLoader } = { createLoader }): Promise<LoadedKvm> {
  const loader = copy.createLoader({ memory: "both" });
  await loader.modprobe("kvm");
  return {
    kvm: loader.offer<KvmOffer>("kvm").open(),
    references: () => loader.lsmod().find(({ name }) => name === "kvm")?.references,
    unload: () => loader.rmmod("kvm"),
  };
}

/** What another version has changed in its data: names as the compiled files have them. */
const changes: readonly Change[] = [
  ["base/package.js", 'version: "', 'version: "99.'],
  // The core's own data lies elsewhere, ...
  ["kvm/layout.js", "heap: 0x50000", "heap: 0x53000"],
  // ... its records have another field, and others come in another order.
  ["kvm/state.js", 'halted: "i32",', ""],
  ["kvm/state.js", 'haltTime: "f64",', 'haltTime: "f64", halted: "i32",'],
  ["arch/powerpc/vm/state.js", 'xicsServer: "i32",', 'invented: ["i64", 3], xicsServer: "i32",'],
  ["arch/powerpc/interrupts/xics/state.js", 'flags: "i32",', ""],
  ["arch/powerpc/interrupts/xics/state.js", 'savedPriority: "i32",', 'savedPriority: "i32", flags: "i32",'],
];

/** Calls `use` with another version of this package: a copy of it whose data has another layout. */
export const withOtherVersion = <T>(use: (copy: { createLoader: typeof createLoader }) => Promise<T>): Promise<T> =>
  withChangedCopy(changes, async (load) => use(await load<typeof import("../../src/kernel.js")>("kernel.js")));

export interface MovingGuest {
  readonly run: Run;
  /** The console's text so far, without carriage returns. */
  text(): string;
  /** Resolves when the console has shown it; rejects if the guest ends before. */
  see(text: string): Promise<void>;
}

export interface MovingOptions {
  readonly kvm: PpcKvm;
  readonly type: number;
  readonly threads: ThreadMode;
  readonly cpus?: number;
  /** Appended to the guest's own command line. */
  readonly append: string;
  readonly files?: readonly CpioEntry[];
  readonly interruptMode?: "xics" | "xive";
  /** PCI devices of virtio's; the guest loads their drivers. */
  readonly devices?: readonly VirtioPciDevice[];
}

/** Boots the default guest and calls `use` while it runs; it is stopped when `use` ends. GuestUnavailable: no drivers. */
export function whileRunning<T>(options: MovingOptions, use: (guest: MovingGuest) => Promise<T>): Promise<T> {
  const { kvm, type, threads, cpus = 1, append, files = [], interruptMode, devices = [] } = options;
  const aliases = devices.flatMap((device) => device.aliases);
  return withInitrd(files, async (guest) => {
    const kernel = await loadKernelImage(readFileSync(guest.kernel), memory, guest.kernel);
    const drivers = aliases.length > 0 ? [await guestDrivers(guest, aliases, { report: () => undefined })] : [];
    const initrd = Buffer.concat([readFileSync(guest.initrd), ...drivers]);
    const modules = aliases.length > 0 ? `unikvm.modules=${aliases.join(",")}` : "";
    let text = "";
    const looks = new Set<() => void>();
    const decoder = new TextDecoder();
    const run = await runMachine({
      createMachine: (control, trace) =>
        createPseries(
          {
            ...{ kvm, type, kernel, initrd, cpus, interruptMode },
            shared: threads === "worker",
            commandLine: `${guest.append} ${modules} ${append}`,
            ...(devices.length > 0 && { pciDevices: devices }),
            memorySize: memory,
            devices: { nvram: new Nvram(), rtc: new Rtc() },
          },
          control,
          trace,
        ),
      createSide: createPseriesVcpuSide,
      spawn: threads === "worker" ? spawnVcpuThread : undefined,
      output: (bytes) => {
        text += decoder.decode(bytes, { stream: true }).replaceAll("\r", "");
        for (const look of looks) look();
        return undefined;
      },
      timeout: 240_000,
    });
    const see = (wanted: string): Promise<void> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!text.includes(wanted)) return;
          looks.delete(look);
          resolve();
        };
        looks.add(look);
        look();
        void run.ended.then(({ outcome }) =>
          reject(new Error(`it ended (${JSON.stringify(outcome)}) before ${wanted} appeared:\n${text}`)),
        );
      });
    try {
      return await use({ run, text: () => text, see });
    } finally {
      run.stop();
      await run.ended;
    }
  });
}

/**
 * A program for the guest: looks at the time base all the time for `seconds`, then prints the longest time that it did
 * not see pass, in ticks (512 a microsecond), as eight bytes.
 */
export function gapProgram(seconds: number): CpioEntry {
  const code = 0x10000000;
  const ticks = BigInt(seconds) * 512_000_000n;
  const source = `
    lis 9, ${Number((ticks >> 16n) & 0xffffn)}
    ori 9, 9, ${Number(ticks & 0xffffn)}
    mftb 5
    add 9, 9, 5
    li 6, 0
  again:
    mftb 7
    subf 8, 5, 7
    mr 5, 7
    cmpd 8, 6
    ble shorter
    mr 6, 8
  shorter:
    cmpd 7, 9
    blt again
    addi 4, 1, -64
    std 6, 0(4)
    li 0, 4
    li 3, 1
    li 5, 8
    sc
    li 0, 1
    li 3, 0
    sc
  `;
  const { bytes } = assemble(source, { origin: BigInt(code), littleEndian: true });
  const elf = staticElf(code, [{ address: code, bytes, executable: true }], true);
  return { path: "gap", type: "file", mode: 0o755, data: elf };
}
