import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../../base/errno.test-support.js";
import { KVM_CAP_IRQ_XICS, KVM_CAP_PPC_ENABLE_HCALL, KVM_DEV_TYPE_XICS } from "../../../kvm/constants.js";
import { archLayout } from "../engines/layout.js";
import { getField, setField } from "../processor/vcpu.js";
import { testVm } from "../test-vm.test-support.js";
import { hcallByNumber, hcalls } from "./list.js";

const number = Object.fromEntries(hcalls.map((row) => [row.name, row.number])) as Record<string, number>;
const call = (name: string): number => number[name] as number;
const status = { success: 0n, parameter: -4n, resource: -16n, p2: -55n, p3: -56n, p4: -57n, flag: -256n };

function ready(cpus?: number) {
  const it = testVm(cpus);
  const enable = (name: string) => it.vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args: [call(name), 1] });
  return { ...it, enable, view: () => new DataView(it.vm.memory.buffer, it.ram) };
}

test("the list has no number twice, and numbers are hypercalls'", () => {
  assert.equal(hcallByNumber.size, hcalls.length);
  for (const { number, name } of hcalls) assert.ok(number % 4 === 0 && name.startsWith("H_"));
});

test("a call is the user side's unless the kernel side has it enabled", () => {
  const { vm, hcall } = ready();
  assert.equal(hcall(0, 0x58, 1), undefined);
  assert.equal(hcall(0, call("H_SET_MODE"), 1, 4), undefined);
  const cap =
    (...args: number[]) =>
    () =>
      vm.enableCap({ cap: KVM_CAP_PPC_ENABLE_HCALL, args });
  cap(call("H_SET_MODE"), 1)();
  assert.equal(hcall(0, call("H_SET_MODE"), 1, 4)?.status, status.success);
  cap(call("H_SET_MODE"), 0)();
  assert.equal(hcall(0, call("H_SET_MODE"), 1, 4), undefined);
  assert.throws(cap(0x58, 1), errno("EINVAL"));
  assert.throws(cap(0x31d, 1), errno("EINVAL"));
  assert.throws(cap(call("H_CEDE"), 2), errno("EINVAL"));
  assert.equal(vm.stats()["hcall.H_SET_MODE"], 3);
  assert.equal(vm.stats()["hcall.H_PUT_TERM_CHAR"], 1);
});

test("H_CEDE halts, with interrupts enabled, unless a prod is pending", () => {
  const { vm, cpus, hcall } = ready();
  assert.equal(hcall(1, call("H_PROD"), 0)?.status, status.success);
  assert.equal(hcall(0, call("H_CEDE"))?.status, status.success);
  const [cpu] = cpus;
  assert.ok(cpu);
  assert.equal(getField(cpu, "msr") & 0x8000n, 0x8000n);
  assert.equal(cpu.stats()["halts"], 0);
  setField(cpu, "decExpiry", 1n << 60n);
  hcall(0, call("H_CEDE"));
  const halted = vm.vcpu(0).run();
  assert.equal(halted.reason, "hlt");
  assert.ok(halted.reason === "hlt" && halted.until > performance.now() + 1e9);
  hcall(1, call("H_PROD"), 0);
  assert.equal(vm.vcpu(0).run({ deadline: performance.now() + 10 }).reason, "intr");
  assert.equal(cpu.stats()["wakes"], 1);
  assert.equal(hcall(1, call("H_PROD"), 7)?.status, status.parameter);
  // The decrementer ends a halt too.
  setField(cpu, "decExpiry", 1n);
  hcall(0, call("H_CEDE"));
  assert.equal(vm.vcpu(0).run({ deadline: performance.now() + 10 }).reason, "intr");
});

test("H_CONFER names a processor or all, and gives way where they share a thread", () => {
  const { vm, hcall } = ready();
  assert.equal(hcall(0, call("H_CONFER"), -1n)?.status, status.success);
  assert.equal(vm.vcpu(0).run({ deadline: performance.now() + 1000 }).reason, "intr");
  assert.equal(hcall(0, call("H_CONFER"), 1)?.status, status.success);
  assert.equal(hcall(0, call("H_CONFER"), 5)?.status, status.parameter);
});

