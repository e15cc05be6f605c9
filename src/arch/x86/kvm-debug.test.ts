/**
 * KVM_SET_GUEST_DEBUG of x86, as Documentation/virt/kvm/api.rst and Linux's arch/x86/kvm have it, and the guest's debug registers
 * as the user side sets and saves them. What the registers do to a guest: test/engines/x86/debug.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../base/errno.test-support.js";
import {
  KVM_CAP_SET_GUEST_DEBUG,
  KVM_CAP_SET_GUEST_DEBUG2,
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_GUESTDBG_USE_HW_BP,
  KVM_GUESTDBG_USE_SW_BP,
} from "../../kvm/constants.js";
import type { DebugExitArch, Exit } from "../../kvm/uapi.js";
import { assemble } from "./isa/assembler.js";
import { type Guest, guest, kvmOf, ramSize, types, vectorAt } from "./kvm.test-support.js";
import {
  KVM_GUESTDBG_BLOCKIRQ,
  KVM_GUESTDBG_INJECT_BP,
  KVM_GUESTDBG_INJECT_DB,
  KVM_X86_UNIKVM_HV,
  KVM_X86_UNIKVM_PR,
} from "./uapi.js";

const start = 0x10_0000;
const data = 0x20_0100;
const fixed6 = 0xffff_0ff0n;
const enabled = KVM_GUESTDBG_ENABLE;

/** Where the lines of a guest begin, and its end. */
function placesOf(lines: readonly string[]): bigint[] {
  const places = [BigInt(start)];
  for (const line of lines) {
    const at = places.at(-1) as bigint;
    places.push(at + BigInt(assemble(line, 64, at).length));
  }
  return places;
}

const registers = (dr7: number, ...db: readonly bigint[]): bigint[] => [
  ...Array.from({ length: 7 }, (_, i) => db[i] ?? 0n),
  BigInt(dr7),
];

/** An exit for the debugger: what it says. */
function debug(exit: Exit): DebugExitArch {
  assert.equal(exit.reason, "debug");
  assert.ok(exit.reason === "debug" && exit.arch);
  assert.deepEqual([exit.address, exit.status], [exit.arch.pc, 0]);
  return exit.arch;
}

function goOnAt({ cpu }: Guest, rip: bigint, flags = 0n): void {
  const regs = cpu.getRegs();
  cpu.setRegs({ ...regs, rip, rflags: regs.rflags | flags });
}

/** The quadword that an exception's frame has there. */
function frame(one: Guest, index: number): bigint {
  const ram = one.ram();
  return new DataView(ram.buffer, ram.byteOffset).getBigUint64(Number(one.cpu.getRegs().rsp) + 8 * index, true);
}

