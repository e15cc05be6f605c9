import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  CreateSpaprTce,
  PpcKvm,
  PpcMmuV3,
  PpcRegs,
  PpcVcpu,
  PpcVm,
  SpaprTce,
} from "../../../arch/powerpc/uapi.js";
import { type Exit, KvmError } from "../../../kvm/uapi.js";
import type { CpuState, Outcome, RunControl, TraceSink } from "../../core/machine.js";
import { EduDevice, eduIdentification, eduRegister } from "../../devices/pci/edu.js";
import { findNode, readDeviceTree } from "../../devicetree/reader.js";
import { VmmError } from "../../errors.js";
import type { ElfImage } from "../../loaders/elf.js";
import { createPseries, type PseriesOptions } from "./machine.js";
import { createPseriesVcpuSide } from "./vcpu-side.js";

const mebi = 1048576;

/** Enough of a KVM to build a machine on, which remembers what it was told. */
class FakeKvm {
  readonly ram: Uint8Array;
  readonly regs = new Map<number, PpcRegs>();
  readonly tokens = new Map<string, number>();
  readonly mmu: PpcMmuV3[] = [];
  readonly htabs: number[] = [];
  readonly written: [bigint, number][] = [];
  readonly lines: (number | boolean)[] = [];
  readonly caps: number[] = [];
  open = 0;
  outOfMemory = false;

  constructor(size: number) {
    this.ram = new Uint8Array(size);
  }

  get kvm(): PpcKvm {
    return {
      checkExtension: () => 4,
      createVm: (type: number) => {
        if (type === 1) throw new KvmError("EINVAL", "KVM_CREATE_VM: no implementation of type 1 is loaded");
        this.open++;
        return this.#vm();
      },
    } as unknown as PpcKvm;
  }

  #vm(): PpcVm {
    const vm: Partial<PpcVm> = {
      shared: false,
      allocate: () => {
        if (this.outOfMemory) throw new KvmError("ENOMEM", "no room");
        return 0;
      },
      bytes: (address, length) => this.ram.subarray(address, address + length),
      setUserMemoryRegion: () => undefined,
      guestWritten: (address, length) => void this.written.push([address, length]),
      enableCap: () => undefined,
      createDevice: () => {
        this.open++;
        const device = { fd: 3, setAttr: () => undefined, close: () => void this.open-- };
        return device as unknown as ReturnType<PpcVm["createDevice"]>;
      },
      createVcpu: (id) => this.#vcpu(id),
      rtasDefineToken: (name, token) => void this.tokens.set(name, token),
      allocateHtab: (order) => {
        this.htabs.push(order);
        return order;
      },
      configureV3Mmu: (config) => void this.mmu.push(config),
      getCpuChar: () => ({ character: 1n << 62n, behaviour: 7n << 54n, characterMask: -1n, behaviourMask: -1n }),
      getRmmuInfo: () => ({ geometries: [], apEncodings: [12, 0xa0000010, 0x20000015, 0x4000001e] }),
      irqLine: (_irq, level) => void this.lines.push(level),
      stats: () => ({}),
      // At the top of what there is.
      createSpaprTce: (tce: CreateSpaprTce) =>
        ({ ...tce, fd: 9, address: this.ram.length - Number(tce.size) * 8 }) as unknown as SpaprTce,
      close: () => void this.open--,
    };
    return vm as PpcVm;
  }

  #vcpu(id: number): PpcVcpu {
    this.open++;
    const vcpu: Partial<PpcVcpu> = {
      id,
      enableCap: ({ cap }) => void this.caps.push(cap),
      getOneReg: () => 1n << 25n,
      getSregs: () => ({ pvr: 0n }),
      setSregs: () => undefined,
      getRegs: () =>
        ({ gpr: Array<bigint>(32).fill(99n), pc: 0n, msr: 0n, ...this.regs.get(id) }) as unknown as PpcRegs,
      setRegs: (regs) => void this.regs.set(id, regs),
      close: () => void this.open--,
    };
    return vcpu as PpcVcpu;
  }
}

const kernel: ElfImage = {
  byteOrder: "little",
  entry: 0x100,
  segments: [{ address: 0, size: mebi, data: Uint8Array.of(1, 2, 3, 4) }],
};

