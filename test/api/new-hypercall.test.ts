/** What a new hypercall costs: its row in uapi/hcalls.ts, and its handler. All else comes from the row. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import type { PpcKvm } from "../../src/arch/powerpc/uapi.js";
import type { RunControl } from "../../src/vmm/core/machine.js";
import { type Change, withChangedCopy } from "../changed-copy.test-support.js";

const memorySize = 64 << 20;
const start = 0x10000;
/** Calls 0x4f0 with 21 in r4, then 0x4f4. */
const source = "li r3, 0x4f0\nli r4, 21\nsc 1\nli r3, 0x4f4\nsc 1";

const kernelSide: readonly Change[] = [
  [
    "arch/powerpc/uapi/hcalls.js",
    "    H_RTAS: {",
    `    H_TWICE: { number: 0x4f0, kernel: "off", turnedOn: "always", set: "hcall-twice" },
    H_ONE_MORE: { number: 0x4f4, user: "vcpu", set: "hcall-one-more" },
    H_RTAS: {`,
  ],
  [
    "arch/powerpc/papr/platform.js",
    "    H_RTAS: ",
    "    H_TWICE: (vcpu, [value]) => { vcpu.setGpr(4, 2n * value); return 0n; },\n    H_RTAS: ",
  ],
  [
    "vmm/machines/pseries/hcalls/terminal.js",
    "export const terminalHcalls = {",
    "export const terminalHcalls = {\n    H_ONE_MORE: (_, args) => { args[0] += 1n; return 0n; },",
  ],
];

const control: RunControl = {
  cpuState: () => "stopped",
  startCpu: () => undefined,
  stopCpu: () => undefined,
  wake: () => undefined,
  consoleChanged: () => undefined,
  end: () => undefined,
};

test("a new hypercall is a row and a handler", () =>
  withChangedCopy(kernelSide, async (load) => {
    const { openKvm } = await load<{ openKvm(options: { memory: "unshared" }): Promise<PpcKvm> }>("kernel.js");
    type Machines = typeof import("../../src/vmm/machines/pseries/machine.js");
    const { createPseries } = await load<Machines>("vmm/machines/pseries/machine.js");
    type Sides = typeof import("../../src/vmm/machines/pseries/vcpu-side.js");
    const { createPseriesVcpuSide } = await load<Sides>("vmm/machines/pseries/vcpu-side.js");
    const { bytes } = assemble(source, { origin: BigInt(start), littleEndian: true });
    const machine = createPseries(
      {
        kvm: await openKvm({ memory: "unshared" }),
        type: 0,
        shared: false,
        kernel: { byteOrder: "little", entry: start, segments: [{ address: start, data: bytes, size: 4096 }] },
        commandLine: "",
        memorySize,
        cpus: 1,
      },
      control,
    );
    const { vm } = machine;
    machine.start();
    const cpu = vm.vcpu(0);
    // The machine turned it on, so that the first that comes out is the other one.
    const exit = cpu.run();
    assert.ok(exit.reason === "papr_hcall");
    assert.deepEqual([exit.nr, exit.args[0]], [0x4f4, 42n]);
    const side = createPseriesVcpuSide(0, machine.shared, {
      announceConsole: () => undefined,
      mayWait: false,
      trace: undefined,
    });
    assert.ok(side.answer(exit));
    assert.deepEqual([exit.ret, exit.args[0]], [0n, 43n]);
    assert.equal(vm.stats()["hcall.H_TWICE"], 1);
    assert.equal(side.stats()["user.H_ONE_MORE"], 1);
    const memory = Buffer.from(vm.memory.buffer);
    for (const name of ["hcall-twice", "hcall-one-more", "hcall-pft"]) assert.ok(memory.includes(`${name}\0`), name);
    assert.ok(!memory.includes("hcall-multi-tce\0"), "promised without DMA");
    cpu.close();
    machine.close();
  }));
