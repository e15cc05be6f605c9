/**
 * A stock amd64 kernel on an x86 VM, as far as it comes: UNIKVM_X86_VMLINUX names its vmlinux (what a bzImage has packed), since
 * nothing fetches one yet. UNIKVM_SECONDS is for how long. No machine of the table is this: a serial port, a clock, the rest KVM's.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { kvmAmdModule } from "../../src/arch/x86/module-amd.js";
import { kvmIntelModule, type X86KvmOffer } from "../../src/arch/x86/module-intel.js";
import { KVM_X86_UNIKVM_HV, KVM_X86_UNIKVM_PR } from "../../src/arch/x86/uapi.js";
import { ModuleLoader } from "../../src/modules/loader.js";
import { vac } from "../../src/vac/module.js";
import { Rtc } from "../../src/vmm/devices/rtc.js";
import { parseElf, x86Elf } from "../../src/vmm/loaders/elf.js";
import { linuxBoot } from "../../src/vmm/machines/pc/linux-boot.js";
import { PcPorts } from "../../src/vmm/machines/pc/ports.js";

const file = process.env["UNIKVM_X86_VMLINUX"];
const skip = file ? false : "SKIPPED: UNIKVM_X86_VMLINUX names no vmlinux";
const seconds = Number(process.env["UNIKVM_SECONDS"] ?? 120);
const memorySize = 256 << 20;
const commandLine =
  process.env["UNIKVM_COMMAND_LINE"] ??
  "earlyprintk=serial,ttyS0,115200 console=ttyS0 acpi=off panic=-1 cryptomgr.notests=1";

for (const [vendor, module, type] of [
  ["intel", kvmIntelModule, KVM_X86_UNIKVM_HV],
  ["amd", kvmAmdModule, KVM_X86_UNIKVM_PR],
] as const) {
  test(`a stock kernel says under kvm_${vendor} that it runs on KVM`, { skip }, async () => {
    const loader = new ModuleLoader([vac, module({ memory: "unshared" })]);
    await loader.modprobe(`kvm_${vendor}`);
    const kvm = loader.offer<X86KvmOffer>(`kvm_${vendor}`).open();
    const vm = kvm.createVm(type);
    const ram = vm.allocate(memorySize);
    vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(memorySize), userspaceAddr: ram });
    vm.createIrqchip();
    vm.createPit2();
    const cpu = vm.createVcpu(0);
    const initrd = process.env["UNIKVM_X86_INITRD"];
    const boot = linuxBoot({
      kernel: parseElf(readFileSync(file as string), "the kernel", x86Elf),
      initrd: initrd ? readFileSync(initrd) : undefined,
      commandLine,
      memorySize,
    });
    for (const { address, bytes } of boot.memory) vm.bytes(ram + address, bytes.length).set(bytes);
    cpu.setCpuid2(kvm.getSupportedCpuid());
    cpu.setSregs({ ...cpu.getSregs(), ...boot.sregs });
    cpu.setRegs({ ...cpu.getRegs(), rip: boot.entry, rsi: boot.rsi, rflags: 2n });
    let text = "";
    let over = false;
    const ports = new PcPorts({
      rtc: new Rtc(),
      console: {
        send: (byte) => {
          text += String.fromCharCode(byte);
          if (process.env["UNIKVM_VERBOSE"]) process.stdout.write(String.fromCharCode(byte));
        },
        receive: () => undefined,
        waiting: false,
        interrupt: (level) => vm.irqLine(4, level),
      },
      reset: () => {
        over = true;
      },
    });
    const end = performance.now() + 1000 * seconds;
    // The long form goes on for as long as it is told.
    const enough = () => !process.env["UNIKVM_SECONDS"] && /Hypervisor detected: KVM/.test(text);
    while (!over && !enough() && performance.now() < end) {
      const exit = cpu.run({ deadline: performance.now() + 500, wait: false });
      if (exit.reason === "io") {
        if (exit.direction === 0) exit.data = ports.read(exit.port, exit.size);
        else ports.write(exit.port, exit.size, exit.data);
      } else if (exit.reason === "mmio") exit.data = (1n << BigInt(8 * exit.length)) - 1n;
      else if (exit.reason === "hlt") {
        if (exit.until === Number.POSITIVE_INFINITY) break;
        await new Promise((resolve) => setTimeout(resolve, exit.until - performance.now()));
      } else if (exit.reason !== "intr") {
        assert.fail(`${exit.reason} at 0x${cpu.getRegs().rip.toString(16)} after ${text.slice(-300)}`);
      }
    }
    cpu.close();
    vm.close();
    assert.match(text, /Linux version/);
    assert.match(text, /Hypervisor detected: KVM/);
  });
}