function setUp(options: Partial<PseriesOptions> = {}) {
  const fake = new FakeKvm(32 * mebi);
  const outcomes: Outcome[] = [];
  const states: CpuState[] = ["running", "stopped"];
  const events: string[] = [];
  const control: RunControl = {
    cpuState: (cpu) => states[cpu] ?? "stopped",
    startCpu: (cpu) => void events.push(`start ${cpu}`),
    stopCpu: (cpu) => void events.push(`stop ${cpu}`),
    wake: () => undefined,
    consoleChanged: () => void events.push("console"),
    end: (outcome) => void outcomes.push(outcome),
  };
  const create = (trace?: TraceSink) =>
    createPseries(
      {
        kvm: fake.kvm,
        type: 0,
        kernel,
        initrd: Uint8Array.of(5, 6, 7),
        commandLine: "console=hvc0",
        memorySize: 32 * mebi,
        cpus: 2,
        ...options,
      },
      control,
      trace,
    );
  return { fake, outcomes, events, create };
}

const hcall = (nr: number, ...args: bigint[]): Exit & { reason: "papr_hcall" } => ({
  reason: "papr_hcall",
  nr,
  ret: -2n,
  args: [...args, ...Array<bigint>(9).fill(0n)].slice(0, 9),
});

test("the boot CPU finds the device tree, and in it the kernel's command line, the initrd and the firmware stub", () => {
  const { fake, events, create } = setUp();
  create().start();
  assert.deepEqual(events, ["start 0"]);
  const regs = fake.regs.get(0);
  assert.ok(regs);
  assert.equal(regs.pc, 0x100n);
  assert.equal(regs.msr, (1n << 63n) | 0x1001n);
  assert.deepEqual([regs.gpr[4], regs.gpr[5], regs.gpr[6]], [0n, 0n, 0n]);
  const { root, reservations } = readDeviceTree(fake.ram.subarray(Number(regs.gpr[3])));
  const text = (path: string, name: string) => new TextDecoder().decode(findNode(root, path)?.properties.get(name));
  const number = (path: string, name: string) => {
    const bytes = findNode(root, path)?.properties.get(name) ?? new Uint8Array(8);
    return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  };
  assert.equal(text("/chosen", "bootargs"), "console=hvc0\0");
  const initrd = number("/chosen", "linux,initrd-start");
  assert.deepEqual(fake.ram.slice(initrd, number("/chosen", "linux,initrd-end")), Uint8Array.of(5, 6, 7));
  const base = number("/rtas", "linux,rtas-base");
  assert.deepEqual(reservations, [{ address: BigInt(base), size: BigInt(number("/rtas", "rtas-size")) }]);
  assert.deepEqual(fake.ram.slice(base + 12, base + 16), Uint8Array.of(0x44, 0, 0, 0x22), "sc 1");
  assert.equal(number("/rtas", "ibm,get-xive"), fake.tokens.get("ibm,get-xive"));
  assert.equal(findNode(root, "/cpus")?.children.length, 2);
  assert.deepEqual(fake.ram.slice(0, 4), Uint8Array.of(1, 2, 3, 4));
  // Radix trees, shot down by the guest itself; XICS.
  const vector = findNode(root, "/chosen")?.properties.get("ibm,architecture-vec-5");
  assert.deepEqual([vector?.[23], vector?.[24], vector?.[26]], [0, 0x40, 0x40]);
});

test("disable_radix on the command line gives the guest a hashed page table, and tells it so", () => {
  const asked = (commandLine: string) => {
    const { fake, create } = setUp({ commandLine });
    create().start();
    const { root } = readDeviceTree(fake.ram.subarray(Number(fake.regs.get(0)?.gpr[3])));
    const vector = findNode(root, "/chosen")?.properties.get("ibm,architecture-vec-5");
    const [cpu] = findNode(root, "/cpus")?.children ?? [];
    return [fake.htabs, fake.mmu.length, vector?.[24], cpu?.properties.get("ibm,pft-size")?.[7]];
  };
  // 2^18 bytes are the least.
  for (const text of ["disable_radix", "quiet disable_radix=on nokaslr"])
    assert.deepEqual(asked(text), [[18], 0, 0, 18]);
  for (const text of ["", "disable_radix=off", "disable_radixes", "x.disable_radix"]) {
    assert.deepEqual(asked(text), [[], 1, 0x40, 23]);
  }
});

