/** The XIVE as a guest finds it, on the real engines, and as a device of the VM. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../../base/errno.test-support.js";
import { openKvm } from "../../../kernel.js";
import {
  KVM_CAP_IRQ_XICS,
  KVM_CAP_PPC_ENABLE_HCALL,
  KVM_CAP_PPC_IRQ_XIVE,
  KVM_DEV_TYPE_VFIO,
  KVM_DEV_TYPE_XICS,
  KVM_DEV_TYPE_XIVE,
} from "../../../kvm/constants.js";
import { assemble } from "../isa/assembler.js";
import type { ImplementationName } from "../module.js";
import { testVm } from "../test-vm.test-support.js";
import {
  KVM_DEV_XIVE_GRP_EQ_CONFIG,
  KVM_DEV_XIVE_GRP_ESB,
  KVM_DEV_XIVE_GRP_PAGES,
  KVM_DEV_XIVE_GRP_SOURCE,
  KVM_DEV_XIVE_GRP_SOURCE_CONFIG,
  KVM_REG_PPC_VP_STATE,
  KVM_XIVE_EQ_ALWAYS_NOTIFY,
  KVM_XIVE_ESB_PAGE_OFFSET,
  KVM_XIVE_TIMA_PAGE_OFFSET,
  kvmPpcXiveEq,
  kvmXiveEsb,
} from "../uapi.js";

const start = 0x10000n;
const ramSize = 1 << 20;
const soon = () => performance.now() + 5000;

const kvm = await openKvm({ memory: "both" });

/** A vCPU at `start`, and big-endian code by address. */
function guest(name: ImplementationName, code: Readonly<Record<number, string>>) {
  const vm = kvm.createVm(name === "hv" ? 1 : 2, { shared: false });
  const ram = vm.allocate(ramSize);
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: ram });
  for (const [address, text] of Object.entries(code)) {
    const { bytes } = assemble(text, { origin: BigInt(address), littleEndian: false });
    vm.bytes(ram + Number(address), bytes.length).set(bytes);
  }
  const cpu = vm.createVcpu(0);
  cpu.setRegs({ ...cpu.getRegs(), pc: start });
  return { vm, cpu };
}

for (const name of ["hv", "pr"] as const) {
  test(`${name}: a guest finds its XIVE's pages in its memory and takes an interrupt there, without an exit`, () => {
    // r21: PQ before; r22: what the acknowledgement gave; r23: the queue's entry; r24: what ending gave.
    const external = `
      lis 5, 0x4032         # the OS's page
      lhz 22, 0x810(5)
      lis 6, 2
      lwz 23, 0(6)
      lis 7, 0x5001         # manages source 0
      ld 24, 0(7)
      li 8, 0xff
      stb 8, 0x11(5)
      li 3, 0x58
      sc 1
      lis 7, 0x5002
      ld 3, 0(7)
      lis 7, 0x4030
      lwz 3, 0x10(7)
      b .
    `;
    const source = `
      lis 7, 0x5001
      ld 21, 0xc00(7)       # on
      lis 5, 0x4032
      li 8, 0xff
      stb 8, 0x11(5)
      lis 9, 0x5000
      std 8, 0(9)           # triggers source 0
      li 3, 0xe0            # H_CEDE
      sc 1
      b .
    `;
    const { vm, cpu } = guest(name, { [Number(start)]: source, 1280: external });
    const xive = vm.createDevice(KVM_DEV_TYPE_XIVE);
    assert.ok(xive);
    cpu.enableCap({ cap: KVM_CAP_PPC_IRQ_XIVE, args: [xive.fd, 0] });
    xive.setAttr(KVM_DEV_XIVE_GRP_PAGES, KVM_XIVE_TIMA_PAGE_OFFSET, 0x40300000n);
    xive.setAttr(KVM_DEV_XIVE_GRP_PAGES, KVM_XIVE_ESB_PAGE_OFFSET, 0x50000000n);
    const queue = { flags: KVM_XIVE_EQ_ALWAYS_NOTIFY, qshift: 16, qaddr: 0x20000n, qtoggle: 1, qindex: 0 };
    xive.setAttr(KVM_DEV_XIVE_GRP_EQ_CONFIG, 6n, kvmPpcXiveEq(queue));
    xive.setAttr(KVM_DEV_XIVE_GRP_SOURCE, 0n, 0n);
    xive.setAttr(KVM_DEV_XIVE_GRP_SOURCE_CONFIG, 0n, (0x123n << 33n) | 6n);
    for (let exits = 0; exits < 2; exits++) if (cpu.run({ deadline: soon() }).reason === "papr_hcall") break;
    const { gpr } = cpu.getRegs();
    assert.deepEqual(gpr.slice(21, 25), [1n, 0x8006n, 0x80000123n, 0n]);
    assert.equal(cpu.stats()["mmioKernel"], 6);
    assert.equal(cpu.getOneReg(KVM_REG_PPC_VP_STATE), 0x00ff00ff_ff00ffffn);

    // An eventfd and a message are sources' triggers as well.
    const fd = vm.createEventFd();
    vm.irqfd({ fd, gsi: 0 });
    fd.signal();
    assert.equal(cpu.getOneReg(KVM_REG_PPC_VP_STATE) >> 40n, 0x80ff02n);
    assert.equal(vm.signalMsi({ address: 0n, data: 0 }), 1);
    assert.equal(xive.getAttr(KVM_DEV_XIVE_GRP_ESB, kvmXiveEsb(0, 0x800)), 3n);
    assert.throws(() => vm.irqLine(1, 1), /EINVAL/);
    cpu.setOneReg(KVM_REG_PPC_VP_STATE, 0x0005_0200_0000_0000n);
    assert.equal(cpu.getOneReg(KVM_REG_PPC_VP_STATE), 0x0005_0200_0000_0006n);

    // What is no source's page, and the hypervisor's pages, are the user side's.
    const next = () => {
      const exit = cpu.run({ deadline: soon() });
      return exit.reason === "mmio" ? exit.physAddr : exit.reason;
    };
    assert.deepEqual([next(), next()], [0x5002_0000n, 0x4030_0010n]);
    for (const part of [fd, xive, cpu, vm]) part.close();
  });
}

