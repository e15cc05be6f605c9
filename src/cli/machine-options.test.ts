import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Command, CommanderError, Option } from "commander";
import { KVM_CAP_MAX_VCPUS } from "../kvm/uapi.js";
import { type LoadedMachine, loadMachine, machineRow } from "../vmm/machines/machines.js";
import { loadKvmFor } from "./kvm.js";
import {
  cpuOption,
  guestOption,
  type MachineOptionValues,
  machineOption,
  memoryOption,
  mostCpus,
  settleMachine,
} from "./machine-options.js";

const mebibyte = 1 << 20;
const pseries = await loadMachine();
const real = await loadMachine(machineRow("pc"));
/** A second one, smaller, with processors of its own. */
const pc: LoadedMachine = {
  ...pseries,
  name: "pc",
  cpuModels: ["x86-64-v3"],
  options: {},
  guest: real.guest,
  isKernel: real.isKernel,
  memory: { minimum: mebibyte, maximum: 64 * mebibyte, granule: 4096 },
};
const loaded = [pseries, pc];

function parse(...args: readonly string[]): MachineOptionValues {
  const command = new Command("run").exitOverride().configureOutput({ writeErr: () => undefined });
  for (const option of [
    ...[memoryOption("64M", loaded), cpuOption(loaded), machineOption(loaded)],
    ...[new Option("--kernel <file>"), guestOption()],
  ])
    command.addOption(option);
  command.hook("preAction", settleMachine(loaded)).action(() => undefined);
  command.parse(args, { from: "user" });
  return command.opts<MachineOptionValues>();
}
const refused = (message: RegExp) => (error: unknown) => error instanceof CommanderError && message.test(error.message);

test("--cpu and --memory are the chosen machine's, in any order", () => {
  const { machine, memory, cpu } = parse("--cpu", "X86-64-V3", "--memory", "2M", "--machine", "pc");
  assert.deepEqual([machine.machine.name, memory, cpu], ["pc", 2 * mebibyte, "x86-64-v3"]);
  const usual = parse();
  assert.deepEqual([usual.machine.machine.name, usual.memory, usual.cpu], ["pseries", 64 * mebibyte, undefined]);
});

test("what another machine has is refused, with what was asked", () => {
  for (const [args, message] of [
    [
      ["--cpu", "POWER9", "--machine", "pc"],
      /'--cpu <name>' argument 'POWER9' is invalid. machine pc has no CPU model/,
    ],
    [["--cpu", "x86-64-v3"], /argument 'x86-64-v3' is invalid. machine pseries has no CPU model/],
    [["--memory", "1M"], /'--memory <size>' argument '1M' is invalid. a guest of pseries needs at least 16M/],
    [["--machine", "pc", "--memory", "65M"], /argument '65M' is invalid. a guest of pc can have at most 64M/],
    [["--machine", "mac99"], /there is no machine "mac99"; there is pseries, pc/],
  ] as const)
    assert.throws(() => parse(...args), refused(message), args.join(" "));
});

test("without --machine the kernel says which", () => {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-kernels-"));
  const file = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const elf = (machine: number): Uint8Array => {
    const bytes = new Uint8Array(8192);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
    bytes[18] = machine;
    return bytes;
  };
  const bzImage = new Uint8Array(1024);
  bzImage.set([0x55, 0xaa], 0x1fe);
  bzImage.set(Buffer.from("HdrS"), 0x202);
  const machine = (...args: readonly string[]) => parse(...args).machine.machine.name;
  try {
    assert.equal(machine("--kernel", file("power", elf(21))), "pseries");
    assert.equal(machine("--kernel", file("x86", elf(62))), "pc");
    assert.equal(machine("--kernel", file("x86.gz", gzipSync(elf(62)))), "pc");
    assert.equal(machine("--kernel", file("bzImage", bzImage)), "pc");
    assert.equal(machine("--kernel", file("x86", elf(62)), "--machine", "pseries"), "pseries");
    for (const name of [
      file("text", Buffer.from("text")),
      file("cut.gz", Uint8Array.of(0x1f, 0x8b, 8)),
      folder,
      "/none",
    ])
      assert.equal(machine("--kernel", name), "pseries", name);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a guest of the list says which machine, and is held against one that is named", () => {
  const machine = (...args: readonly string[]) => parse(...args).machine.machine.name;
  for (const [guest, name] of [
    ["ppc64el", "pseries"],
    ["amd64", "pc"],
    ["x86_64", "pc"],
    ["i386", "pc"],
  ] as const)
    assert.deepEqual([guest, machine("--guest", guest)], [guest, name]);
  assert.equal(machine("--guest", "amd64", "--machine", "pc"), "pc");
  assert.throws(() => parse("--guest", "amd64", "--machine", "pseries"), refused(/this guest needs pc/));
  assert.throws(() => parse("--guest", "vax"), refused(/There is ppc64el, amd64, i386/));
  assert.deepEqual(guestOption().argChoices, ["ppc64el", "amd64", "i386"]);
});

test("the help names each machine's processors", () => {
  const { description } = cpuOption(loaded);
  assert.match(description, /POWER9.* \(pseries\); x86-64-v3 \(pc\)$/);
});

test("--cpus goes as far as kvm does, of every architecture", async () => {
  for (const guest of ["ppc64le", "x86_64", "i386"]) {
    const { kvm, close } = await loadKvmFor(guest);
    try {
      assert.equal(kvm.checkExtension(KVM_CAP_MAX_VCPUS), mostCpus, guest);
    } finally {
      close();
    }
  }
});