test("H_REGISTER_PROC_TBL checks what it is given", () => {
  const { fake, create } = setUp();
  const machine = create();
  const register = (...args: bigint[]): bigint => {
    const exit = hcall(0x37c, ...args);
    machine.answer(0, exit);
    return exit.ret;
  };
  assert.equal(register(0x1dn, 0x1000000n, 0n, 12n), 0n);
  assert.deepEqual(fake.mmu.at(-1), { radix: true, gtse: true, processTable: 0x100000cn });
  assert.equal(register(0x3dn, 0n, 0n, 12n), -4n);
  assert.equal(register(0x19n, 0x1000000n, 0n, 12n), -4n, "hash is not there");
  assert.equal(register(0x1dn, 0x1000800n, 0n, 12n), -55n);
  assert.equal(register(0x1dn, 0x1000000n, 1n, 12n), -56n);
  assert.equal(register(0x1dn, 0x1000000n, 0n, 25n), -57n);
});

test("H_GET_CPU_CHARACTERISTICS answers what KVM says of the processor", () => {
  const { create } = setUp();
  const exit = hcall(0x1c8);
  create().answer(0, exit);
  assert.deepEqual([exit.ret, exit.args[0], exit.args[1]], [0n, 1n << 62n, 7n << 54n]);
});

test("H_RTAS with a buffer outside memory fails, whatever the address", () => {
  const { outcomes, create } = setUp();
  const machine = create();
  for (const address of [32n << 20n, -1n, 1n << 63n, (1n << 64n) - 4n]) {
    const exit = hcall(0xf000, address);
    machine.answer(0, exit);
    assert.equal(exit.ret, -4n);
  }
  assert.deepEqual(outcomes, []);
});

test("a machine check enters the handler that the guest registered, with an error log; one at a time", () => {
  const { fake, outcomes, create } = setUp();
  const machine = create();
  machine.start();
  const block = 0x4000;
  const ram = new DataView(fake.ram.buffer);
  const rtas = (cpu: number, token: number, ...inputs: number[]): number => {
    for (const [i, word] of [token, inputs.length, 1, ...inputs, 0].entries()) ram.setUint32(block + 4 * i, word);
    machine.answer(cpu, hcall(0xf000, BigInt(block)));
    return ram.getInt32(block + 12 + 4 * inputs.length);
  };
  const [register, interlock] = [0x202a, 0x202b];
  assert.equal(rtas(0, register, 0x100, 32 * mebi), -3, "no memory there");
  assert.equal(rtas(0, register, 0x100, 0x202), -3, "no instruction there");
  assert.equal(rtas(0, interlock), -3);
  assert.ok(!fake.caps.includes(146));
  assert.equal(rtas(0, register, 0x8000, 0x8200), 0);
  assert.ok(fake.caps.includes(146));

  const check = (cpu: number) => {
    const before = fake.regs.get(0);
    assert.ok(before);
    fake.regs.set(cpu, {
      ...before,
      gpr: [...before.gpr.keys()].map(BigInt),
      pc: 0xfff0_0000n,
      msr: 0x8000_0000_783f_9033n,
    });
    machine.answer(cpu, { reason: "nmi", flags: 3 });
    return fake.regs.get(cpu) as PpcRegs;
  };
  const regs = check(1);
  assert.deepEqual([regs.pc, regs.msr], [0x8200n, (1n << 63n) | 0x1001n]);
  assert.deepEqual([regs.srr0, regs.srr1], [0xfff0_0000n, 0x8000_0000_080c_9033n]);
  const at = Number(regs.gpr[3]);
  assert.equal(ram.getBigUint64(at), 3n, "r3 as it was");
  const log = [...fake.ram.subarray(at + 8, at + 8 + 64)];
  // Version 6; synchronous, not recovered, extended; memory.
  assert.deepEqual(log.slice(0, 8), [6, 0x74, 0x40, 0, 0, 0, 0, 56]);
  assert.deepEqual(log.slice(8, 24), [0x92, 0, 0x8e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x49, 0x42, 0x4d, 0]);
  assert.deepEqual(log.slice(24, 42), [0x4d, 0x43, 0, 40, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0xc1]);
  assert.equal(ram.getBigUint64(at + 8 + 48), 0xfff0_0000n);

  assert.equal(check(0).pc, 0xfff0_0000n, "while CPU 1 has the log, CPU 0 waits");
  assert.equal(rtas(0, interlock), -3, "it is not CPU 0's");
  assert.equal(rtas(1, interlock), 0);
  assert.equal(check(0).pc, 0x8200n);
  assert.deepEqual(outcomes, []);
  check(0);
  assert.deepEqual(outcomes, [{ kind: "crash", message: "a machine check while another was being handled" }]);
});

