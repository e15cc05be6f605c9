import assert from "node:assert/strict";
import { test } from "node:test";
import { dmaWrite } from "../../../devices/pci/device.js";
import * as pci from "../../../devices/pci/registers.js";
import { setUpBridge } from "../pci/bridge.test-support.js";
import { bridgeUnit, messageInterrupt } from "../pci/layout.js";
import { rtasByToken, rtasCalls } from "./index.js";
import { callRtas, type RtasHost } from "./rtas.js";

const buffer = 0x1000;
const unit = [Number(bridgeUnit >> 32n), Number(bridgeUnit & 0xffff_ffffn)] as const;
const slot = (number: number, register = 0): number => (number << 11) | register;

function setUp() {
  const { bridge, memory, putTce } = setUpBridge();
  const host = {
    memory,
    memorySize: memory.size,
    pci: bridge,
    pciBridge: (wanted: bigint) => (wanted === bridgeUnit ? bridge : undefined),
  } as unknown as RtasHost;
  const calls = rtasByToken();
  /** Status and further outputs, as unsigned words but for the status; 0xdead: left alone. */
  const call = (name: string, inputs: readonly number[], outputs: number): number[] => {
    const token = rtasCalls.find((one) => one.name === name)?.token ?? 0;
    const words = [token, inputs.length, outputs, ...inputs, ...Array<number>(outputs).fill(0xdead)];
    const view = new DataView(new ArrayBuffer(words.length * 4));
    for (const [i, word] of words.entries()) view.setUint32(4 * i, word >>> 0);
    assert.ok(memory.write(buffer, new Uint8Array(view.buffer)));
    assert.ok(callRtas(calls, host, 0, buffer));
    const answer = new DataView(memory.read(buffer + 12 + inputs.length * 4, outputs * 4)?.buffer as ArrayBuffer);
    return Array.from({ length: outputs }, (_, i) => (i === 0 ? answer.getInt32(0) : answer.getUint32(4 * i)));
  };
  return { bridge, putTce, call };
}

test("configuration space, by the bridge's address and without", () => {
  const { call } = setUp();
  assert.deepEqual(call("ibm,read-pci-config", [slot(1), ...unit, 4], 2), [0, 0x756b1234]);
  assert.deepEqual(call("read-pci-config", [slot(0, 2), 2], 2), [0, 0x756b]);
  assert.deepEqual(call("ibm,write-pci-config", [slot(0, pci.PCI_COMMAND), ...unit, 2, 0xffff], 1), [0]);
  assert.deepEqual(call("ibm,read-pci-config", [slot(0, pci.PCI_COMMAND), ...unit, 2], 2), [0, 0x547]);
  assert.deepEqual(call("write-pci-config", [slot(0, pci.PCI_INTERRUPT_LINE), 1, 0x1ff], 1), [0]);
  assert.deepEqual(call("read-pci-config", [slot(0, pci.PCI_INTERRUPT_LINE), 1], 2), [0, 0xff]);
  assert.deepEqual(call("ibm,read-pci-config", [slot(5), ...unit, 1], 2), [0, 0xff]);
  assert.deepEqual(call("ibm,read-pci-config", [slot(0), 1, 2, 4], 2), [-3, 0xffff_ffff]);
  assert.deepEqual(call("ibm,write-pci-config", [slot(0), 1, 2, 4, 0], 1), [-3]);
  for (const size of [0, 3, 5, 8, 0xffff_ffff]) {
    assert.deepEqual(call("ibm,read-pci-config", [slot(0), ...unit, size], 2), [-3, 0xffff_ffff]);
    assert.deepEqual(call("ibm,write-pci-config", [slot(0), ...unit, size, 0], 1), [-3]);
  }
  assert.equal(call("ibm,read-pci-config", [slot(0, 2), ...unit, 4], 2)[0], -3);
  assert.deepEqual(call("ibm,read-pci-config", [0xffff_fffc, ...unit, 4], 2), [0, 0xffff_ffff]);
});

test("messages are given and their interrupts told", () => {
  const { call } = setUp();
  assert.equal(call("ibm,query-interrupt-source-number", [slot(0), ...unit, 0], 3)[0], -3);
  assert.deepEqual(call("ibm,change-msi", [slot(0), ...unit, 4, 2, 1], 4), [0, 2, 2, 2]);
  assert.deepEqual(call("ibm,change-msi", [slot(1), ...unit, 3, 4, 1], 3), [0, 4, 2]);
  assert.deepEqual(call("ibm,query-interrupt-source-number", [slot(0), ...unit, 1], 3), [0, messageInterrupt + 1, 1]);
  assert.deepEqual(call("ibm,query-interrupt-source-number", [slot(1), ...unit, 3], 3), [0, messageInterrupt + 7, 1]);
  assert.equal(call("ibm,query-interrupt-source-number", [slot(1), ...unit, 4], 3)[0], -3);
  assert.deepEqual(call("ibm,change-msi", [slot(0), ...unit, 1, 0, 1], 3), [0, 0, 2]);
  assert.equal(call("ibm,query-interrupt-source-number", [slot(0), ...unit, 0], 3)[0], -3);
  // Below 4 GiB, unknown functions, no such device or bridge, and the wrong number of words.
  for (const code of [0, 5, 6, 7, 0xffff_ffff]) {
    assert.equal(call("ibm,change-msi", [slot(0), ...unit, code, 1, 1], 4)[0], -3);
  }
  assert.equal(call("ibm,change-msi", [slot(9), ...unit, 4, 1, 1], 4)[0], -3);
  assert.equal(call("ibm,change-msi", [slot(9), ...unit, 1, 0, 1], 4)[0], -3);
  assert.equal(call("ibm,change-msi", [slot(0), 0, 0, 4, 1, 1], 4)[0], -3);
  assert.equal(call("ibm,change-msi", [slot(0), ...unit, 4, 1, 1], 2)[0], -3);
  assert.equal(call("ibm,change-msi", [slot(0), ...unit, 4, 1, 1], 5)[0], -3);
  assert.deepEqual(call("ibm,change-msi", [slot(0), ...unit, 4, 0xffff_ffff, 0xffff_ffff], 4), [0, 4, 0, 2]);
});

