import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../../base/errno.test-support.js";
import {
  KVM_CAP_IRQ_XICS,
  KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
  KVM_CAP_MAX_VCPUS,
  KVM_CAP_PPC_PAPR,
  KVM_CAP_PPC_SMT,
  KVM_DEV_TYPE_XICS,
  KVM_INTERRUPT_SET_LEVEL,
  KVM_INTERRUPT_UNSET,
  KVM_REG_PPC,
  KVM_REG_SIZE_MASK,
  KVM_REG_SIZE_U32,
  KVM_REG_SIZE_U64,
} from "../../../kvm/constants.js";
import { archLayout } from "../engines/layout.js";
import { testVm } from "../test-vm.test-support.js";
import * as reg from "../uapi/registers.js";
import { getField } from "./vcpu.js";

test("registers come back as they were set", () => {
  const { vm } = testVm();
  const vcpu = vm.vcpu(0);
  const regs = vcpu.getRegs();
  regs.gpr[31] = 0x8000000000000001n;
  regs.cr = 0x12345678n;
  regs.xer = 0xe00c007fn;
  regs.sprg[3] = 7n;
  regs.pc = 0xc000000000000100n;
  vcpu.setRegs(regs);
  assert.deepEqual(vcpu.getRegs(), regs);
  assert.throws(() => vcpu.setRegs({ ...regs, gpr: [] }), errno("EINVAL"));
  vcpu.setSregs({ pvr: 0x4e0100n });
  assert.deepEqual(vcpu.getSregs(), { pvr: 0x4e0100n });
});

test("every register of ONE_REG comes back as it was set", () => {
  const { vm } = testVm();
  const vcpu = vm.vcpu(0);
  // Of several parts, only to be read (DEBUG_INST), or of few values (ARCH_COMPAT).
  const special = new Set(
    "HIOR ICP_STATE LPCR LPCR_64 VSCR VPA_SLB VPA_DTL DPDES DEBUG_INST ARCH_COMPAT PTCR VP_STATE".split(" "),
  );
  for (const [name, id] of Object.entries(reg)) {
    const short = name.replace("KVM_REG_PPC_", "");
    if (typeof id !== "bigint" || !name.startsWith("KVM_REG_PPC_") || special.has(short)) continue;
    const size = 8 << Number((id & KVM_REG_SIZE_MASK) >> 52n);
    const value = BigInt.asUintN(size === 128 ? 128 : size, 0x7766554433221100_8899aabbccddeeffn >> 1n);
    vcpu.setOneReg(id, value);
    assert.equal(vcpu.getOneReg(id), value, name);
    assert.throws(() => vcpu.setOneReg(id, 1n << BigInt(size)), errno("EINVAL"));
  }
});

test("registers of several parts", () => {
  const { vm, cpus } = testVm();
  const vcpu = vm.vcpu(0);
  vcpu.setOneReg(reg.KVM_REG_PPC_VSCR, 0x10001n);
  assert.equal(vcpu.getOneReg(reg.KVM_REG_PPC_VSCR), 0x10001n);
  vcpu.setOneReg(reg.KVM_REG_PPC_LPCR_64, 0x3800000n);
  assert.deepEqual([vm.mem.i32(archLayout.ail), vm.mem.i32(archLayout.interruptLittleEndian)], [3, 1]);
  assert.equal(vm.vcpu(1).getOneReg(reg.KVM_REG_PPC_LPCR_64), 0x3800000n);
  for (const id of [reg.KVM_REG_PPC_HIOR, reg.KVM_REG_PPC_PTCR]) {
    vcpu.setOneReg(id, 0n);
    assert.equal(vcpu.getOneReg(id), 0n);
    assert.throws(() => vcpu.setOneReg(id, 1n), errno("EINVAL"));
  }
  assert.throws(() => vcpu.getOneReg(reg.KVM_REG_PPC_VP_STATE), errno("ENXIO"));
  assert.throws(() => vcpu.setOneReg(reg.KVM_REG_PPC_VP_STATE, 0n), errno("ENXIO"));
  const [cpu] = cpus;
  assert.ok(cpu);
  vcpu.setOneReg(reg.KVM_REG_PPC_VSR(3), (1n << 127n) | 5n);
  assert.equal(vcpu.getOneReg(reg.KVM_REG_PPC_FPR(3)), 1n << 63n);
  vcpu.setOneReg(reg.KVM_REG_PPC_VR(1), 9n);
  assert.equal(getField(cpu, "vsr", 33), 9n);
  vcpu.setOneReg(reg.KVM_REG_PPC_VPA_ADDR, 0x1000n);
  vcpu.setOneReg(reg.KVM_REG_PPC_VPA_DTL, (0x2000n << 64n) | 96n);
  assert.equal(vcpu.getOneReg(reg.KVM_REG_PPC_VPA_DTL), (0x2000n << 64n) | 96n);
  assert.throws(() => vm.vcpu(1).setOneReg(reg.KVM_REG_PPC_VPA_SLB, (0x2000n << 64n) | 96n), errno("EINVAL"));
});