test("console input is an edge; ends are reported", () => {
  const { fake, outcomes, create } = setUp();
  const machine = create();
  machine.consoleInput();
  assert.deepEqual(fake.lines, [1, 0]);
  machine.answer(0, { reason: "shutdown" });
  machine.answer(0, { reason: "system_event", type: 2, flags: 0n });
  machine.answer(0, { reason: "system_event", type: 3, flags: 0x200n });
  machine.answer(0, { reason: "fail_entry", hardwareEntryFailureReason: 5n });
  assert.deepEqual(
    outcomes.map((outcome) => outcome.kind),
    ["powerOff", "reboot", "crash", "failed"],
  );
  machine.close();
  assert.equal(fake.open, 0, "every handle closed");
});

test("on the vCPU's thread: the terminal, unknown hypercalls, accesses to nothing", () => {
  const { create } = setUp();
  const machine = create();
  let announced = 0;
  const host = { announceConsole: () => void announced++, mayWait: false, trace: undefined };
  const side = createPseriesVcpuSide(0, machine.shared, host);
  const put = (unit: bigint, length: bigint): bigint => {
    const exit = hcall(0x58, unit, length, 0x4142_0000_0000_0000n, 0n);
    assert.ok(side.answer(exit));
    return exit.ret;
  };
  assert.equal(put(0x71000000n, 2n), 0n);
  assert.equal(put(0n, 2n), 0n);
  assert.equal(put(0x71000001n, 2n), -4n);
  assert.equal(put(0x71000000n, 17n), -4n);
  assert.equal(put(0x71000000n, -1n), -4n);
  assert.equal(announced, 1);
  assert.equal(new TextDecoder().decode(machine.console.drain()), "ABAB");
  machine.console.offer(new TextEncoder().encode("ls\r"));
  const get = hcall(0x54, 0x71000000n);
  assert.ok(side.answer(get));
  assert.deepEqual([get.ret, get.args[0], get.args[1]], [0n, 3n, 0x6c73_0d00_0000_0000n]);
  const unknown = hcall(0x1234);
  assert.ok(side.answer(unknown));
  assert.equal(unknown.ret, -2n);
  for (let number = 0x10000; number < 0x20000; number += 4) side.answer(hcall(number));
  assert.equal(side.stats()["user.others"], 1 + 0x4000);
  assert.deepEqual(Object.keys(side.stats()), ["user.H_PUT_TERM_CHAR", "user.H_GET_TERM_CHAR", "user.others"]);
  assert.equal(side.answer(hcall(0xf000)), false);
  const load: Exit = { reason: "mmio", physAddr: 1n << 40n, length: 4, isWrite: false, data: 0n };
  assert.ok(side.answer(load));
  assert.equal(load.data, 0xffff_ffffn);
});

test("RTAS tokens are the guest's to choose, and all that mean nothing are counted as one", () => {
  const { fake, create } = setUp();
  const traced: string[] = [];
  const machine = create((_category, _cpu, text) => void traced.push(text));
  const ram = new DataView(fake.ram.buffer);
  for (let token = 0x10000; token < 0x12000; token++) {
    ram.setUint32(0x4000, token);
    machine.answer(0, hcall(0xf000, 0x4000n));
  }
  machine.answer(0, hcall(0xf000, -1n));
  const counted = Object.entries(machine.stats()).filter(([name]) => name.startsWith("rtas_"));
  assert.deepEqual(counted, [
    ["rtas_others", 0x2000],
    ["rtas_bad_buffer", 1],
  ]);
  assert.deepEqual(
    traced.find((text) => text.startsWith("token")),
    "token 0x10000() status=-3",
  );
  assert.ok(traced.includes("bad_buffer"));
});

