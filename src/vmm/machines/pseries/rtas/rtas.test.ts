import assert from "node:assert/strict";
import { test } from "node:test";
import { GuestMemory } from "../../../core/guest-memory.js";
import { Nvram } from "../../../devices/nvram.js";
import { Rtc } from "../../../devices/rtc.js";
import { rtasByToken, rtasCalls } from "./index.js";
import { CpuState, callRtas, type RtasHost, rtas } from "./rtas.js";

const buffer = 0x1000;
const memorySize = 65536;

function setUp() {
  const events: string[] = [];
  const host: RtasHost = {
    memory: GuestMemory.standalone(memorySize),
    memorySize,
    cpus: 2,
    nvram: new Nvram(),
    pci: undefined,
    pciBridge: () => undefined,
    rtc: new Rtc({ offset: 0 }, () => Date.UTC(2024, 1, 29, 23, 58, 59, 250)),
    displayCharacter: (byte) => {
      events.push(`character ${byte}`);
      return true;
    },
    cpuState: (cpu) => [CpuState.running, CpuState.stopped][cpu],
    startCpu: (cpu, address, argument) => void events.push(`start ${cpu} ${address} ${argument}`),
    stopCpu: (cpu) => void events.push(`stop ${cpu}`),
    registerNmi: (...handlers) => {
      events.push(`handlers ${handlers}`);
      return handlers[1] < memorySize;
    },
    releaseNmi: (cpu) => cpu === 1,
    powerOff: () => void events.push("power off"),
    reboot: () => void events.push("reboot"),
    crash: (message) => void events.push(`crash ${message}`),
  };
  const write = (address: number, words: readonly number[]): void => {
    const bytes = new Uint8Array(words.length * 4);
    for (const [i, word] of words.entries()) new DataView(bytes.buffer).setUint32(i * 4, word >>> 0);
    assert.ok(host.memory.write(address, bytes));
  };
  const calls = rtasByToken();
  /** Status and further outputs, as signed words. */
  const call = (name: string, inputs: readonly number[], outputs: number): number[] => {
    const token = rtasCalls.find((one) => one.name === name)?.token ?? 0;
    write(buffer, [token, inputs.length, outputs, ...inputs, ...Array<number>(outputs).fill(0xdead)]);
    assert.ok(callRtas(calls, host, 0, buffer));
    const bytes = host.memory.read(buffer + 12 + inputs.length * 4, outputs * 4);
    return Array.from({ length: outputs }, (_, i) => new DataView(bytes?.buffer as ArrayBuffer).getInt32(i * 4));
  };
  return { host, events, write, calls, call };
}

test("handlers of interrupts that cannot be masked", () => {
  const { call, events } = setUp();
  assert.deepEqual(call("ibm,nmi-register", [0x100, 0x200], 1), [0]);
  assert.deepEqual(call("ibm,nmi-register", [0x100, memorySize], 1), [-3]);
  assert.deepEqual(call("ibm,nmi-interlock", [], 1), [-3]);
  assert.deepEqual(events, ["handlers 256,512", `handlers 256,${memorySize}`]);
});

test("tokens and names are unique", () => {
  assert.equal(rtasByToken().size, rtasCalls.length);
  assert.equal(new Set(rtasCalls.map(({ name }) => name)).size, rtasCalls.length);
  assert.throws(() => rtasByToken([rtas(1, "a", [0, 1]), rtas(1, "b", [0, 1])]), /token 0x1/);
});

test("time, characters, CPUs, the end", () => {
  const { call, events } = setUp();
  assert.deepEqual(call("get-time-of-day", [], 8), [0, 2024, 2, 29, 23, 58, 59, 250_000_000]);
  assert.deepEqual(call("set-time-of-day", [2030, 12, 31, 1, 2, 3, 0], 1), [0]);
  assert.deepEqual(call("get-time-of-day", [], 8).slice(0, 5), [0, 2030, 12, 31, 1]);
  assert.deepEqual(call("set-time-of-day", [2030, 13, 31, 1, 2, 3, 0], 1), [-3]);
  assert.deepEqual(call("display-character", [0x141], 1), [0]);
  assert.deepEqual(call("query-cpu-stopped-state", [0], 2), [0, 2]);
  assert.deepEqual(call("query-cpu-stopped-state", [1], 2), [0, 0]);
  assert.deepEqual(call("query-cpu-stopped-state", [2], 2)[0], -3);
  assert.deepEqual(call("start-cpu", [1, 0x60, 7], 1), [0]);
  assert.deepEqual(call("start-cpu", [0, 0x60, 7], 1), [-1]);
  assert.deepEqual(call("start-cpu", [0xffff_ffff, 0x60, 7], 1), [-3]);
  call("stop-self", [], 1);
  call("power-off", [0, 0], 1);
  call("system-reboot", [], 1);
  assert.deepEqual(events, ["character 65", "start 1 96 7", "stop 0", "power off", "reboot"]);
});

