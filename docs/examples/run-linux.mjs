// Boots Debian's kernel, runs a command in it, and says how that ended.
//   node run-linux.mjs "uname -a"
import { readFileSync } from "node:fs";
import { openKvm } from "unikvm";
import { ensureDefaultGuest, spawnVcpuThread } from "unikvm/node";
import { createPseries, createPseriesVcpuSide, loadKernelImage, runMachine } from "unikvm/vmm";

const command = process.argv[2] ?? "uname -a";
const memorySize = 512 << 20;

const guest = await ensureDefaultGuest();
const kvm = await openKvm();
const kernel = await loadKernelImage(readFileSync(guest.kernel), memorySize, guest.kernel);
const run = await runMachine({
  createMachine: (control, trace) =>
    createPseries(
      {
        kvm,
        type: 0, // hv if it loads, else pr
        kernel,
        initrd: readFileSync(guest.initrd),
        commandLine: `${guest.append} quiet unikvm.run="${command}"`,
        memorySize,
        cpus: 1,
      },
      control,
      trace,
    ),
  createSide: createPseriesVcpuSide,
  spawn: spawnVcpuThread,
  output: (bytes) => void process.stdout.write(bytes),
  timeout: 60_000,
});
const { outcome } = await run.ended;
console.log(`the guest's end: ${outcome.kind}`);
process.exitCode = outcome.kind === "powerOff" ? 0 : 1;