test("PCI devices: in the tree, behind MMIO that the machine's thread answers, and as new after a reboot", () => {
  const device = new EduDevice();
  const { fake, create } = setUp({ pciDevices: [device, new EduDevice()] });
  const machine = create();
  machine.start();
  const { root } = readDeviceTree(fake.ram.subarray(Number(fake.regs.get(0)?.gpr[3])));
  const bridge = findNode(root, "/pci@800000020000000");
  assert.ok(bridge);
  assert.deepEqual(
    bridge.children.map(({ name }) => name),
    ["pci1234,756b@0", "pci1234,756b@1"],
  );
  const cells = (node: typeof bridge | undefined, property: string): number[] => {
    const bytes = node?.properties.get(property) ?? new Uint8Array(0);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i));
  };
  assert.deepEqual(cells(bridge, "interrupt-map"), [0, 0, 0, 1, 1, 0x1200, 1, 0x800, 0, 0, 1, 1, 0x1201, 1]);
  assert.deepEqual(cells(bridge, "ibm,dma-window"), [0x8000_0000, 0, 0, 0, 0x4000_0000]);
  assert.deepEqual(cells(bridge, "ibm,ddw-applicable"), [0x2026, 0x2027, 0x2028]);
  assert.deepEqual(cells(bridge.children[1], "reg"), [
    ...[0x800, 0, 0, 0, 0],
    ...[0x0200_0810, 0, 0, 0, 0x1000],
    ...[0x0200_0814, 0, 0, 0, 0x1000],
    ...[0x4300_0818, 0, 0, 0, 0x1_0000],
  ]);
  assert.deepEqual(cells(bridge.children[1], "ibm,req#msi-x"), [4]);

  const side = createPseriesVcpuSide(0, machine.shared, {
    announceConsole: () => undefined,
    mayWait: false,
    trace: undefined,
  });
  const access = (physAddr: bigint, length: number, data?: bigint): bigint | "here" => {
    const exit: Exit = { reason: "mmio", physAddr, length, isWrite: data !== undefined, data: data ?? 0n };
    if (side.answer(exit)) return "here";
    machine.answer(0, exit);
    return exit.data;
  };
  const registers = 0x2000_8000_0000n;
  assert.equal(access(registers, 4), 0xffff_ffffn, "no BAR is there yet");
  assert.equal(access(registers - 1n, 4), "here", "only part of it in the window");
  assert.equal(access(0x2100_0000_0000n - 4n, 8), "here");
  const rtas = (token: number, outputs: number, ...inputs: number[]): void => {
    const ram = new DataView(fake.ram.buffer);
    for (const [i, word] of [token, inputs.length, outputs, ...inputs].entries()) ram.setUint32(0x4000 + 4 * i, word);
    machine.answer(0, hcall(0xf000, 0x4000n));
    assert.equal(ram.getInt32(0x4000 + 12 + 4 * inputs.length), 0);
  };
  const writeConfig = (register: number, size: number, value: number): void =>
    rtas(0x2017, 1, register, 0x0800_0000, 0x2000_0000, size, value);
  writeConfig(0x10, 4, 0x8000_0000);
  writeConfig(0x04, 2, 2);
  assert.equal(access(registers, 4), BigInt(eduIdentification));
  access(registers + BigInt(eduRegister.interruptRaise), 4, 1n);
  assert.equal(fake.lines.at(-1), true);
  machine.close();
  assert.equal(fake.lines.at(-1), false);
  assert.equal(fake.open, 0);
  const again = create();
  assert.equal(device.read(0, eduRegister.interruptStatus, 4), 0n);
  again.close();
});

const refused: readonly (readonly [what: string, Partial<PseriesOptions>, RegExp])[] = [
  ["too little memory", { memorySize: 65536 }, /at least 16M/],
  ["too much memory", { memorySize: 2 ** 36 }, /at most/],
  ["too many CPUs", { cpus: 5 }, /1 to 4 CPUs/],
  ["an unknown CPU", { cpuModel: "POWER3" }, /there is POWER8, POWER9, POWER10/],
  ["a XIVE for a processor without", { cpuModel: "POWER8", interruptMode: "xive" }, /a POWER8 has no XIVE/],
  ["a long command line", { commandLine: "x".repeat(2048) }, /command line is longer/],
  ["a large initrd", { initrd: new Uint8Array(40 * mebi) }, /initrd .* does not fit/],
  ["more devices than slots", { pciDevices: Array.from({ length: 33 }, () => new EduDevice()) }, /32 slots/],
  ["an implementation that is not there", { type: 1 }, /no VM can be created: .*type 1/],
];
for (const [what, options, message] of refused) {
  test(`refused, and nothing left open: ${what}`, () => {
    const { fake, create } = setUp(options);
    assert.throws(create, (error) => error instanceof VmmError && message.test(error.message));
    assert.equal(fake.open, 0);
  });
}

test("refused, and nothing left open: a platform without room", () => {
  const { fake, create } = setUp();
  fake.outOfMemory = true;
  assert.throws(create, /no 32M of memory/);
  assert.equal(fake.open, 0);
});