test("DMA windows: asked for, made, removed, brought back", () => {
  const { bridge, putTce, call } = setUp();
  assert.deepEqual(call("ibm,query-pe-dma-window", [slot(0), ...unit], 5), [0, 1, 1 << 18, 7, 0]);
  assert.deepEqual(call("ibm,query-pe-dma-window", [slot(0), ...unit], 6), [0, 1, 0, 1 << 18, 7, 0]);
  const [status, liobn = 0, high, low] = call("ibm,create-pe-dma-window", [slot(0), ...unit, 16, 30], 4);
  assert.deepEqual([status, high, low], [0, 0x0800_0000, 0]);
  assert.equal(call("ibm,create-pe-dma-window", [slot(0), ...unit, 16, 30], 4)[0], -1);
  putTce(liobn, 0, 0x1_0000n | 3n);
  assert.equal(dmaWrite(bridge.dma.access, 1n << 59n, Uint8Array.of(1)), true);
  assert.deepEqual(call("ibm,remove-pe-dma-window", [liobn], 1), [0]);
  assert.deepEqual(call("ibm,remove-pe-dma-window", [liobn], 1), [-3]);
  assert.deepEqual(call("ibm,remove-pe-dma-window", [0x8000_0000], 1), [0]);
  assert.deepEqual(call("ibm,reset-pe-dma-window", [slot(0), ...unit], 1), [0]);
  assert.deepEqual(call("ibm,remove-pe-dma-window", [0x8000_0000], 1), [0]);
  for (const [shift, size] of [
    [0, 30],
    [13, 30],
    [16, 0],
    [16, 64],
    [0xffff_ffff, 0xffff_ffff],
  ] as const) {
    assert.equal(call("ibm,create-pe-dma-window", [slot(0), ...unit, shift, size], 4)[0], -3);
  }
  for (const name of ["ibm,query-pe-dma-window", "ibm,reset-pe-dma-window"]) {
    const outputs = name.includes("query") ? 5 : 1;
    assert.equal(call(name, [slot(9), ...unit], outputs)[0], -3);
    assert.equal(call(name, [slot(0), 0, 0], outputs)[0], -3);
  }
});

test("the endpoint: its address, its state, its reset", () => {
  const { call } = setUp();
  assert.deepEqual(call("ibm,get-config-addr-info2", [slot(1), ...unit, 1], 2), [0, 2]);
  const [status, endpoint = 0] = call("ibm,get-config-addr-info2", [slot(1), ...unit, 0], 2);
  assert.equal(status, 0);
  assert.deepEqual(call("ibm,set-eeh-option", [slot(1), ...unit, 1], 1), [0]);
  assert.deepEqual(call("ibm,read-slot-reset-state2", [endpoint, ...unit], 4), [0, 0, 1, 0]);
  assert.deepEqual(call("ibm,set-slot-reset", [endpoint, ...unit, 1], 1), [0]);
  assert.deepEqual(call("ibm,read-slot-reset-state2", [endpoint, ...unit], 5), [0, 1, 1, 0, 0]);
  assert.deepEqual(call("ibm,read-pci-config", [slot(1), ...unit, 4], 2), [0, 0xffff_ffff]);
  assert.deepEqual(call("ibm,set-slot-reset", [endpoint, ...unit, 0], 1), [0]);
  assert.deepEqual(call("ibm,configure-pe", [endpoint, ...unit], 1), [0]);
  assert.deepEqual(call("ibm,slot-error-detail", [endpoint, ...unit, 0, 0, 0, 0, 1], 1), [1]);
  assert.deepEqual(call("ibm,read-pci-config", [slot(1), ...unit, 4], 2), [0, 0x756b1234]);
  const wild = 0xffff_ffff;
  for (const [name, inputs, outputs] of [
    ["ibm,get-config-addr-info2", [slot(1), ...unit, 2], 2],
    ["ibm,get-config-addr-info2", [slot(7), ...unit, 0], 2],
    ["ibm,get-config-addr-info2", [wild, wild, wild, wild], 2],
    ["ibm,set-eeh-option", [endpoint, ...unit, 4], 1],
    ["ibm,set-eeh-option", [wild, wild, wild, wild], 1],
    ["ibm,set-slot-reset", [endpoint, ...unit, 2], 1],
    ["ibm,set-slot-reset", [endpoint, 0, 0, 1], 1],
    ["ibm,read-slot-reset-state2", [wild, ...unit], 4],
    ["ibm,configure-pe", [endpoint, 0, 0], 1],
    ["ibm,slot-error-detail", [wild, ...unit, wild, wild, wild, wild, wild], 1],
  ] as const) {
    assert.equal(call(name, inputs, outputs)[0], -3, `${name} ${inputs}`);
  }
});