test("NVRAM through guest memory", () => {
  const { call, host } = setUp();
  host.memory.write(0x2000, new TextEncoder().encode("kept"));
  assert.deepEqual(call("nvram-store", [100, 0x2000, 4], 2), [0, 4]);
  assert.deepEqual(call("nvram-fetch", [100, 0x3000, 4], 2), [0, 4]);
  assert.deepEqual(host.memory.read(0x3000, 4), new TextEncoder().encode("kept"));
  for (const [offset, address, length] of [
    [65536, 0x2000, 1],
    [0, memorySize - 1, 2],
    [0, 0xffff_ffff, 1],
    [0, 0, 0xffff_ffff],
    [0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
  ] as const) {
    assert.deepEqual(call("nvram-store", [offset, address, length], 2), [-3, 0]);
    assert.deepEqual(call("nvram-fetch", [offset, address, length], 2), [-3, 0]);
  }
});

test("a crash message is bounded and cannot drive the user's terminal", () => {
  const { call, host, events } = setUp();
  host.memory.write(0x2000, new TextEncoder().encode("OS panic: \x1b[2Jno init\0"));
  call("ibm,os-term", [0x2000], 1);
  host.memory.write(memorySize - 2, new TextEncoder().encode("ab"));
  call("ibm,os-term", [memorySize - 2], 1);
  call("ibm,os-term", [0xffff_fff0], 1);
  assert.deepEqual(events, ["crash OS panic:  [2Jno init", "crash ab", "crash no message"]);
});

test("system parameters are cut to the buffer's length", () => {
  const { call, host } = setUp();
  assert.deepEqual(call("ibm,get-system-parameter", [20, 0x2000, 4000], 1), [0]);
  const value = host.memory.read(0x2000, 12);
  assert.equal(new TextDecoder().decode(value?.subarray(2)), "MaxEntCap=");
  assert.deepEqual(call("ibm,get-system-parameter", [20, 0x2000, 1], 1), [-9999]);
  assert.deepEqual(call("ibm,get-system-parameter", [20, memorySize - 4, 4000], 1), [-9999]);
  assert.deepEqual(call("ibm,get-system-parameter", [99, 0x2000, 4000], 1), [-3]);
  assert.deepEqual(call("ibm,set-system-parameter", [20, 0x2000], 1), [-9002]);
});

test("hostile buffers fail the hypercall or the call, and write nothing outside", () => {
  const { host, calls, write } = setUp();
  for (const address of [memorySize, memorySize - 4, -4, 0x1_0000_0000, 2 ** 53, Number.MAX_VALUE, Number.NaN]) {
    assert.equal(callRtas(calls, host, 0, address), undefined);
  }
  for (const counts of [
    [17, 0],
    [0, 17],
    [9, 9],
    [0xffff_ffff, 1],
    [1, 0xffff_ffff],
  ] as const) {
    write(buffer, [0x2000, ...counts]);
    assert.equal(callRtas(calls, host, 0, buffer), undefined);
  }
  // The words do not fit behind the head.
  write(memorySize - 12, [0x2000, 1, 1]);
  assert.equal(callRtas(calls, host, 0, memorySize - 12), undefined);
  // An unknown token, and wrong counts for a known one.
  write(buffer, [0x9999, 0, 1, 7]);
  assert.equal(callRtas(calls, host, 0, buffer)?.status, -3);
  write(buffer, [0x2003, 0, 1, 7]);
  assert.equal(callRtas(calls, host, 0, buffer)?.status, -3);
});
