/** Machine pseries at work: what it answers to its vCPUs' exits, and what it is as a plain value. */
import type { PpcVcpu, PpcVm } from "../../../arch/powerpc/uapi.js";
import type { ForwardedExit } from "../../../kvm/uapi/exits.js";
import { KVM_CAP_PPC_FWNMI, KVM_SYSTEM_EVENT_CRASH, KVM_SYSTEM_EVENT_RESET, KvmError } from "../../../kvm/uapi.js";
import type { GuestMemory } from "../../core/guest-memory.js";
import type { Machine, PlacedLatentRam, RunControl, TraceSink } from "../../core/machine.js";
import type { WrittenPages } from "../../core/written-pages.js";
import { ConsoleRing } from "../../devices/console-ring.js";
import type { Assignment } from "../../devices/vfio-pci/assignment.js";
import type { ElfImage } from "../../loaders/elf.js";
import { consoleInterrupt } from "./device-tree.js";
import { Fwnmi } from "./fwnmi.js";
import { HcallStatus, type MachineContext } from "./hcalls/hcall.js";
import { machineHcalls } from "./hcalls/index.js";
import type { MemoryMap } from "./memory-map.js";
import type { PciHostBridge } from "./pci/host-bridge.js";
import { bridgeUnit } from "./pci/layout.js";
import { rtasByToken } from "./rtas/index.js";
import { CpuState, callRtas, type RtasHost, type RtasResult } from "./rtas/rtas.js";
import type { PseriesDevices, PseriesPlan, PseriesState } from "./state.js";
import type { PseriesShared } from "./vcpu-side.js";
import type { XiveController } from "./xive.js";

const msr = { sixtyFour: 1n << 63n, machineCheck: 1n << 12n, littleEndian: 1n } as const;

export interface PseriesParts {
  readonly vm: PpcVm;
  readonly vcpus: readonly PpcVcpu[];
  readonly memory: GuestMemory;
  readonly written: WrittenPages;
  /** What of memory is fetched when it is used. */
  readonly latent: PlacedLatentRam | undefined;
  readonly plan: PseriesPlan;
  /** Where it begins, or where it goes on. */
  readonly from: PseriesStart | PseriesState;
  readonly control: RunControl;
  readonly trace: TraceSink | undefined;
  readonly devices: PseriesDevices;
  readonly pci: PciHostBridge | undefined;
  readonly assignment: Assignment | undefined;
  readonly xive: XiveController | undefined;
}

/** A kernel in memory. Not its bytes, which are as much as 46 MB. */
export interface PseriesStart extends Pick<ElfImage, "byteOrder" | "entry"> {
  readonly memoryMap: MemoryMap;
}

export class Pseries implements Machine {
  readonly vm: PpcVm;
  readonly cpus: number;
  readonly console: ConsoleRing;
  readonly written: WrittenPages;
  readonly #parts: PseriesParts;
  readonly #host: RtasHost;
  readonly #rtas = rtasByToken();
  readonly #fwnmi: Fwnmi;
  readonly #counters: Record<string, number> = {};

  constructor(parts: PseriesParts) {
    this.#parts = parts;
    this.vm = parts.vm;
    this.cpus = parts.vcpus.length;
    this.written = parts.written;
    const { from } = parts;
    const state = "machine" in from ? from : undefined;
    this.console = ConsoleRing.create(parts.vm.shared, state?.console);
    this.#fwnmi = new Fwnmi(parts.memory, parts.plan.rtasAddress, state?.fwnmi);
    this.#host = this.#createHost();
  }

