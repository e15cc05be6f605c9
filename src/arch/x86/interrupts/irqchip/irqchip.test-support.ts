/** The controllers in a memory of their own, with local APICs whose vCPUs only note what they are told. */

import { vmLayout } from "../../../../kvm/layout.js";
import { VmMemory } from "../../../../kvm/memory.js";
import { heapStart } from "../../../../kvm/state.js";
import { Words } from "../../../../kvm/words.js";
import { Irqchip, type IrqchipVcpu } from "./irqchip.js";
import { Lapic, lapicState } from "./lapic.js";

export interface TestVcpu extends IrqchipVcpu {
  mode: "off" | "memory" | "registers";
  /** CR8. */
  taskPriority: number;
  requests: number;
  told: string[];
}

export interface TestIrqchip {
  readonly chip: Irqchip;
  readonly vcpus: readonly TestVcpu[];
  readonly ended: number[];
}

/** `vcpus` of them, their APICs enabled by software too if `on`. */
export function testIrqchip(count = 1, on = true): TestIrqchip {
  const memory = VmMemory.create(heapStart + 65536, heapStart + 4 * 65536, false);
  memory.setI32(vmLayout.heapNext, heapStart);
  const ended: number[] = [];
  const vcpus: TestVcpu[] = [];
  const chip = new Irqchip(memory, Irqchip.create(memory), {
    onlyLocal: false,
    vcpus: () => vcpus,
    ended: (chip, pin) => ended.push(chip === 2 ? pin : 8 * chip + pin),
    timerRoutes: () => undefined,
  });
  for (let id = 0; id < count; id++) {
    const base = heapStart + 65536 - (id + 1) * lapicState.size;
    const vcpu: TestVcpu = {
      mode: "memory",
      taskPriority: 0,
      requests: 0,
      told: [],
      lapic: new Lapic(new Words(memory, base, lapicState), {
        taskPriority: () => vcpu.taskPriority,
        setTaskPriority: (value) => {
          vcpu.taskPriority = value;
        },
        mode: () => vcpu.mode,
        strictBroadcast: () => false,
        timeOf: (counter) => Number(counter) / 1e6,
        request: () => vcpu.request(),
        send: (message, shorthand) => chip.send(vcpu, message, shorthand),
        nonMaskable: () => vcpu.nonMaskable(),
        priorityAccessed: () => {},
        ended: (vector, level) => chip.end(vector, level),
        offerEnd: () => false,
        takeEnd: () => false,
      }),
      get lapicAddress() {
        return vcpu.mode === "memory" ? 0xfee0_0000n : undefined;
      },
      request: () => {
        vcpu.requests++;
      },
      hasExternal: false,
      takeExternal: () => -1,
      nonMaskable: () => vcpu.told.push("nmi"),
      init: () => vcpu.told.push("init"),
      startUp: (vector) => vcpu.told.push(`start ${vector}`),
    };
    vcpu.lapic.reset(id, id === 0);
    vcpus.push(vcpu);
    if (on) chip.writeMemory(vcpu, 0xfee000f0n, 4, 0x1ffn, 0);
  }
  return { chip, vcpus, ended };
}
