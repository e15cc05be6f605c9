/** The states of an x86 VM's devices and vCPUs through KVM's calls, one by one, as user spaces save and restore them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KVM_CAP_EXCEPTION_PAYLOAD, KVM_CAP_X86_TRIPLE_FAULT_EVENT } from "../../kvm/constants.js";
import { counterAt, goOn, startCounting, word } from "./counting.test-support.js";
import { assemble } from "./isa/assembler.js";
import { type Guest, guest, kvmOf, msr, out, ramSize, types, vectorAt, waitUntil } from "./kvm.test-support.js";
import {
  KVM_CLOCK_REALTIME,
  KVM_MP_STATE_INIT_RECEIVED,
  KVM_MP_STATE_SIPI_RECEIVED,
  KVM_VCPUEVENT_VALID_NMI_PENDING,
  KVM_VCPUEVENT_VALID_PAYLOAD,
  KVM_VCPUEVENT_VALID_SHADOW,
  KVM_VCPUEVENT_VALID_SIPI_VECTOR,
  KVM_VCPUEVENT_VALID_TRIPLE_FAULT,
  KVM_X86_SHADOW_INT_STI,
  KVM_X86_UNIKVM_HV,
  type X86Vcpu,
} from "./uapi.js";

const deadlineMsr = 0x6e0;
const timeStampMsr = 0x10;

/** As QEMU has it: all by its own call. */
async function copyByCalls(to: Guest, from: Guest): Promise<void> {
  to.ram().set(from.ram());
  to.vm.guestWritten(0n, ramSize);
  for (const chip of [0, 1, 2]) to.vm.setIrqchip(structuredClone(from.vm.getIrqchip(chip)));
  to.vm.setPit2(structuredClone(from.vm.getPit2()));
  const clock = from.vm.getClock();
  to.vm.setClock({ ...clock, flags: clock.flags & ~KVM_CLOCK_REALTIME });
  to.cpu.setSregs(from.cpu.getSregs());
  to.cpu.setRegs(from.cpu.getRegs());
  const list = (await kvmOf("intel")).getMsrIndexList().filter((index) => index !== timeStampMsr);
  // What cannot be read, or takes no writes, stops the rest: so one by one.
  for (const index of [timeStampMsr, ...list]) {
    const entry = { index, data: 0n };
    if (from.cpu.getMsrs([entry]) === 1) to.cpu.setMsrs([entry]);
  }
  to.cpu.setLapic(from.cpu.getLapic());
  const deadline = { index: deadlineMsr, data: 0n };
  from.cpu.getMsrs([deadline]);
  to.cpu.setMsrs([deadline]);
  to.cpu.setMpState(from.cpu.getMpState());
  to.cpu.setVcpuEvents(from.cpu.getVcpuEvents());
}

const store = (address: number, value: number): string[] => [
  `mov eax, 0x${address.toString(16)}`,
  `mov dword ptr [rax], 0x${value.toString(16)}`,
];