  get shared(): PseriesShared {
    return { console: this.console.buffer, pci: this.#parts.pci !== undefined };
  }

  start(): void {
    const { from, control } = this.#parts;
    if ("machine" in from) {
      for (const [cpu, running] of from.running.entries()) if (running) control.startCpu(cpu);
      // What the guest had written and nobody had taken.
      control.consoleChanged();
      return;
    }
    const { memoryMap } = from;
    const byteOrder = from.byteOrder === "little" ? msr.littleEndian : 0n;
    const gpr = [BigInt(memoryMap.deviceTree.address), BigInt(memoryMap.kernel.address), 0n];
    this.#startCpu(0, from.entry, byteOrder, gpr);
  }

  get ramSize(): number {
    return this.#parts.memory.size;
  }

  ram(offset: number, length: number): Uint8Array {
    return this.#parts.memory.viewOf(offset, length);
  }

  get latent(): PlacedLatentRam | undefined {
    return this.#parts.latent;
  }

  save(): PseriesState {
    const { plan, vm, control, devices, pci, xive, assignment } = this.#parts;
    if (assignment) throw new KvmError("EBUSY", "a device of the host cannot be saved; detach it first");
    return {
      machine: "pseries",
      plan,
      vm: vm.saveState(),
      running: Array.from({ length: this.cpus }, (_, cpu) => control.cpuState(cpu) === "running"),
      console: this.console.save(),
      fwnmi: this.#fwnmi.save(),
      nvram: devices.nvram.save(),
      rtc: devices.rtc.save(),
      pci: pci?.save(),
      xive: xive?.save(),
    };
  }

  answer(cpu: number, exit: ForwardedExit): void {
    const { control, pci } = this.#parts;
    switch (exit.reason) {
      case "papr_hcall":
        exit.ret = this.#hypercall(cpu, exit.nr, exit.args);
        break;
      case "mmio":
        if (exit.isWrite) pci?.write(exit.physAddr, exit.length, exit.data);
        else exit.data = pci?.read(exit.physAddr, exit.length) ?? 0n;
        break;
      case "system_event":
        if (exit.type === KVM_SYSTEM_EVENT_RESET) control.end({ kind: "reboot" });
        else if (exit.type === KVM_SYSTEM_EVENT_CRASH) control.end({ kind: "crash", message: checkstop(exit.flags) });
        else control.end({ kind: "powerOff" });
        break;
      case "nmi":
        this.#machineCheck(cpu, exit.flags);
        break;
      case "io":
      case "x86_rdmsr":
      case "x86_wrmsr":
      case "hypercall":
      case "irq_window_open":
      case "set_tpr":
      case "ioapic_eoi":
      case "tpr_access":
        // They are x86's: nobody gives such an exit.
        break;
      case "shutdown":
        control.end({ kind: "powerOff" });
        break;
      case "fail_entry": {
        const reason = exit.hardwareEntryFailureReason.toString(16);
        control.end({ kind: "failed", message: `KVM cannot enter the guest (reason 0x${reason})` });
        break;
      }
      default:
        exit satisfies never;
    }
  }

  consoleInput(): void {
    // An edge; the controller remembers it if the guest is not listening yet.
    this.vm.irqLine(consoleInterrupt, 1);
    this.vm.irqLine(consoleInterrupt, 0);
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#counters, ...this.#parts.pci?.stats(), ...this.vm.stats() };
  }

  close(): void {
    this.#parts.pci?.close();
    this.#parts.assignment?.close();
    this.#parts.xive?.close();
    for (const vcpu of this.#parts.vcpus) vcpu.close();
    this.vm.close();
  }

  #machineCheck(cpu: number, flags: number): void {
    const { vcpus, control } = this.#parts;
    const vcpu = vcpus[cpu];
    if (!vcpu) return;
    const what = this.#fwnmi.deliver(vcpu, flags);
    this.#parts.trace?.("exit", cpu, `machine check ${what}`);
    // One that is to come later is met again when the guest goes on.
    if (what === "delivered" || what === "later") return;
    const message = what === "nested" ? "a machine check while another was being handled" : "a machine check";
    control.end({ kind: "crash", message });
  }

  #hypercall(cpu: number, number: number, args: bigint[]): bigint {
    const hcall = machineHcalls.get(number);
    if (!hcall) return HcallStatus.function;
    const context: MachineContext = {
      cpu,
      vm: this.vm,
      xive: this.#parts.xive,
      host: this.#host,
      rtas: (buffer) => this.#callRtas(cpu, buffer),
    };
    const status = hcall.handler(context, args);
    this.#parts.trace?.("hcall", cpu, `user ${hcall.name} ret=${status}`);
    return status;
  }

  #callRtas(cpu: number, buffer: bigint): bigint {
    const address = Number(BigInt.asUintN(64, buffer));
    const result = callRtas(this.#rtas, this.#host, cpu, address);
    // The guest chooses the token: those that mean nothing are counted as one.
    const counter = `rtas_${result ? (result.name ?? "others") : "bad_buffer"}`;
    this.#counters[counter] = (this.#counters[counter] ?? 0) + 1;
    this.#parts.trace?.("rtas", cpu, result ? describeRtas(result) : "bad_buffer");
    return result ? HcallStatus.success : HcallStatus.parameter;
  }

  #startCpu(cpu: number, address: number, byteOrder: bigint, arguments_: readonly bigint[]): void {
    const vcpu = this.#parts.vcpus[cpu];
    if (!vcpu) return;
    const regs = vcpu.getRegs();
    regs.gpr.fill(0n);
    for (const [i, value] of arguments_.entries()) regs.gpr[3 + i] = value;
    regs.pc = BigInt(address) & ~3n;
    regs.msr = msr.sixtyFour | msr.machineCheck | byteOrder;
    vcpu.setRegs(regs);
    this.#parts.control.startCpu(cpu);
  }

  #createHost(): RtasHost {
    const { memory, control, devices, pci } = this.#parts;
    return {
      ...devices,
      pci,
      pciBridge: (unit) => (unit === bridgeUnit ? pci : undefined),
      memory,
      memorySize: memory.size,
      cpus: this.cpus,
      displayCharacter: (byte) => {
        control.consoleChanged();
        return this.console.write(Uint8Array.of(byte));
      },
      cpuState: (cpu) => (cpu < this.cpus ? CpuState[control.cpuState(cpu)] : undefined),
      startCpu: (cpu, address, argument) => this.#startCpu(cpu, address, 0n, [BigInt(argument)]),
      stopCpu: (cpu) => control.stopCpu(cpu),
      registerNmi: (systemReset, machineCheck) => {
        if (!this.#fwnmi.register(systemReset, machineCheck)) return false;
        this.#parts.vcpus[0]?.enableCap({ cap: KVM_CAP_PPC_FWNMI });
        return true;
      },
      releaseNmi: (cpu) => this.#fwnmi.release(cpu),
      powerOff: () => control.end({ kind: "powerOff" }),
      reboot: () => control.end({ kind: "reboot" }),
      crash: (message) => control.end({ kind: "crash", message }),
    };
  }
}

const describeRtas = ({ name, token, inputs, status }: RtasResult): string =>
  `${name ?? `token 0x${token.toString(16)}`}(${inputs.map((input) => `0x${input.toString(16)}`).join(",")}) status=${status}`;

const checkstop = (address: bigint): string =>
  `a machine check while machine checks were disabled (checkstop) at 0x${address.toString(16)}`;