test("H_SET_MODE sets breakpoints and how interrupts are taken", () => {
  const { vm, cpus, enable, hcall } = ready();
  enable("H_SET_MODE");
  const set = (...args: (bigint | number)[]) => hcall(0, call("H_SET_MODE"), ...args)?.status;
  assert.equal(set(1, 4), status.success);
  assert.equal(set(3, 3), status.success);
  assert.deepEqual([vm.mem.i32(archLayout.interruptLittleEndian), vm.mem.i32(archLayout.ail)], [1, 3]);
  assert.deepEqual([set(2, 4), set(1, 4, 1), set(1, 4, 0, 1)], [status.flag, status.p3, status.p4]);
  assert.deepEqual(
    [set(1, 3), set(4, 3), set(0, 3, 1), set(0, 3, 0, 1)],
    [status.flag, status.flag, status.p3, status.p4],
  );
  assert.equal(set(0, 1, 0x1001), status.success);
  assert.deepEqual([set(1, 1), set(0, 1, 3), set(0, 1, 1, 1)], [status.flag, status.p3, status.p4]);
  assert.equal(set(0, 2, 0x2000, 3), status.success);
  assert.deepEqual([set(1, 2), set(0, 2, 0, 4), set(0, 9)], [status.flag, status.p4, status.p2]);
  const [cpu] = cpus;
  assert.ok(cpu);
  assert.deepEqual([getField(cpu, "ciabr"), getField(cpu, "dawr0"), getField(cpu, "dawrx0")], [0x1001n, 0x2000n, 3n]);
});

test("TCEs are put, got and stuffed in their table", () => {
  const { vm, enable, hcall, view } = ready();
  enable("H_STUFF_TCE");
  enable("H_PUT_TCE_INDIRECT");
  const table = vm.createSpaprTce({ liobn: 0x80000000n, pageShift: 12, offset: 0n, size: 256n });
  const put = (...args: (bigint | number)[]) => hcall(0, call("H_PUT_TCE"), 0x80000000n, ...args)?.status;
  assert.equal(put(0x3000, 0x5003), status.success);
  assert.equal(table.get(3), 0x5003n);
  const got = hcall(0, call("H_GET_TCE"), 0x80000000n, 0x3000);
  assert.deepEqual([got?.status, got?.r4], [status.success, 0x5003n]);
  assert.equal(put(0x3001, 0x5003), status.parameter);
  assert.equal(put(0x100000, 0x5003), status.parameter);
  assert.equal(put(0x3000, 0x5013), status.parameter);
  assert.equal(hcall(0, call("H_PUT_TCE"), 0x80000001n, 0, 0), undefined);
  assert.equal(hcall(0, call("H_GET_TCE"), 1, 0), undefined);
  assert.equal(hcall(0, call("H_GET_TCE"), 0x80000000n, 0x100000)?.status, status.parameter);

  for (let i = 0; i < 512; i++) view().setBigUint64(0x8000 + 8 * i, BigInt(i) * 0x1000n + 3n);
  const indirect = (...args: (bigint | number)[]) => hcall(0, call("H_PUT_TCE_INDIRECT"), 0x80000000n, ...args)?.status;
  assert.equal(indirect(0x10000, 0x8000, 64), status.success);
  assert.equal(table.get(16 + 63), 0x3f003n);
  assert.equal(indirect(0, 0x8008, 4), status.parameter);
  assert.equal(indirect(0, 0x8000, 257), status.parameter);
  assert.equal(indirect(0, 0x8000, 513), status.parameter);
  assert.equal(indirect(0, 0x10000000, 4), status.parameter);
  view().setBigUint64(0x8000 + 8, 0x1013n);
  const before = table.get(0);
  assert.equal(indirect(0, 0x8000, 4), status.parameter);
  assert.equal(table.get(0), before);

  const stuff = (...args: (bigint | number)[]) => hcall(0, call("H_STUFF_TCE"), 0x80000000n, ...args)?.status;
  assert.equal(stuff(0x10000, 0, 64), status.success);
  assert.equal(table.get(16), 0n);
  assert.equal(stuff(0, 3, 4), status.parameter);
  assert.equal(stuff(0, 0, 257), status.parameter);
  table.close();
  assert.equal(put(0x3000, 0), undefined);
});