for (const type of types) {
  const title = type === KVM_X86_UNIKVM_HV ? "hv" : "pr";

  test(`${title}: a guest that counts by its local APIC's timer goes on where each call has put its part`, async () => {
    const [one, two] = [await guest(type), await guest(type)];
    startCounting(one);
    goOn(one);
    await copyByCalls(two, one);
    assert.deepEqual(two.cpu.getRegs(), one.cpu.getRegs());
    const before = word(two, counterAt);
    goOn(two);
    assert.ok(word(two, counterAt) > before);
  });

  test(`${title}: the older controllers and the timer, and a level of the IOAPIC's that is being handled`, async () => {
    const [one, two] = [await guest(type), await guest(type)];
    one.load([
      ...[...out(0x20, 0x11), ...out(0x21, 0x30, 4, 1, 0xfe), ...out(0x43, 0x34), ...out(0x40, 0xff, 0x0f)],
      "cli",
    ]);
    assert.equal(one.run().reason, "hlt");
    await copyByCalls(two, one);
    const { ioapic } = two.vm.getIrqchip(2);
    assert.equal(ioapic?.redirtbl.length, 24);
    assert.deepEqual(two.vm.getIrqchip(0), one.vm.getIrqchip(0));
    two.load(["sti", "hlt"]);
    await waitUntil(two, (each) => vectorAt(each) === 0x30);

    const [three, four] = [await guest(type), await guest(type)];
    three.load([
      ...["mov al, 0xff", "out 0x21, al", "out 0xa1, al", ...store(0xfee000f0, 0x1ff)],
      ...[...store(0xfec00000, 0x1a), ...store(0xfec00010, 0x8055)],
    ]);
    assert.equal(three.run().reason, "hlt");
    three.vm.irqLine(5, 1);
    await copyByCalls(four, three);
    assert.deepEqual(four.vm.getIrqchip(2), three.vm.getIrqchip(2));
    assert.deepEqual(four.cpu.getLapic(), three.cpu.getLapic());
    for (let times = 0; times < 2; times++) {
      four.load([...(times ? store(0xfee000b0, 0) : []), "sti", "hlt"]);
      await waitUntil(four, (each) => vectorAt(each) === 0x55);
    }
  });

  test(`${title}: exceptions that are put in, their error codes and payloads, and the end`, async () => {
    const one = await guest(type);
    const { cpu, vm } = one;
    const put = (fields: object): void => {
      one.load(["nop"]);
      const events = cpu.getVcpuEvents();
      const exception = { injected: 1, nr: 13, has_error_code: 1, pending: 0, error_code: 0x1230 };
      cpu.setVcpuEvents({ ...events, exception, ...fields });
    };
    put({});
    assert.equal(cpu.getVcpuEvents().exception.nr, 13);
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 13);
    assert.equal(word(one, Number(cpu.getRegs().rsp)), 0x1230n);
    assert.equal(cpu.getVcpuEvents().exception.injected, 0);
    const paged = {
      exception: { injected: 0, nr: 14, has_error_code: 1, pending: 1, error_code: 4 },
      exception_has_payload: 1,
      exception_payload: 0xdead000n,
      flags: KVM_VCPUEVENT_VALID_PAYLOAD,
    };
    assert.throws(() => put(paged), /EINVAL.*KVM_CAP_EXCEPTION_PAYLOAD/);
    vm.enableCap({ cap: KVM_CAP_EXCEPTION_PAYLOAD, args: [1] });
    put(paged);
    assert.equal(cpu.getVcpuEvents().exception_payload, 0xdead000n);
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([vectorAt(one), cpu.getSregs().cr2], [14, 0xdead000n]);
    put({ exception: { injected: 1, nr: 3, has_error_code: 0, pending: 0, error_code: 0 } });
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 3);
    for (const [wrong, sentence] of [
      [{ injected: 1, nr: 2, has_error_code: 0, pending: 0, error_code: 0 }, /no exception/],
      [{ injected: 1, nr: 32, has_error_code: 0, pending: 0, error_code: 0 }, /no exception/],
      [{ injected: 1, nr: 6, has_error_code: 1, pending: 0, error_code: 0 }, /no error code/],
      [{ injected: 2, nr: 6, has_error_code: 0, pending: 0, error_code: 0 }, /injected is 2/],
    ] as const) {
      assert.throws(() => put({ exception: wrong }), sentence);
    }
    const ends = { exception: cpu.getVcpuEvents().exception, triple_fault: { pending: 1 } };
    assert.throws(() => put({ ...ends, flags: KVM_VCPUEVENT_VALID_TRIPLE_FAULT }), /EINVAL.*TRIPLE_FAULT/);
    vm.enableCap({ cap: KVM_CAP_X86_TRIPLE_FAULT_EVENT, args: [1] });
    put({ ...ends, flags: KVM_VCPUEVENT_VALID_TRIPLE_FAULT });
    assert.equal(one.run().reason, "shutdown");
  });

  test(`${title}: interrupts that wait, shadows, non-maskable ones`, async () => {
    const one = await guest(type);
    const { cpu } = one;
    const put = (fields: object): void => {
      one.load(["inc rbx", "hlt"]);
      cpu.setRegs({ ...cpu.getRegs(), rbx: 0n, rflags: 0x202n });
      cpu.setVcpuEvents({ ...cpu.getVcpuEvents(), ...fields });
    };
    const interrupt = { injected: 1, nr: 0x77, soft: 0, shadow: 0 };
    put({ interrupt });
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([vectorAt(one), cpu.getRegs().rbx], [0x77, 0n]);
    put({ interrupt: { ...interrupt, shadow: KVM_X86_SHADOW_INT_STI }, flags: KVM_VCPUEVENT_VALID_SHADOW });
    assert.equal(cpu.getVcpuEvents().interrupt.shadow, KVM_X86_SHADOW_INT_STI);
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([vectorAt(one), cpu.getRegs().rbx], [0x77, 1n]);
    put({ nmi: { injected: 0, pending: 1, masked: 1 }, flags: KVM_VCPUEVENT_VALID_NMI_PENDING });
    assert.equal(one.run().reason, "hlt");
    assert.deepEqual([vectorAt(one), cpu.getRegs().rbx], [-1, 1n]);
    put({ nmi: { injected: 0, pending: 1, masked: 0 }, flags: KVM_VCPUEVENT_VALID_NMI_PENDING });
    assert.equal(one.run().reason, "hlt");
    assert.equal(vectorAt(one), 2);
    assert.deepEqual(cpu.getVcpuEvents().nmi, { injected: 0, pending: 0, masked: 1 });
  });

  test(`${title}: a processor whose start-up message has come begins where it says`, async () => {
    const one = await guest(type);
    const other = one.vm.createVcpu(1);
    const put = (at: number, line: string) => one.ram().set(assemble(line, 16, 0n), at);
    put(0x7000, "out 0x80, al");
    other.setMpState(KVM_MP_STATE_INIT_RECEIVED);
    assert.equal(other.run({ wait: false }).reason, "hlt");
    const events = other.getVcpuEvents();
    other.setVcpuEvents({ ...events, sipi_vector: 7, flags: KVM_VCPUEVENT_VALID_SIPI_VECTOR });
    other.setMpState(KVM_MP_STATE_SIPI_RECEIVED);
    assert.equal(other.getMpState(), KVM_MP_STATE_SIPI_RECEIVED);
    const exit = other.run({ wait: false, deadline: performance.now() + 60_000 });
    assert.equal(exit.reason, "io");
    assert.equal(other.getSregs().cs.base, 0x7000n);
    other.close();
  });
}