for (const type of types) {
  for (const vendor of ["intel", "amd"] as const) {
    const title = `${type === KVM_X86_UNIKVM_HV ? "hv" : "pr"}, ${vendor}`;

    test(`${title}: software and hardware breakpoints, watchpoints, steps and detected accesses leave`, async () => {
      const one = await guest(type, vendor);
      const { cpu } = one;
      const lines = [
        ...["int3", "nop", `mov edi, 0x${data.toString(16)}`, "mov dword ptr [rdi], eax"],
        ...["sti", "xor eax, eax", "cpuid", "mov ecx, 0x10", "rdmsr", "cli", "mov rax, dr0", "mov ebx, 0x7"],
      ];
      const places = placesOf(lines);
      one.load(lines);
      cpu.setGuestDebug({ control: enabled | KVM_GUESTDBG_USE_SW_BP });
      for (let i = 0; i < 2; i++) {
        const { exception, pc } = debug(one.run());
        assert.deepEqual([exception, pc], [3, places[0]]);
      }
      goOnAt(one, places[1] as bigint);
      for (let i = 0; i < 4; i++) {
        const debugreg = registers(0x400 | (2 << (2 * i)), 0n, 0n, 0n, 0n);
        debugreg[i] = places[1] as bigint;
        cpu.setGuestDebug({ control: enabled | KVM_GUESTDBG_USE_HW_BP, debugreg });
        assert.deepEqual(debug(one.run()), {
          exception: 1,
          pc: places[1],
          dr6: fixed6 | (1n << BigInt(i)),
          dr7: debugreg[7],
        });
      }
      // Until it is gone, or RF takes the vCPU past it.
      assert.equal(debug(one.run()).pc, places[1]);
      goOnAt(one, places[1] as bigint, 0x1_0000n);
      for (let i = 0; i < 4; i++) {
        const debugreg = registers((0x400 | (2 << (2 * i)) | (0xd << (16 + 4 * i))) >>> 0, 0n, 0n, 0n, 0n);
        debugreg[i] = BigInt(data);
        cpu.setGuestDebug({ control: enabled | KVM_GUESTDBG_USE_HW_BP, debugreg });
        const { pc, dr6 } = debug(one.run());
        assert.deepEqual([pc, dr6], [places[4], fixed6 | (1n << BigInt(i))]);
        goOnAt(one, places[3] as bigint);
      }
      goOnAt(one, places[4] as bigint);
      cpu.nmi();
      for (let i = 5; i <= 10; i++) {
        cpu.setGuestDebug({ control: enabled | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ });
        const { exception, pc, dr6 } = debug(one.run());
        assert.deepEqual([exception, pc, dr6], [1, places[i], fixed6 | 0x4000n]);
      }
      const control = enabled | KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_BLOCKIRQ;
      cpu.setGuestDebug({ control, debugreg: registers(0x2400) });
      for (let i = 0; i < 2; i++) {
        const { pc, dr6 } = debug(one.run());
        assert.deepEqual([pc, dr6], [places[10], fixed6 | 0x2000n]);
      }
      // None of it was the guest's.
      assert.deepEqual(cpu.getDebugregs(), { db: [0n, 0n, 0n, 0n], dr6: fixed6, dr7: 0x400n, flags: 0 });
      cpu.setGuestDebug({ control: enabled | KVM_GUESTDBG_BLOCKIRQ });
      assert.equal(one.run().reason, "hlt");
      assert.deepEqual([vectorAt(one), cpu.getRegs().rbx], [-1, 7n]);
      // What was kept away comes.
      cpu.setGuestDebug({ control: 0 });
      one.load(["nop"]);
      assert.equal(one.run().reason, "hlt");
      assert.equal(vectorAt(one), 2);
    });
  }

  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  test(`${title}: what the debugger does not want goes on as the guest's`, async () => {
    const one = await guest(type);
    const { cpu } = one;
    const places = placesOf(["int3"]);
    one.load(["int3"]);
    cpu.setGuestDebug({ control: enabled | KVM_GUESTDBG_USE_SW_BP });
    debug(one.run());
    cpu.setGuestDebug({ control: enabled | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_BP });
    assert.throws(() => cpu.setGuestDebug({ control: KVM_GUESTDBG_INJECT_DB }), errno("EBUSY"));
    assert.equal(one.run().reason, "hlt");
    // Behind the INT3, of which the guest hears as if nobody had been there.
    assert.deepEqual([vectorAt(one), frame(one, 0)], [3, places[1]]);
    one.load(["nop"]);
    // Without KVM_GUESTDBG_ENABLE too.
    cpu.setGuestDebug({ control: KVM_GUESTDBG_INJECT_DB });
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([vectorAt(one), frame(one, 0), cpu.getDebugregs().dr6], [1, BigInt(start), fixed6]);
    // INT 3 is an interrupt like others.
    cpu.setGuestDebug({ control: enabled | KVM_GUESTDBG_USE_SW_BP });
    one.load(["int 3"]);
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 3);
  });

  test(`${title}: all #DB are the debugger's while it steps or has registers; then they are the guest's again`, async () => {
    const one = await guest(type);
    const { cpu } = one;
    const lines = ["nop", "int1", "nop", "pushfq", "or dword ptr [rsp], 0x100", "popfq", "nop"];
    const places = placesOf(lines);
    one.load(lines);
    cpu.setDebugregs({ db: [places[2] as bigint, 0n, 0n, 0n], dr6: 0n, dr7: 1n, flags: 0 });
    const control = enabled | KVM_GUESTDBG_USE_HW_BP;
    cpu.setGuestDebug({ control, debugreg: registers(0x400 | 2, places[0] as bigint) });
    assert.equal(debug(one.run()).pc, places[0]);
    cpu.setGuestDebug({ control, debugreg: registers(0x400) });
    for (let i = 0; i < 2; i++) assert.deepEqual([debug(one.run()).pc, debug(one.run()).dr6], [places[1], fixed6]);
    // The guest's own breakpoint is not looked at, its step is.
    goOnAt(one, places[2] as bigint);
    const { pc, dr6 } = debug(one.run());
    assert.deepEqual([pc, dr6], [places[7], fixed6 | 0x4000n]);
    goOnAt({ ...one, cpu }, places[2] as bigint);
    cpu.setRegs({ ...cpu.getRegs(), rflags: 2n });
    cpu.setGuestDebug({ control: 0 });
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([vectorAt(one), frame(one, 0), cpu.getDebugregs().dr6], [1, places[2], fixed6 | 1n]);
  });

  test(`${title}: a step over an access of the user side's is one step`, async () => {
    const one = await guest(type);
    const { cpu } = one;
    const lines = [
      "out 0x80, al",
      "mov ebx, 0x7",
      "mov ecx, 0x2",
      "mov edx, 0x81",
      "rep outs dx, byte ptr ds:[rsi]",
      "nop",
    ];
    const places = placesOf(lines);
    one.load(lines);
    cpu.setRegs({ ...cpu.getRegs(), rsi: BigInt(data) });
    cpu.setGuestDebug({ control: enabled | KVM_GUESTDBG_SINGLESTEP });
    assert.equal(one.run().reason, "io");
    for (const at of [1, 2, 3, 4]) assert.equal(debug(one.run()).pc, places[at]);
    for (const at of [4, 5]) {
      assert.equal(one.run().reason, "io");
      assert.equal(debug(one.run()).pc, places[at]);
    }
    assert.equal(cpu.getRegs().rbx, 7n);
  });

  test(`${title}: registers that the user side has set are looked at, and a state has them with it`, async () => {
    const one = await guest(type);
    const lines = [`mov edi, 0x${data.toString(16)}`, "out 0x80, al", "mov dword ptr [rdi+0x4], eax", "nop"];
    const places = placesOf(lines);
    one.load(lines);
    const dr7 = 0x00d0_0408n;
    const watching = { db: [0n, BigInt(data + 4), 0n, 0n], dr6: fixed6, dr7, flags: 0 };
    one.cpu.setDebugregs(watching);
    assert.equal(one.run().reason, "io");
    one.cpu.setGuestDebug({ control: 0 });
    one.cpu.immediateExit = true;
    assert.equal(one.run().reason, "intr");
    one.cpu.immediateExit = false;
    const two = await guest(type === KVM_X86_UNIKVM_HV ? KVM_X86_UNIKVM_PR : KVM_X86_UNIKVM_HV);
    const state = structuredClone(one.vm.saveState());
    two.ram().set(one.ram());
    two.vm.guestWritten(0n, ramSize);
    two.vm.loadState(state);
    assert.deepEqual(two.cpu.getDebugregs(), watching);
    for (const each of [one, two]) {
      assert.equal(each.run().reason, "hlt");
      assert.deepEqual([vectorAt(each), frame(each, 0)], [1, places[3]]);
      assert.equal(each.cpu.getDebugregs().dr6, fixed6 | 2n);
    }
  });

  test(`${title}: addresses are linear in real mode`, async () => {
    const kvm = await kvmOf("intel");
    const vm = kvm.createVm(type);
    const at = vm.allocate(ramSize);
    vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0n, memorySize: BigInt(ramSize), userspaceAddr: at });
    const cpu = vm.createVcpu(0);
    // mov [0x10], al; nop; hlt, at 2000:0100.
    vm.bytes(at, ramSize).set([0xa2, 0x10, 0x00, 0x90, 0xf4], 0x2_0100);
    const sregs = cpu.getSregs();
    const segment = { base: 0x2_0000n, selector: 0x2000 };
    cpu.setSregs({ ...sregs, cs: { ...sregs.cs, ...segment }, ds: { ...sregs.ds, ...segment } });
    cpu.setRegs({ ...cpu.getRegs(), rip: 0x100n });
    const run = () => cpu.run({ deadline: performance.now() + 60_000, wait: false });
    const control = enabled | KVM_GUESTDBG_USE_HW_BP;
    cpu.setGuestDebug({ control, debugreg: registers(0x0010_0402 | 8, 0x2_0103n, 0x2_0010n) });
    const told = [debug(run()), debug(run())];
    assert.deepEqual(
      told.map(({ pc, dr6 }) => [pc, dr6 ^ fixed6]),
      [
        [0x2_0103n, 2n],
        [0x2_0103n, 1n],
      ],
    );
    cpu.setGuestDebug({ control: enabled | KVM_GUESTDBG_SINGLESTEP });
    assert.equal(debug(run()).pc, 0x2_0104n);
    cpu.close();
    vm.close();
  });
}

test("the capabilities say what there is, and the call refuses the rest", async () => {
  const { vm, cpu } = await guest(KVM_X86_UNIKVM_PR);
  assert.equal(vm.checkExtension(KVM_CAP_SET_GUEST_DEBUG), 1);
  assert.equal(vm.checkExtension(KVM_CAP_SET_GUEST_DEBUG2), 0x1f_0003);
  const refused = (debug: Parameters<typeof cpu.setGuestDebug>[0], words: RegExp) =>
    assert.throws(
      () => cpu.setGuestDebug(debug),
      (error: Error) => errno("EINVAL")(error) && words.test(error.message),
    );
  refused({ control: 4 }, /control 0x4/);
  refused({ control: enabled, debugreg: Array(7).fill(0n) }, /7 registers/);
  refused({ control: enabled, debugreg: registers(0).with(7, 1n << 32n) }, /32 bits/);
  refused({ control: enabled, breakpoints: [0n] }, /POWER's/);
});