test("a VM has one interrupt controller, and a vCPU one server of it", () => {
  const { vm } = testVm(2);
  const [first, second] = [vm.vcpu(0), vm.vcpu(1)];
  const connect = (fd: number, server: number, cap = KVM_CAP_PPC_IRQ_XIVE) =>
    first.enableCap({ cap, args: [fd, server] });
  assert.equal(vm.checkExtension(KVM_CAP_PPC_IRQ_XIVE), 1);
  assert.throws(() => connect(1009, 0), errno("EBADF"));
  assert.throws(() => first.getOneReg(KVM_REG_PPC_VP_STATE), errno("ENXIO"));
  const xive = vm.createDevice(KVM_DEV_TYPE_XIVE);
  assert.ok(xive);
  assert.throws(() => vm.createDevice(KVM_DEV_TYPE_XIVE), errno("EEXIST"));
  assert.throws(() => vm.createDevice(KVM_DEV_TYPE_XICS), errno("EEXIST"));
  assert.throws(() => connect(vm.createDevice(KVM_DEV_TYPE_VFIO)?.fd ?? 0, 0), errno("EPERM"));
  assert.throws(() => connect(xive.fd, 0, KVM_CAP_IRQ_XICS), errno("EPERM"));
  assert.throws(() => connect(xive.fd, 2048), errno("EINVAL"));
  assert.throws(() => first.setOneReg(KVM_REG_PPC_VP_STATE, 0n), errno("ENXIO"));
  connect(xive.fd, 0);
  assert.throws(() => connect(xive.fd, 1), errno("EBUSY"));
  assert.throws(() => second.enableCap({ cap: KVM_CAP_PPC_IRQ_XIVE, args: [xive.fd, 0] }), errno("EEXIST"));

  const other = testVm(1).vm;
  const xics = other.createDevice(KVM_DEV_TYPE_XICS);
  assert.throws(() => other.createDevice(KVM_DEV_TYPE_XIVE), errno("EEXIST"));
  const wrong = () => other.vcpu(0).enableCap({ cap: KVM_CAP_PPC_IRQ_XIVE, args: [xics?.fd ?? 0, 0] });
  assert.throws(wrong, errno("EPERM"));
});

test("hypercalls load from its pages and store there as instructions do", () => {
  const { vm, hcall } = testVm(1);
  for (const number of [0x3c, 0x40]) vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [number, 1] });
  const xive = vm.createDevice(KVM_DEV_TYPE_XIVE);
  vm.vcpu(0).enableCap({ cap: KVM_CAP_PPC_IRQ_XIVE, args: [xive?.fd ?? 0, 0] });
  assert.equal(hcall(0, 0x3c, 4, 0x40320010), undefined);
  xive?.setAttr(KVM_DEV_XIVE_GRP_PAGES, KVM_XIVE_TIMA_PAGE_OFFSET, 0x40300000n);
  assert.equal(hcall(0, 0x40, 1, 0x40320011, 0xff)?.status, 0n);
  assert.equal(hcall(0, 0x3c, 4, 0x40320010)?.r4, 0x00ff00ffn);
  assert.equal(hcall(0, 0x40, 1, 0x40300011, 0xff), undefined);
});
