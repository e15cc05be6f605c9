/** The PVR decides which instructions a vCPU has, and how wide its decrementer is; also when it changes between two runs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openKvm } from "../../../kernel.js";
import { assemble } from "../isa/assembler.js";
import { KVM_REG_PPC_ARCH_COMPAT } from "../uapi/registers.js";
import type { PpcVcpu } from "../uapi.js";

const start = 0x10000n;
const ramSize = 1 << 20;
const soon = () => performance.now() + 2000;
const [power8, power9, power10] = [0x4d0200n, 0x4e1200n, 0x800200n];

const kvm = await openKvm();

/** Big-endian code at `start`; hypercall 0x58 ends it, 0x5c an illegal instruction. */
function guest(type: number, source: string): { cpu: PpcVcpu; close: () => void } {
  const vm = kvm.createVm(type);
  const ram = vm.allocate(ramSize);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: ram });
  for (const [at, text] of [
    [start, `${source}\n  li 3, 0x58\n  sc 1`],
    [0x700n, "  li 3, 0x5c\n  sc 1"],
  ] as const) {
    const { bytes } = assemble(text, { origin: at, littleEndian: false });
    vm.bytes(ram + Number(at), bytes.length).set(bytes);
  }
  const cpu = vm.createVcpu(0);
  return {
    cpu,
    close: () => {
      cpu.close();
      vm.close();
    },
  };
}

/** Runs from the start; the hypercall it ends with. */
function run(cpu: PpcVcpu, pvr: bigint): number {
  cpu.setSregs({ pvr });
  cpu.setRegs({ ...cpu.getRegs(), pc: start, msr: 0x8000000000001000n });
  const exit = cpu.run({ deadline: soon() });
  assert.equal(exit.reason, "papr_hcall");
  return exit.reason === "papr_hcall" ? exit.nr : -1;
}

for (const [name, type] of [
  ["hv", 1],
  ["pr", 2],
] as const) {
  test(`${name}: an instruction of v3.0 is illegal on POWER8, and comes with another PVR`, () => {
    const { cpu, close } = guest(type, "  cnttzd 4, 4");
    for (const [pvr, ends] of [
      [power9, 0x58],
      [power8, 0x5c],
      [power10, 0x58],
      [power8, 0x5c],
      [0x12345678n, 0x58],
    ] as const) {
      assert.equal(run(cpu, pvr), ends, `PVR ${pvr.toString(16)}`);
    }
    close();
  });

  test(`${name}: a Power10 has prefixed instructions, unless it is to be compatible with an earlier version`, () => {
    const { cpu, close } = guest(type, "  paddi 4, 4, 0x12345678");
    cpu.setSregs({ pvr: power10 });
    for (const [version, ends] of [
      [0n, 0x58],
      [0x0f000005n, 0x5c],
      [0x0f000006n, 0x58],
      [0x0f000004n, 0x5c],
      [0n, 0x58],
    ] as const) {
      cpu.setOneReg(KVM_REG_PPC_ARCH_COMPAT, version);
      assert.equal(cpu.getOneReg(KVM_REG_PPC_ARCH_COMPAT), version);
      assert.equal(run(cpu, power10), ends, `version ${version.toString(16)}`);
    }
    cpu.setSregs({ pvr: power9 });
    for (const version of [0x0f000006n, 0x0f000001n, 0x12345678n]) {
      assert.throws(() => cpu.setOneReg(KVM_REG_PPC_ARCH_COMPAT, version), { code: "EINVAL" }, version.toString(16));
    }
    assert.equal(run(cpu, power9), 0x5c);
    close();
  });

  test(`${name}: POWER8's decrementer has 32 bits, and reads as a positive number`, () => {
    const { cpu, close } = guest(
      type,
      "  li 4, -1000\n  mtdec 4\n  mfdec 5\n  lis 4, 0x7fff\n  sldi 4, 4, 16\n  mtdec 4\n  mfdec 6",
    );
    const read = (pvr: bigint): bigint[] => {
      assert.equal(run(cpu, pvr), 0x58);
      return cpu
        .getRegs()
        .gpr.slice(5, 7)
        .map((value) => BigInt.asIntN(64, value));
    };
    const [negative9 = 0n, large9 = 0n] = read(power9);
    assert.ok(negative9 < -900n && negative9 > -(1n << 40n), `${negative9}`);
    assert.ok(large9 > 0x7ffe_0000_0000n, `${large9}`);
    const [negative8 = 0n, large8 = 0n] = read(power8);
    assert.ok(negative8 > 0n && negative8 < 1n << 32n, `${negative8}`);
    assert.ok(large8 < 1n << 32n, `${large8}`);
    close();
  });
}