test("creating a TCE table refuses what Linux refuses", () => {
  const { vm } = ready();
  const good = { liobn: 1n, pageShift: 12, offset: 0n, size: 16n };
  const create = (change: object) => () => vm.createSpaprTce({ ...good, ...change });
  assert.throws(create({ flags: 1 }), errno("EINVAL"));
  assert.throws(create({ pageShift: 5 }), errno("EINVAL"));
  assert.throws(create({ size: 0n }), errno("EINVAL"));
  assert.throws(create({ offset: 1n << 60n }), errno("EINVAL"));
  assert.throws(create({ liobn: 1n << 32n }), errno("EINVAL"));
  assert.throws(create({ size: 1n << 30n }), errno("ENOMEM"));
  create({})();
  assert.throws(create({}), errno("EBUSY"));
});

test("H_REGISTER_VPA takes well-formed areas, in order", () => {
  const { cpus, hcall, view } = ready();
  const code = (n: number) => BigInt(n) << 45n;
  const register = (flags: bigint, address: number, cpu = 0) =>
    hcall(0, call("H_REGISTER_VPA"), flags, cpu, address)?.status;
  view().setUint16(0x1004, 640);
  view().setUint32(0x2004, 48 * 4);
  view().setUint32(0x3004, 512);
  assert.equal(register(code(2), 0x2000), status.resource);
  assert.equal(register(code(3), 0x3000), status.resource);
  assert.equal(register(code(1), 0x1000), status.success);
  assert.equal(view().getUint32(0x1100), 2);
  assert.equal(view().getUint8(0x1009), 2);
  assert.equal(register(code(2), 0x2000), status.success);
  assert.equal(register(code(3), 0x3000), status.success);
  assert.equal(register(code(5), 0), status.resource);
  // Halting shows in the yield count, being dispatched in the log.
  hcall(0, call("H_CEDE"));
  assert.equal(view().getUint32(0x1100), 3);
  hcall(1, call("H_PROD"), 0);
  cpus[0]?.run({ deadline: performance.now() + 5 });
  assert.equal(view().getUint32(0x1100), 4);
  assert.equal(view().getBigUint64(0x1218), 1n);
  assert.equal(view().getUint8(0x2000), 7);
  assert.deepEqual([register(code(6), 0), register(code(7), 0), register(code(5), 0)], [0n, 0n, 0n]);
  assert.equal(register(code(1), 0x1010), status.parameter);
  assert.equal(register(code(1), 0), status.parameter);
  assert.equal(register(code(1), 0x4000), status.parameter);
  assert.equal(register(code(1), 0x7fff0000), status.parameter);
  assert.equal(register(code(4), 0x1000), status.parameter);
  assert.equal(register(code(1), 0x1000, 9), status.parameter);
  view().setUint16(0x1e84, 640);
  assert.equal(register(code(1), 0x1e80), status.parameter);
});