test("unknown registers and wrong sizes", () => {
  const vcpu = testVm().vm.vcpu(0);
  assert.throws(() => vcpu.getOneReg(KVM_REG_PPC | KVM_REG_SIZE_U64 | 0xfffn), errno("ENOENT"));
  assert.throws(() => vcpu.getOneReg(KVM_REG_PPC | KVM_REG_SIZE_U32 | 0xcn), errno("EINVAL"));
});

test("a server's state is a register, once there is a XICS", () => {
  const { vm } = testVm();
  const vcpu = vm.vcpu(0);
  assert.throws(() => vcpu.getOneReg(reg.KVM_REG_PPC_ICP_STATE), errno("ENXIO"));
  const xics = vm.createDevice(KVM_DEV_TYPE_XICS);
  vcpu.enableCap({ cap: KVM_CAP_IRQ_XICS, args: [xics?.fd ?? 0, 0] });
  const state = (0xffn << 56n) | (2n << 32n) | (4n << 24n) | (4n << 16n);
  vcpu.setOneReg(reg.KVM_REG_PPC_ICP_STATE, state);
  assert.equal(vcpu.getOneReg(reg.KVM_REG_PPC_ICP_STATE), state);
});

test("KVM_INTERRUPT drives the external interrupt", () => {
  const { vm, cpus } = testVm();
  const [cpu] = cpus;
  assert.ok(cpu);
  vm.vcpu(0).interrupt(KVM_INTERRUPT_SET_LEVEL);
  assert.equal(getField(cpu, "externalPending"), 1n);
  vm.vcpu(0).interrupt(KVM_INTERRUPT_UNSET);
  assert.equal(getField(cpu, "externalPending"), 0n);
  assert.throws(() => vm.vcpu(0).interrupt(5), errno("EINVAL"));
});

test("extensions and the MMU's set-up", () => {
  const { vm } = testVm();
  assert.equal(vm.checkExtension(KVM_CAP_MAX_VCPUS), 32);
  vm.vcpu(0).enableCap({ cap: KVM_CAP_PPC_PAPR });
  assert.throws(() => vm.enableCap({ cap: KVM_CAP_PPC_SMT, args: [4, 0] }), errno("EBUSY"));
  for (const threads of [0, 3, 16, -2]) {
    assert.throws(() => vm.enableCap({ cap: KVM_CAP_PPC_SMT, args: [threads, 0] }), errno("EINVAL"));
  }
  assert.throws(() => vm.enableCap({ cap: KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, args: [4] }), errno("EINVAL"));
  assert.throws(() => vm.enableCap({ cap: KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, args: [2] }), errno("EINVAL"));
  const good = { radix: true, gtse: true, processTable: 0x10000n | 4n };
  vm.configureV3Mmu(good);
  assert.equal(vm.mem.u64(archLayout.processTableBase), 0x10000n);
  assert.equal(vm.mem.i32(archLayout.processTableSize), 4);
  assert.throws(() => vm.configureV3Mmu({ ...good, gtse: false }), errno("EINVAL"));
  assert.throws(() => vm.configureV3Mmu({ ...good, processTable: 25n }), errno("EINVAL"));
  assert.throws(() => vm.configureV3Mmu({ ...good, processTable: 1n << 63n }), errno("EINVAL"));
  assert.deepEqual(vm.getRmmuInfo().apEncodings, [12, 0xa0000010, 0x20000015, 0x4000001e]);
});

test("partition numbers are given back", () => {
  const first = testVm();
  const lpid = getField(first.cpus[0] as never, "lpid");
  for (const { id } of first.cpus) first.vm.vcpu(id).close();
  first.vm.close();
  assert.equal(getField(testVm().cpus[0] as never, "lpid"), lpid);
});
