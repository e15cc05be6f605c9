import assert from "node:assert/strict";
import { test } from "node:test";
import type { Exit } from "../uapi.js";
import {
  exitReasons,
  exitTable,
  exitWordCount,
  type ForwardedExit,
  isAnswered,
  isForwarded,
  wordsOf,
} from "./exits.js";

const top = (1n << 64n) - 1n;
const args = Array.from({ length: 9 }, (_, i) => BigInt(i) - 4n);
/** One of each kind, with what is at the ends of its range; a reason without one does not compile. */
const samples: { readonly [R in Exit["reason"]]: Extract<Exit, { readonly reason: R }> } = {
  mmio: { reason: "mmio", physAddr: top, length: 8, isWrite: true, data: top },
  io: { reason: "io", direction: 1, size: 4, port: 0xffff, count: 1, data: 0xffff_ffffn },
  papr_hcall: { reason: "papr_hcall", nr: 0xf001, ret: -2n, args },
  debug: { reason: "debug", address: 4n, status: 1 },
  intr: { reason: "intr" },
  hlt: { reason: "hlt", until: Number.POSITIVE_INFINITY },
  system_event: { reason: "system_event", type: 3, flags: top },
  internal_error: { reason: "internal_error", suberror: 1, data: [1n], message: "why" },
  shutdown: { reason: "shutdown" },
  fail_entry: { reason: "fail_entry", hardwareEntryFailureReason: top },
  dirty_ring_full: { reason: "dirty_ring_full" },
  nmi: { reason: "nmi", flags: 2 },
  osi: { reason: "osi", gprs: [1n] },
  x86_rdmsr: { reason: "x86_rdmsr", msrReason: 4, index: 0xffff_ffff, data: top, error: 1 },
  x86_wrmsr: { reason: "x86_wrmsr", msrReason: 1, index: 0xffff_ffff, data: top, error: 1 },
  hypercall: { reason: "hypercall", nr: 12, flags: 1, ret: top, args: [top, 1n, 2n, 0n, 0n, top] },
  irq_window_open: { reason: "irq_window_open" },
  set_tpr: { reason: "set_tpr", cr8: 15 },
  ioapic_eoi: { reason: "ioapic_eoi", vector: 255 },
  tpr_access: { reason: "tpr_access", rip: top, isWrite: true },
};

test("an exit crosses to another thread as it was", () => {
  for (const exit of Object.values(samples)) {
    if (!isForwarded(exit)) continue;
    const words = new BigInt64Array(exitWordCount);
    wordsOf(exit.reason).put(exit, words);
    assert.deepEqual(wordsOf(exit.reason).get(words), exit, exit.reason);
  }
});

test("of a string of accesses to a port, where its bytes are crosses too", () => {
  const exit = { ...samples.io, count: 4096, size: 1, data: 0n, dataOffset: 0xffff_f000 };
  const words = new BigInt64Array(exitWordCount);
  wordsOf("io").put(exit, words);
  assert.deepEqual(wordsOf("io").get(words), exit);
});

test("what is forwarded and answered comes back with its answer, and else nothing does", () => {
  for (const exit of Object.values(samples)) {
    if (!isForwarded(exit)) continue;
    const { answer } = wordsOf(exit.reason);
    assert.equal(answer !== undefined, isAnswered(exit), exit.reason);
  }
  const answered: ForwardedExit = { reason: "papr_hcall", nr: 4, ret: 7n, args: args.map((x) => x * 2n) };
  const asked = { ...samples.papr_hcall, args: [...args] };
  wordsOf("papr_hcall").answer?.(answered, asked);
  assert.deepEqual(asked, { ...asked, ret: 7n, args: answered.args });
  const read = { ...samples.mmio, isWrite: false, data: 0n };
  wordsOf("mmio").answer?.({ ...read, data: 5n }, read);
  assert.equal(read.data, 5n);
});

test("every reason has a counter of its own, in an order that does not change", () => {
  assert.deepEqual([...exitReasons].sort(), Object.keys(samples).sort());
  assert.equal(new Set(exitReasons.map((reason) => exitTable[reason].statistic)).size, exitReasons.length);
  assert.equal(exitReasons[0], "mmio");
});
