/**
 * A stock amd64 kernel on machine pc, to its first lines: that of the guest amd64, which `npm test` fetches, or UNIKVM_X86_VMLINUX, a
 * vmlinux or a bzImage. With UNIKVM_SECONDS, for how long, on through the guest's initial RAM disk (or UNIKVM_X86_INITRD) to the end.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { listGuest } from "../../guests/index.js";
import { kvmAmdModule } from "../../src/arch/x86/module-amd.js";
import { kvmIntelModule, type X86KvmOffer } from "../../src/arch/x86/module-intel.js";
import { KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR } from "../../src/arch/x86/uapi.js";
import { ModuleLoader } from "../../src/modules/loader.js";
import { spawnVcpuThread } from "../../src/node/vcpu-thread.js";
import { vac } from "../../src/vac/module.js";
import { runMachine } from "../../src/vmm/core/run.js";
import { createPciDevice } from "../../src/vmm/devices/pci/models.js";
import { loadX86Kernel } from "../../src/vmm/loaders/kernel-image.js";
import { createPc } from "../../src/vmm/machines/pc/machine.js";
import { createPcVcpuSide } from "../../src/vmm/machines/pc/vcpu-side.js";

const { guest } = listGuest("amd64");
const known = "missing" in guest ? undefined : guest;
const file = process.env["UNIKVM_X86_VMLINUX"] ?? known?.kernel;
const long = process.env["UNIKVM_SECONDS"] !== undefined;
const initrd = process.env["UNIKVM_X86_INITRD"] ?? (long ? known?.initrd : undefined);
const skip = !file && `SKIPPED: the guest amd64 is ${"missing" in guest && guest.missing}: unikvm guest fetch amd64`;
const seconds = Number(process.env["UNIKVM_SECONDS"] ?? 120);
const memorySize = 256 << 20;
const commandLine =
  process.env["UNIKVM_COMMAND_LINE"] ??
  "earlyprintk=serial,ttyS0,115200 console=ttyS0 panic=-1 cryptomgr.notests=1 rdinit=/init unikvm.run=uname";

for (const [vendor, module, type, threads] of [
  ["intel", kvmIntelModule, KVM_X86_UNIKVM_HV, true],
  ["amd", kvmAmdModule, KVM_X86_UNIKVM_PR, false],
] as const) {
  const name = `a stock kernel says under kvm_${vendor} ${threads ? "with threads" : "on one thread"} that it runs on KVM`;
  test(name, { skip }, async () => {
    const loader = new ModuleLoader([vac, module({ memory: threads ? "shared" : "unshared" })]);
    await loader.modprobe(`kvm_${vendor}`);
    const kvm = loader.offer<X86KvmOffer>(`kvm_${vendor}`).open();
    const kernel = await loadX86Kernel(readFileSync(file as string), memorySize);
    const parts = { kvm, type, kernel, initrd: initrd ? readFileSync(initrd) : undefined, commandLine, memorySize };
    let text = "";
    const run = await runMachine({
      createMachine: (control, trace) =>
        createPc({ ...parts, cpus: threads ? 2 : 1, pciDevices: [createPciDevice("virtio-rng")] }, control, trace),
      kind: "pc",
      createSide: createPcVcpuSide,
      spawn: threads ? spawnVcpuThread : undefined,
      output: (bytes) => {
        text += new TextDecoder("latin1").decode(bytes);
        if (process.env["UNIKVM_VERBOSE"]) process.stdout.write(bytes);
        // The long form goes on for as long as it is told.
        if (!long && /Hypervisor detected: KVM/.test(text)) run.stop();
        return undefined;
      },
      timeout: 1000 * seconds,
    });
    const { outcome, stats } = await run.ended;
    if (process.env["UNIKVM_VERBOSE"]) console.log(outcome, stats);
    loader.rmmod(`kvm_${vendor}`);
    assert.match(text, /Linux version/);
    assert.match(text, /Hypervisor detected: KVM/);
    if (long && initrd && initrd === known?.initrd) assert.match(text, /^Linux\r?\nunikvm\.run: exit status 0/m, text);
    assert.notEqual(outcome.kind, "failed", JSON.stringify(outcome));
  });
}