test("H_LOGICAL_CI_LOAD and _STORE reach memory and eventfds, else the user side", () => {
  const { vm, enable, hcall, view } = ready();
  enable("H_LOGICAL_CI_LOAD");
  enable("H_LOGICAL_CI_STORE");
  const store = (...args: (bigint | number)[]) => hcall(0, call("H_LOGICAL_CI_STORE"), ...args)?.status;
  assert.equal(store(4, 0x100, 0x11223344), status.success);
  assert.equal(view().getUint32(0x100), 0x11223344);
  assert.deepEqual(hcall(0, call("H_LOGICAL_CI_LOAD"), 2, 0x102)?.r4, 0x3344n);
  assert.equal(store(4, 0x102, 0), status.parameter);
  assert.equal(store(3, 0x100, 0), status.parameter);
  assert.equal(store(2, 0x40000000, 0x1234), undefined);
  const fd = vm.createEventFd();
  vm.ioeventfd({ fd, addr: 0x40000000n, len: 2, flags: 1, datamatch: 0x3412n });
  assert.equal(store(2, 0x40000000, 0x1234), status.success);
  assert.equal(fd.read(), 1n);
  assert.equal(hcall(0, call("H_LOGICAL_CI_LOAD"), 2, 0x40000000), undefined);
});

test("H_SET_SPRG0 writes the caller's SPRG0", () => {
  const { cpus, enable, hcall } = ready();
  enable("H_SET_SPRG0");
  assert.equal(hcall(1, call("H_SET_SPRG0"), 0xcafe_0123_4567_89abn)?.status, status.success);
  const values = cpus.map((cpu) => BigInt.asUintN(64, getField(cpu, "sprg0")));
  assert.deepEqual(values.slice(0, 2), [0n, 0xcafe_0123_4567_89abn]);
});

test("H_PAGE_INIT clears and copies pages", () => {
  const { enable, hcall, view } = ready();
  enable("H_PAGE_INIT");
  const init = (...args: (bigint | number)[]) => hcall(0, call("H_PAGE_INIT"), ...args)?.status;
  view().setUint32(0x5ffc, 77);
  assert.equal(init(1 << 14, 0x6000, 0x5000), status.success);
  assert.equal(view().getUint32(0x6ffc), 77);
  assert.equal(init(1 << 15, 0x5000), status.success);
  assert.equal(view().getUint32(0x5ffc), 0);
  assert.equal(init(1, 0x5000), status.parameter);
  assert.equal(init(1 << 15, 0x5001), status.parameter);
  assert.equal(init(1 << 15, 0x40000000), status.parameter);
  assert.equal(init(1 << 14, 0x5000, 0x40000000), status.parameter);
});

test("H_RANDOM and H_RPT_INVALIDATE", () => {
  const { vm, enable, hcall } = ready();
  enable("H_RANDOM");
  enable("H_RPT_INVALIDATE");
  const values = new Set(Array.from({ length: 4 }, () => hcall(0, call("H_RANDOM"))?.r4));
  assert.equal(values.size, 4);
  assert.equal(hcall(0, call("H_RPT_INVALIDATE"), 1, 2, 1)?.status, status.success);
  assert.equal(hcall(0, call("H_RPT_INVALIDATE"), 1, 4, 1)?.status, status.p2);
  vm.close();
});

function withXics() {
  const it = ready();
  const device = it.vm.createDevice(KVM_DEV_TYPE_XICS);
  assert.ok(device);
  for (const id of [0, 1]) it.vm.vcpu(id).enableCap({ cap: KVM_CAP_IRQ_XICS, args: [device.fd, id] });
  device.setAttr(1, 0x1000n, 5n << 32n);
  return { ...it, device };
}

test("without a XICS its calls are the user side's", () => {
  const { vm, hcall } = ready();
  for (const name of ["H_XIRR", "H_XIRR_X", "H_EOI", "H_CPPR", "H_IPI", "H_IPOLL"]) {
    assert.equal(hcall(0, call(name), 0, 4), undefined);
  }
  assert.throws(() => vm.vcpu(0).enableCap({ cap: KVM_CAP_IRQ_XICS, args: [1003, 0] }), errno("EBADF"));
});