test("KVM_TRANSLATE goes by each kind of page tables, and marks nothing", async () => {
  const one = await guest(types[1]);
  const { cpu } = one;
  const before = one.ram().slice(0, 0x9000);
  const at = (linear: bigint) => {
    const { valid, physical_address: physical } = cpu.translate(linear);
    return valid ? physical : undefined;
  };
  assert.equal(at(0x10_0123n), 0x10_0123n);
  assert.equal(at(1n << 40n), undefined);
  assert.equal(at(0x8000_0000_0000n), undefined);
  assert.deepEqual(one.ram().slice(0, 0x9000), before);
  const view = new DataView(one.ram().buffer, one.ram().byteOffset);
  const mode = (cr0: bigint, cr4: bigint, cr3: number) =>
    cpu.setSregs({ ...cpu.getSregs(), cr0, cr3: BigInt(cr3), cr4, efer: 0n });
  // Of 32 bits: a table's page, a page of 4 MiB above 4 GiB.
  view.setUint32(0x30_0000 + 4, 0x30_1003, true);
  view.setUint32(0x30_1000 + 4 * 3, 0x12_3001, true);
  view.setUint32(0x30_0000 + 8, 0x0080_2083, true);
  mode(0x8000_0011n, 0x10n, 0x30_0000);
  assert.deepEqual([at(0x40_3456n), at(0x40_4000n), at(0x80_0007n)], [0x12_3456n, undefined, 0x1_0080_0007n]);
  // PAE: three tables.
  view.setBigUint64(0x30_2020, 0x30_3001n, true);
  view.setBigUint64(0x30_3000 + 8, 0x60_0081n, true);
  mode(0x8000_0011n, 0x20n, 0x30_2020);
  assert.deepEqual([at(0x20_0042n), at(0x4000_0000n)], [0x60_0042n, undefined]);
  mode(0x11n, 0n, 0);
  assert.equal(at(0xffff_f123n), 0xffff_f123n);
});

/** struct pvclock_vcpu_time_info. */
function pageOf(one: Guest, at: number) {
  const ram = one.ram();
  const view = new DataView(ram.buffer, ram.byteOffset + at, 32);
  return { stamp: view.getBigUint64(8, true), time: view.getBigUint64(16, true), flags: view.getUint8(29) };
}

test("the guest's clock is read and set, with the time that has passed, and tells that the guest was stopped", async () => {
  const one = await guest(types[1]);
  const { cpu, vm } = one;
  assert.throws(() => cpu.kvmclockCtrl(), /EINVAL/);
  cpu.setMsrs([{ index: 0x4b56_4d01, data: 0x20_0001n }]);
  assert.deepEqual(pageOf(one, 0x20_0000), { stamp: pageOf(one, 0x20_0000).stamp, time: 0n, flags: 1 });
  const hour = 3_600_000_000_000n;
  vm.setClock({ clock: hour, flags: 0 });
  const now = vm.getClock();
  assert.ok(now.clock >= hour && now.clock < hour + 60_000_000_000n);
  const seconds = 10_000_000_000n;
  const then = BigInt(Date.now()) * 1_000_000n - seconds;
  vm.setClock({ clock: hour, flags: KVM_CLOCK_REALTIME, realtime: then });
  assert.ok(vm.getClock().clock >= hour + seconds);
  assert.ok(pageOf(one, 0x20_0000).time > hour);
  // What the time-stamp counter is set to is none of the clock's affair.
  const clockOf = (stamp: bigint) => {
    const { stamp: base, time } = pageOf(one, 0x20_0000);
    return BigInt.asUintN(64, stamp - base) + time;
  };
  const stampOf = (): bigint => {
    const entry = { index: timeStampMsr, data: 0n };
    cpu.getMsrs([entry]);
    return entry.data;
  };
  const before = clockOf(stampOf());
  one.load(msr(timeStampMsr, 0x1234));
  assert.equal(one.run().reason, "hlt");
  assert.ok(stampOf() < before);
  assert.ok(clockOf(stampOf()) >= before && clockOf(stampOf()) < before + 60_000_000_000n);
  cpu.kvmclockCtrl();
  assert.equal(pageOf(one, 0x20_0000).flags, 3);
});

test("KVM_SET_BOOT_CPU_ID says which vCPU starts the others", async () => {
  const kvm = await kvmOf("intel");
  const vm = kvm.createVm(types[1]);
  vm.setBootCpuId(2);
  vm.createIrqchip();
  const vcpus: X86Vcpu[] = [0, 2].map((id) => vm.createVcpu(id));
  assert.deepEqual(
    vcpus.map((one) => [one.getMpState(), (one.getSregs().apic_base >> 8n) & 1n]),
    [
      [1, 0n],
      [0, 1n],
    ],
  );
  for (const one of vcpus) one.close();
  vm.close();
});
