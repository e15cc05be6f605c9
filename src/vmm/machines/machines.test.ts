import assert from "node:assert/strict";
import { test } from "node:test";
import { KVM_CAP_PPC_PAPR } from "../../kvm/uapi.js";
import { VmmError } from "../errors.js";
import type { MachineKind, MachineOptions } from "./machine-kind.js";
import {
  loadMachine,
  loadSide,
  machineCpu,
  machineForGuest,
  machineMemory,
  machineRow,
  machineSyntax,
  machines,
  parseMachine,
} from "./machines.js";
import { createPcVcpuSide } from "./pc/vcpu-side.js";
import { createPseriesVcpuSide } from "./pseries/vcpu-side.js";

const mebibyte = 1 << 20;

/** In the place of the second row: a machine with options of its own. */
const pc: MachineKind = {
  guests: "x86-64 Linux",
  cpuModels: ["x86-64-v2", "x86-64-v3"],
  options: { acpi: ["on", "off"], nmi: ["on", "off"] },
  memory: { minimum: 4 * mebibyte, maximum: 64 * mebibyte, granule: 4096 },
  isKernel: () => false,
  loadKernel: () => Promise.reject(new Error("unused")),
  maker: () => () => assert.fail("unused"),
  place: () => assert.fail("unused"),
  restore: () => assert.fail("unused"),
  createSide: () => assert.fail("unused"),
};
const rows = [
  ...machines.slice(0, 1),
  {
    name: "pc",
    guest: "x86_64",
    kvmMemory: { vm: 0, vcpu: 0 },
    load: async () => pc,
    loadSide: async () => pc.createSide,
  },
];
const loaded = await Promise.all(rows.map((row) => loadMachine(row)));
const chosen = (text: string): readonly [string, Readonly<Record<string, string>>] => {
  const { machine, options } = parseMachine(text, loaded);
  return [machine.name, options];
};
const refused = (message: RegExp) => (error: unknown) => error instanceof VmmError && message.test(error.message);

test("--machine is [name][,option=value...]; without a name it is the default machine", () => {
  assert.deepEqual(chosen("pseries"), ["pseries", {}]);
  assert.deepEqual(chosen("ic-mode=xive"), ["pseries", { "ic-mode": "xive" }]);
  assert.deepEqual(chosen("pseries,ic-mode=xics"), ["pseries", { "ic-mode": "xics" }]);
  assert.deepEqual(chosen("pc"), ["pc", {}]);
  assert.deepEqual(chosen("pc,acpi=off,nmi=on"), ["pc", { acpi: "off", nmi: "on" }]);
});

test("what there is not is refused, with what there is", () => {
  for (const [text, message] of [
    ["mac99", /^there is no machine "mac99"; there is pseries, pc$/],
    ["", /^there is no machine ""; there is pseries, pc$/],
    ["mac99,ic-mode=xive", /^there is no machine "mac99"/],
    ["acpi=off", /^machine pseries has no option "acpi"; it has ic-mode$/],
    ["pc,ic-mode=xive", /^machine pc has no option "ic-mode"; it has acpi, nmi$/],
    ["pc,toString=1", /^machine pc has no option "toString"/],
    ["pseries,", /^machine pseries has no option ""/],
    ["ic-mode", /^ic-mode is xics or xive, not ""$/],
    ["ic-mode=apic", /^ic-mode is xics or xive, not "apic"$/],
    ["ic-mode=xive=xics", /^ic-mode is xics or xive, not "xive=xics"$/],
    ["pc,acpi=of", /^acpi is on or off, not "of"$/],
  ] as const)
    assert.throws(() => parseMachine(text, loaded), refused(message), text);
  assert.throws(() => machineRow("mac99"), refused(/^there is no machine "mac99"; there is pseries, pc$/));
  assert.equal(machineSyntax(loaded), "pseries with ic-mode=xics|xive; pc with acpi=on|off, nmi=on|off");
});

test("memory and processor are the machine's", () => {
  const [pseries, second] = loaded;
  assert.ok(pseries && second);
  assert.equal(machineMemory(pseries, 64 * mebibyte + 65_537), 64 * mebibyte + 65_536);
  assert.equal(machineMemory(second, 4 * mebibyte + 5000), 4 * mebibyte + 4096);
  assert.throws(() => machineMemory(second, 4 * mebibyte - 1), refused(/at least 4M of memory$/));
  assert.throws(() => machineMemory(second, 65 * mebibyte), refused(/at most 64M/));
  assert.equal(machineMemory(pseries, 65 * mebibyte), 65 * mebibyte);
  assert.equal(machineCpu(second, "X86-64-V3"), "x86-64-v3");
  assert.throws(() => machineCpu(second, "POWER9"), refused(/^machine pc has no CPU model "POWER9"; it has x86/));
});

test("the default is the first, for vCPUs' threads too", async () => {
  assert.equal(machineRow().name, "pseries");
  assert.equal(await loadSide(), createPseriesVcpuSide);
  assert.equal(await loadSide("pseries"), createPseriesVcpuSide);
  assert.equal(await loadSide("pc"), createPcVcpuSide);
  assert.throws(() => loadSide("mac99"), refused(/there is no machine "mac99"/));
});

test("a machine is made of its own architecture's kvm only", async () => {
  const kvm = { checkExtension: (cap: number) => (cap === KVM_CAP_PPC_PAPR ? 0 : 1) } as MachineOptions["kvm"];
  const make = (await loadMachine()).maker();
  const options = { kvm, commandLine: "", memorySize: mebibyte, cpus: 1 } as MachineOptions;
  assert.throws(() => make(options, {} as Parameters<typeof make>[1]), refused(/needs a kvm for POWER guests/));
});

test("a guest's architecture says which machine boots it", () => {
  assert.equal(machineForGuest("ppc64le").name, "pseries");
  assert.equal(machineForGuest("x86_64").name, "pc");
  assert.equal(machineForGuest("i386").name, "pc");
  assert.throws(
    () => machineForGuest("vax"),
    refused(/^no machine boots guests of "vax"; there is ppc64le, x86_64, i386$/),
  );
});