test("the XICS's calls present, take and end interrupts", () => {
  const { vm, device, cpus, hcall } = withXics();
  const [first, second] = cpus;
  assert.ok(first && second);
  hcall(1, call("H_CPPR"), 0xff);
  assert.equal(hcall(0, call("H_IPI"), 1, 4)?.status, status.success);
  assert.equal(getField(second, "externalPending"), 1n);
  const polled = hcall(0, call("H_IPOLL"), 1);
  assert.deepEqual([polled?.r4, polled?.r5], [0xff000002n, 4n]);
  assert.equal(hcall(1, call("H_XIRR"))?.r4, 0xff000002n);
  assert.equal(getField(second, "externalPending"), 0n);
  hcall(1, call("H_IPI"), 1, 0xff);
  hcall(1, call("H_EOI"), 0xff000002n);
  hcall(0, call("H_CPPR"), 0xff);
  vm.irqLine(0x1000, 1);
  vm.irqLine(0x1000, 0);
  const taken = hcall(0, call("H_XIRR_X"));
  assert.equal(taken?.r4, 0xff001000n);
  assert.ok((taken?.r5 ?? 0n) > 0n);
  assert.equal(hcall(0, call("H_IPI"), 9, 4)?.status, status.parameter);
  assert.equal(hcall(0, call("H_IPI"), -1n, 4)?.status, status.parameter);
  assert.equal(hcall(0, call("H_IPOLL"), 9)?.status, status.parameter);
  assert.equal(vm.signalMsi({ address: 0n, data: 0x1000 }), 1);
  assert.equal(vm.signalMsi({ address: 0n, data: 0x1999 }), -1);
  assert.throws(() => vm.irqLine(0x1999, 1), errno("EINVAL"));
  assert.throws(() => vm.createDevice(KVM_DEV_TYPE_XICS), errno("EEXIST"));
  const connect =
    (...args: number[]) =>
    () =>
      vm.vcpu(0).enableCap({ cap: KVM_CAP_IRQ_XICS, args });
  assert.throws(connect(device.fd, 0), errno("EBUSY"));
  assert.throws(connect(5, 0), errno("EPERM"));
});

test("RTAS calls with a defined token end in the kernel side", () => {
  const { vm, hcall, view } = withXics();
  const rtas = (token: number, args: number[], results: number) => {
    const words = [token, args.length, results, ...args, ...Array<number>(results).fill(0xeeee)];
    for (const [i, word] of words.entries()) view().setUint32(0x200 + 4 * i, word);
    if (hcall(0, 0xf000, 0x200) === undefined) return undefined;
    return Array.from({ length: results }, (_, i) => view().getInt32(0x200 + 12 + 4 * (args.length + i)));
  };
  assert.equal(rtas(0x2001, [0x1000, 1, 6], 1), undefined);
  vm.rtasDefineToken("ibm,set-xive", 0x2001);
  vm.rtasDefineToken("ibm,get-xive", 0x2002);
  vm.rtasDefineToken("ibm,int-off", 0x2003);
  vm.rtasDefineToken("ibm,int-on", 0x2004);
  assert.deepEqual(rtas(0x2001, [0x1000, 1, 6], 1), [0]);
  assert.deepEqual(rtas(0x2002, [0x1000], 3), [0, 1, 6]);
  assert.deepEqual(rtas(0x2003, [0x1000], 1), [0]);
  assert.deepEqual(rtas(0x2002, [0x1000], 3), [0, 1, 0xff]);
  assert.deepEqual(rtas(0x2004, [0x1000], 1), [0]);
  assert.deepEqual(rtas(0x2002, [0x1000], 3), [0, 1, 6]);
  assert.deepEqual(rtas(0x2004, [0x1999], 1), [-3]);
  assert.deepEqual(rtas(0x2004, [], 1), [-3]);
  assert.equal(hcall(0, 0xf000, 0x70000000), undefined);
  assert.throws(() => vm.rtasDefineToken("power-off", 1), errno("ENOENT"));
  assert.throws(() => vm.rtasDefineToken("ibm,set-xive", 0x2002), errno("EEXIST"));
  assert.throws(() => vm.rtasDefineToken("ibm,set-xive", -1), errno("EINVAL"));
  vm.rtasDefineToken("ibm,set-xive", 0);
  assert.equal(rtas(0x2001, [0x1000, 1, 6], 1), undefined);
});
