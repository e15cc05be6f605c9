/** Machine pc at work: what it answers to its vCPUs' exits, and what it is as a plain value. */
import type { X86Vcpu, X86Vm } from "../../../arch/x86/uapi.js";
import type { ForwardedExit } from "../../../kvm/uapi/exits.js";
import { KVM_EXIT_IO_IN, KvmError } from "../../../kvm/uapi.js";
import type { GuestMemory } from "../../core/guest-memory.js";
import type { Machine, PlacedLatentRam, RunControl, TraceSink } from "../../core/machine.js";
import type { WrittenPages } from "../../core/written-pages.js";
import { ConsoleRing } from "../../devices/console-ring.js";
import { inside } from "../../devices/pci/windows.js";
import type { Rtc } from "../../devices/rtc.js";
import { Serial } from "../../devices/serial.js";
import type { Assignment } from "../../devices/vfio-pci/assignment.js";
import { consoleLine } from "./console-line.js";
import { allHaltedForGood } from "./halt.js";
import { Line, testMemory } from "./memory-map.js";
import type { PciHostBridge } from "./pci/host-bridge.js";
import { PcPorts } from "./ports.js";
import type { PcPlan, PcState } from "./state.js";
import { answerEach } from "./string-io.js";
import { TestMemory, testDevices } from "./test-devices.js";
import type { PcShared } from "./vcpu-side.js";

export interface PcParts {
  readonly vm: X86Vm;
  readonly vcpus: readonly X86Vcpu[];
  readonly memory: GuestMemory;
  readonly written: WrittenPages;
  /** What of memory is fetched when it is used. */
  readonly latent: PlacedLatentRam | undefined;
  readonly plan: PcPlan;
  /** Where it goes on; undefined: it begins. */
  readonly state?: PcState;
  readonly control: RunControl;
  readonly trace: TraceSink | undefined;
  readonly rtc: Rtc;
  readonly pci: PciHostBridge;
  readonly assignment: Assignment | undefined;
  readonly testDevices: boolean;
}

/** How often is looked whether all CPUs have halted for good, which nothing tells: milliseconds. */
const haltLook = 500;
const timeStampCounter = 0x10;

export class Pc implements Machine {
  readonly vm: X86Vm;
  readonly cpus: number;
  readonly console: ConsoleRing;
  readonly written: WrittenPages;
  readonly shared: PcShared;
  readonly #parts: PcParts;
  readonly #serial: Serial;
  readonly #ports: PcPorts;
  readonly #testMemory = new TestMemory();
  readonly #counters: Record<string, number> = {};
  #haltTimer: ReturnType<typeof setInterval> | undefined;

  /** KvmError, EINVAL: the state is not of such a machine. */
  constructor(parts: PcParts) {
    const { vm, vcpus, written, plan, state, control, rtc, pci } = parts;
    this.#parts = parts;
    this.vm = vm;
    this.cpus = vcpus.length;
    this.written = written;
    this.console = ConsoleRing.create(vm.shared, state?.console);
    const serial = Serial.create(vm.shared, state?.serial);
    this.shared = { console: this.console.buffer, serial };
    const setLine = (line: number, level: boolean): void => {
      vm.irqLine(line, level);
      control.wake();
    };
    const line = consoleLine(
      this.console,
      () => control.consoleChanged(),
      (level) => setLine(Line.com1, level),
    );
    this.#serial = new Serial(line, serial);
    const host = {
      rtc,
      serial: this.#serial,
      clockLine: (level: boolean) => setLine(Line.clock, level),
      now: () => this.#guestTime(),
      powerOff: () => control.end({ kind: "powerOff" }),
      reset: () => control.end({ kind: "reboot" }),
    };
    const ofTests = parts.testDevices
      ? testDevices({
          memorySize: plan.memorySize,
          cpus: plan.cpus,
          exit: (status) => control.end({ kind: "powerOff", status }),
          line: setLine,
        })
      : [];
    this.#ports = new PcPorts(host, [...ofTests, ...pci.ports], state?.ports);
  }

  start(): void {
    const { control, vcpus, state } = this.#parts;
    // All but the first wait until it starts them.
    for (const cpu of vcpus.keys()) control.startCpu(cpu);
    // What the guest had written and nobody had taken.
    if (state) control.consoleChanged();
    this.#haltTimer = setInterval(() => {
      if (allHaltedForGood(vcpus)) control.end({ kind: "powerOff" });
    }, haltLook);
    (this.#haltTimer as { unref?: () => void }).unref?.();
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

  save(): PcState {
    const { plan, vm, rtc, pci, assignment, testDevices: ofTests } = this.#parts;
    if (assignment) throw new KvmError("EBUSY", "a device of the host cannot be saved; detach it first");
    if (ofTests) throw new KvmError("EBUSY", "a machine with test-devices=on cannot be saved: what they hold is not");
    return {
      machine: "pc",
      plan,
      vm: vm.saveState(),
      console: this.console.save(),
      serial: this.#serial.save(),
      ports: this.#ports.save(),
      rtc: rtc.save(),
      pci: pci.save(),
    };
  }

  answer(_cpu: number, exit: ForwardedExit): void {
    const { control, pci } = this.#parts;
    switch (exit.reason) {
      case "io":
        this.#count("io");
        answerEach(exit, this.#parts.vm, (one) => {
          if (one.direction === KVM_EXIT_IO_IN) one.data = this.#ports.read(one.port, one.size);
          else this.#ports.write(one.port, one.size, one.data);
        });
        break;
      case "mmio":
        if (this.#parts.testDevices && inside(testMemory, exit.physAddr, exit.length)) this.#testMemory.answer(exit);
        else if (exit.isWrite) pci.write(exit.physAddr, exit.length, exit.data);
        else exit.data = pci.read(exit.physAddr, exit.length);
        break;
      case "shutdown":
        // A triple fault resets a PC, and that is how some systems reboot.
        control.end({ kind: "reboot" });
        break;
      case "fail_entry": {
        const reason = exit.hardwareEntryFailureReason.toString(16);
        control.end({ kind: "failed", message: `KVM cannot enter the guest (reason 0x${reason})` });
        break;
      }
      // They must be asked for, and nobody has.
      case "x86_rdmsr":
      case "x86_wrmsr":
      case "hypercall":
      case "irq_window_open":
      case "set_tpr":
      case "ioapic_eoi":
      case "tpr_access":
      case "papr_hcall":
      case "system_event":
      case "nmi":
        control.end({ kind: "failed", message: `KVM left the guest for an unexpected reason: ${exit.reason}` });
        break;
      default:
        exit satisfies never;
    }
  }

  consoleInput(): void {
    this.#serial.lineChanged();
  }

  consoleDrained(): void {
    this.#serial.lineChanged();
  }

  stats(): Readonly<Record<string, number>> {
    return { ...this.#counters, ...this.#parts.pci.stats(), ...this.vm.stats() };
  }

  close(): void {
    clearInterval(this.#haltTimer);
    this.#ports.close();
    this.#parts.pci.close();
    this.#parts.assignment?.close();
    for (const vcpu of this.#parts.vcpus) vcpu.close();
    this.vm.close();
  }

  /** Nanoseconds: the first processor's time-stamp counter, which stands still where the guest does. */
  #guestTime(): bigint {
    const [first] = this.#parts.vcpus;
    if (!first) return 0n;
    const msr = { index: timeStampCounter, data: 0n };
    first.getMsrs([msr]);
    return (msr.data * 1_000_000n) / BigInt(first.getTscKhz());
  }

  #count(what: string): void {
    this.#counters[what] = (this.#counters[what] ?? 0) + 1;
  }
}
