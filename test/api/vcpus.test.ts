/** vCPUs: cores of several threads, those that come late, and exits that need to be asked for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KVM_REG_PPC_PSPB } from "../../src/arch/powerpc/uapi.js";
import { errno } from "../../src/base/errno.test-support.js";
import {
  KVM_CAP_MAX_VCPU_ID,
  KVM_CAP_MAX_VCPUS,
  KVM_CAP_PPC_FWNMI,
  KVM_CAP_PPC_OSI,
  KVM_CAP_PPC_SMT,
  KVM_CAP_PPC_SMT_POSSIBLE,
  KVM_INTERRUPT_SET,
} from "../../src/kvm/constants.js";
import { Fixture, implementations, soon, start } from "./fixture.js";

const spr = { tir: 446 };
/** msgsndp to thread 2 of the core. */
const ring = "lis 4, 0x2800\nori 4, 4, 2\nmsgsndp 4\n";

for (const name of implementations) {
  test(`${name}: a thread wakes another of its core by a doorbell, and none of another core`, () => {
    const it = new Fixture(name);
    assert.equal(it.vm.checkExtension(KVM_CAP_PPC_SMT), 1);
    assert.equal(it.vm.checkExtension(KVM_CAP_PPC_SMT_POSSIBLE), 15);
    it.vm.enableCap({ cap: KVM_CAP_PPC_SMT, args: [4, 0] });
    assert.equal(it.vm.checkExtension(KVM_CAP_PPC_SMT), 4);
    it.code(`mfspr 20, ${spr.tir}\n${ring}li 3, 0x58\nsc 1\n`);
    it.code(`mfspr 20, ${spr.tir}\nli 3, 0xe0\nsc 1\nb .\n`, 0x2000n);
    it.code("li 3, 0x5c\nsc 1\n", 0xa00n);
    const others = [1, 2, 6].map((id) => {
      const cpu = it.vm.createVcpu(id);
      cpu.setRegs({ ...cpu.getRegs(), pc: 0x2000n });
      assert.equal(cpu.run({ deadline: soon() }).reason, "hlt");
      assert.equal(cpu.getRegs().gpr[20], BigInt(id % 4));
      return cpu;
    });
    assert.equal(it.cpu.run({ deadline: soon() }).reason, "papr_hcall");
    assert.deepEqual(
      others.map((cpu) => cpu.run({ deadline: soon() }).reason),
      ["hlt", "papr_hcall", "hlt"],
    );
    for (const cpu of others) cpu.close();
    it.close();
  });

  test(`${name}: without KVM_CAP_PPC_SMT a core has one thread`, () => {
    const it = new Fixture(name);
    it.code(`${ring}mfspr 20, ${spr.tir}\nli 3, 0x58\nsc 1\n`);
    const other = it.vm.createVcpu(2);
    assert.equal(it.cpu.run({ deadline: soon() }).reason, "papr_hcall");
    assert.equal(it.cpu.getRegs().gpr[20], 0n);
    assert.equal(parseInt(String(other.stats()["interrupts"]), 10), 0);
    other.close();
    it.close();
  });

  test(`${name}: a vCPU can come when others have run`, () => {
    const it = new Fixture(name);
    const source = "again:\naddi 4, 4, 1\nli 3, 0x58\nsc 1\nb again\n";
    it.code(source);
    assert.equal(it.cpu.run({ deadline: soon() }).reason, "papr_hcall");
    const late = it.vm.createVcpu(9);
    late.setRegs({ ...late.getRegs(), pc: start });
    for (const cpu of [late, it.cpu, late]) assert.equal(cpu.run({ deadline: soon() }).reason, "papr_hcall");
    // Code that one has decoded and the other changes.
    it.code(source.replace("addi 4, 4, 1", "addi 4, 4, 5"), start);
    assert.deepEqual([late.getRegs().gpr[4], it.cpu.getRegs().gpr[4]], [2n, 2n]);
    late.close();
    it.close();
  });

  test(`${name}: numbers and counts of vCPUs have limits`, () => {
    const it = new Fixture(name);
    const { vm } = it;
    const ids = vm.checkExtension(KVM_CAP_MAX_VCPU_ID);
    for (const id of [-1, 0.5, ids, Number.NaN, 2 ** 32]) assert.throws(() => vm.createVcpu(id), errno("EINVAL"));
    assert.throws(() => vm.vcpu(5), errno("ENOENT"));
    vm.createVcpu(ids - 1).close();
    assert.ok(vm.checkExtension(KVM_CAP_MAX_VCPUS) >= 32);
    it.close();
  });

  test(`${name}: an OSI call leaves with all registers, once it is asked for`, () => {
    const it = new Fixture(name);
    const magic = "lis 3, 0x1137\nori 3, 3, 0x24fa\nlis 4, 0x7781\nori 4, 4, 0x0f9b\n";
    it.code(`${magic}li 5, 1\nsc\n${magic}li 5, 7\nsc\nmr 20, 31\nli 3, 0x58\nsc 1\n`);
    it.code("rfid\n", 0xc00n);
    const { cpu } = it;
    // The first sc is a system call: it is taken and comes back.
    cpu.setRegs({ ...cpu.getRegs(), pc: start });
    cpu.enableCap({ cap: KVM_CAP_PPC_OSI });
    const exit = cpu.run({ deadline: soon() });
    assert.equal(exit.reason, "osi");
    if (exit.reason !== "osi") return;
    assert.deepEqual([exit.gprs.length, exit.gprs[3], exit.gprs[5]], [32, 0x113724fan, 1n]);
    exit.gprs[31] = 99n;
    const again = cpu.run({ deadline: soon() });
    assert.equal(again.reason === "osi" ? again.gprs[5] : undefined, 7n);
    assert.equal(cpu.run({ deadline: soon() }).reason, "papr_hcall");
    assert.equal(cpu.getRegs().gpr[20], 99n);
    it.close();
  });

  test(`${name}: without KVM_CAP_PPC_OSI the same numbers are a system call`, () => {
    const it = new Fixture(name);
    it.code("lis 3, 0x1137\nori 3, 3, 0x24fa\nlis 4, 0x7781\nori 4, 4, 0x0f9b\nsc\n");
    it.code("li 3, 0x58\nsc 1\n", 0xc00n);
    assert.equal(it.cpu.run({ deadline: soon() }).reason, "papr_hcall");
    it.close();
  });

  test(`${name}: a guest makes KVM's own hypercalls as KVM_PPC_GET_PVINFO says`, () => {
    const asked = new Fixture(name);
    const { flags, hcall } = asked.vm.getPvinfo();
    assert.equal(flags, 1);
    const call = hcall.map((word) => `.long ${word}\n`).join("");
    // Features, then a call that does not exist.
    const code = `lis 11, 42\nori 11, 11, 3\nli 4, 9\n${call}mr 20, 3\nmr 21, 4\nori 11, 11, 4\n${call}mr 22, 3\nli 3, 0x58\nsc 1\n`;
    asked.code(code);
    assert.equal(asked.cpu.run({ deadline: soon() }).reason, "papr_hcall");
    const { gpr } = asked.cpu.getRegs();
    assert.deepEqual([gpr[20], gpr[21], gpr[22]], [0n, 0n, 12n]);
    asked.close();
    // Nobody asked: a system call.
    const other = new Fixture(name);
    other.code(code);
    other.code("li 3, 0x58\nsc 1\n", 0xc00n);
    assert.equal(other.cpu.run({ deadline: soon() }).reason, "papr_hcall");
    assert.equal(other.cpu.getRegs().pc, 0xc08n);
    other.close();
  });

  test(`${name}: EV_IDLE waits for an interrupt`, () => {
    const it = new Fixture(name);
    const call = it.vm
      .getPvinfo()
      .hcall.map((word) => `.long ${word}\n`)
      .join("");
    it.code(`lis 11, 1\nori 11, 11, 16\n${call}mr 20, 3\nli 3, 0x58\nsc 1\n`);
    assert.equal(it.cpu.run({ wait: false, deadline: soon() }).reason, "hlt");
    it.cpu.interrupt(KVM_INTERRUPT_SET);
    assert.equal(it.cpu.run({ deadline: soon() }).reason, "papr_hcall");
    assert.equal(it.cpu.getRegs().gpr[20], 0n);
    it.close();
  });

  test(`${name}: a machine check is the guest's, or the user side's if it asks for it`, () => {
    for (const asked of [false, true]) {
      const it = new Fixture(name);
      it.code("lis 4, 0x4000\nmtctr 4\nbctr\n");
      it.code("li 3, 0x58\nsc 1\n", 0x200n);
      if (asked) it.cpu.enableCap({ cap: KVM_CAP_PPC_FWNMI });
      const exit = it.cpu.run({ deadline: soon() });
      assert.deepEqual(asked ? exit : exit.reason, asked ? { reason: "nmi", flags: 3 } : "papr_hcall");
      if (asked) assert.equal(it.cpu.getRegs().pc, 0x40000000n);
      it.close();
    }
  });

  test(`${name}: the list of registers holds what can be read, each once`, () => {
    const it = new Fixture(name);
    const { xics, cpu } = it;
    assert.ok(xics);
    const list = cpu.getRegList();
    assert.equal(new Set(list).size, list.length);
    assert.ok(list.includes(KVM_REG_PPC_PSPB) && list.length > 160);
    const unreadable = list.filter((id) => {
      try {
        cpu.getOneReg(id);
        return false;
      } catch {
        return true;
      }
    });
    // VP_STATE belongs to a XIVE.
    assert.deepEqual(
      unreadable.map((id) => id & 0xffffn),
      [0x8dn],
    );
    it.close();
  });
}
