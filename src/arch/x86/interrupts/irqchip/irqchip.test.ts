import assert from "node:assert/strict";
import { test } from "node:test";
import { testIrqchip } from "./irqchip.test-support.js";
import { pitRate } from "./pit.js";

type Chip = ReturnType<typeof testIrqchip>["chip"];
const out = (chip: Chip, port: number, value: number, now = 0) =>
  assert.ok(chip.writePort(port, 1, BigInt(value), now), port.toString(16));
const input = (chip: Chip, port: number, now = 0) => Number(chip.readPort(port, 1, now));

/** As Linux does. */
function initialisePic(chip: Chip): void {
  for (const [port, value] of [
    [0x21, 0xff],
    [0x20, 0x11],
    [0x21, 0x30],
    [0x21, 4],
    [0x21, 1],
    [0xa0, 0x11],
    [0xa1, 0x38],
    [0xa1, 2],
    [0xa1, 1],
    [0x21, 0],
    [0xa1, 0],
  ] as const)
    out(chip, port, value);
}

function only<T>(list: readonly T[]): T {
  const [first] = list;
  assert.ok(first);
  return first;
}

test("the older controllers: priorities, the cascade, masks, ends", () => {
  const { chip, vcpus, ended } = testIrqchip();
  const cpu = only(vcpus);
  // Software has not enabled the APIC's line 0; with the APIC off they come in directly.
  cpu.mode = "off";
  initialisePic(chip);
  chip.setLine(4, true);
  chip.setLine(12, true);
  chip.setLine(1, true);
  assert.ok(cpu.requests > 0);
  assert.equal(chip.acknowledge(cpu), 0x31);
  // Lower priorities wait for its end.
  assert.equal(chip.waits(cpu), false);
  out(chip, 0x20, 0x20);
  assert.equal(chip.acknowledge(cpu), 0x3c);
  out(chip, 0x20, 0x0b);
  assert.equal(input(chip, 0x20), 4);
  out(chip, 0xa0, 0x64);
  out(chip, 0x20, 0x62);
  assert.deepEqual(ended, [1, 12, 2]);
  out(chip, 0x21, 0x10);
  assert.equal(chip.waits(cpu), false);
  // What nobody asks for any more is input 7's.
  assert.equal(chip.pic.acknowledge(), 0x37);
  out(chip, 0x21, 0);
  assert.equal(chip.acknowledge(cpu), 0x34);
  // An edge is one interrupt; a level comes again.
  out(chip, 0x20, 0x20);
  assert.equal(chip.waits(cpu), false);
  out(chip, 0x4d0, 0x30);
  chip.setLine(5, true);
  assert.equal(chip.acknowledge(cpu), 0x35);
  out(chip, 0x20, 0x20);
  assert.equal(chip.acknowledge(cpu), 0x35);
  chip.setLine(5, false);
  out(chip, 0x20, 0x20);
  assert.equal(chip.waits(cpu), false);
});

test("the timer: a rate, what is latched, the third counter through port 0x61", () => {
  const { chip, vcpus } = testIrqchip();
  const cpu = only(vcpus);
  assert.equal(chip.readPort(0x40, 1, 0), undefined, "not before KVM_CREATE_PIT2");
  chip.createPit();
  chip.pit.reinject = false;
  cpu.mode = "off";
  initialisePic(chip);
  // 250 times a second.
  out(chip, 0x43, 0x34);
  out(chip, 0x40, 4772 & 0xff);
  out(chip, 0x40, 4772 >> 8);
  const period = 4772 / pitRate;
  assert.equal(chip.due(cpu, true), period);
  assert.equal(chip.due(cpu, false), Number.POSITIVE_INFINITY);
  chip.expire(cpu, true, period - 0.001);
  assert.equal(chip.waits(cpu), false);
  chip.expire(cpu, true, 3.5 * period);
  assert.equal(chip.acknowledge(cpu), 0x30);
  assert.ok(Math.abs(chip.due(cpu, true) - 4 * period) < 1e-9, "what was slept over is one");
  out(chip, 0x43, 0, period / 2);
  const latched = input(chip, 0x40, period) | (input(chip, 0x40, period) << 8);
  assert.ok(Math.abs(latched - 2386) <= 1, `${latched}`);
  out(chip, 0x43, 0xe2);
  assert.equal(input(chip, 0x40) & 0x3f, 0x34);

  // As Linux counts its time-stamp counter by it.
  out(chip, 0x61, 1);
  out(chip, 0x43, 0xb0);
  out(chip, 0x42, 0xff, 10);
  out(chip, 0x42, 0xff, 10);
  assert.equal(input(chip, 0x61, 20) & 0x21, 1);
  assert.equal(input(chip, 0x61, 10 + 65535 / pitRate + 0.01) & 0x21, 0x21);
  out(chip, 0x43, 0x80, 11);
  assert.equal(input(chip, 0x42, 11) | (input(chip, 0x42, 11) << 8), 65535 - Math.floor(pitRate));
});

test("ticks that came late are made up for, one after the other, if that is wanted", () => {
  const { chip, vcpus } = testIrqchip();
  const cpu = only(vcpus);
  chip.createPit();
  cpu.mode = "off";
  initialisePic(chip);
  out(chip, 0x43, 0x34);
  out(chip, 0x40, 4772 & 0xff);
  out(chip, 0x40, 4772 >> 8);
  const period = 4772 / pitRate;
  const taken = (at: number): number => {
    chip.expire(cpu, true, at * period);
    for (let count = 0; ; count++) {
      if (chip.acknowledge(cpu) !== 0x30) return count;
      out(chip, 0x20, 0x20);
    }
  };
  assert.equal(taken(3.5), 3);
  assert.equal(taken(4.5), 1);
  chip.pit.reinject = false;
  assert.equal(taken(9.5), 1);
  // Masked, nobody misses them.
  chip.pit.reinject = true;
  out(chip, 0x21, 1);
  chip.expire(cpu, true, 20.5 * period);
  out(chip, 0x21, 0);
  assert.equal(taken(21.5), 1);
});

/** An entry of the IOAPIC. */
function route(chip: Chip, cpu: Parameters<Chip["writeMemory"]>[0], pin: number, entry: bigint): void {
  for (const half of [1, 0]) {
    chip.writeMemory(cpu, 0xfec00000n, 4, BigInt(0x10 + 2 * pin + half), 0);
    chip.writeMemory(cpu, 0xfec00010n, 4, BigInt.asUintN(32, entry >> BigInt(32 * half)), 0);
  }
}

test("the IOAPIC: an edge, a level until it ends, masks, destinations", () => {
  const { chip, vcpus, ended } = testIrqchip(2);
  const [first, second] = vcpus;
  assert.ok(first && second);
  for (const port of [0x21, 0xa1]) out(chip, port, 0xff);
  assert.equal(chip.readMemory(first, 0xfec00010n, 4, 0), 0n);
  chip.writeMemory(first, 0xfec00000n, 4, 1n, 0);
  assert.equal(chip.readMemory(first, 0xfec00010n, 4, 0), 0x170011n);
  route(chip, first, 4, 0x44n | (1n << 56n));
  chip.setLine(4, true);
  assert.deepEqual([chip.acknowledge(first), chip.acknowledge(second)], [-1, 0x44]);
  chip.writeMemory(second, 0xfee000b0n, 4, 0n, 0);
  assert.equal(chip.waits(second), false);
  // Level: again until the line is down, each once it has ended.
  route(chip, first, 10, 0x8051n);
  chip.setLine(10, true);
  assert.equal(chip.acknowledge(first), 0x51);
  assert.equal(chip.waits(first), false);
  chip.writeMemory(first, 0xfee000b0n, 4, 0n, 0);
  assert.deepEqual(ended, [10]);
  assert.equal(chip.acknowledge(first), 0x51);
  chip.setLine(10, false);
  chip.writeMemory(first, 0xfee000b0n, 4, 0n, 0);
  assert.equal(chip.waits(first), false);
  // A line that is up while masked is seen when it no longer is.
  route(chip, first, 11, 0x18052n);
  chip.setLine(11, true);
  assert.equal(chip.waits(first), false);
  route(chip, first, 11, 0x8052n);
  assert.equal(chip.acknowledge(first), 0x52);
  // Line 0 is pin 2.
  route(chip, first, 2, 0x60n);
  chip.setLine(0, true);
  assert.equal(chip.acknowledge(first), 0x60);
  assert.equal(chip.setLine(24, true), false);
});

test("a local APIC: priorities, its timer, commands, both ways to its registers", () => {
  const { chip, vcpus } = testIrqchip(3);
  const [cpu, other, third] = vcpus;
  assert.ok(cpu && other && third);
  const write = (offset: number, value: number, now = 0) =>
    chip.writeMemory(cpu, 0xfee00000n + BigInt(offset), 4, BigInt(value >>> 0), now);
  const read = (offset: number, now = 0) => Number(chip.readMemory(cpu, 0xfee00000n + BigInt(offset), 4, now));
  assert.equal(read(0x30), 0x50014);
  chip.signal(0xfee00000n, 0x51);
  chip.signal(0xfee00000n, 0x61);
  assert.equal(read(0x220), 1 << 17);
  assert.equal(chip.acknowledge(cpu), 0x61);
  assert.equal(read(0xa0), 0x60);
  assert.equal(chip.waits(cpu), false);
  write(0xb0, 0);
  write(0x80, 0x50);
  assert.equal(cpu.taskPriority, 5);
  assert.equal(chip.acknowledge(cpu), -1);
  const asked = cpu.requests;
  write(0x80, 0);
  assert.ok(cpu.requests > asked, "what was held back is asked for");
  assert.equal(chip.acknowledge(cpu), 0x51);
  write(0xb0, 0);

  // The timer, divided by 16, periodic.
  write(0x3e0, 3);
  write(0x320, 0x200ef);
  write(0x380, 62500, 10);
  assert.equal(chip.due(cpu, false), 11);
  assert.equal(read(0x390, 10.5), 31250);
  chip.expire(cpu, false, 13.2);
  assert.equal(chip.acknowledge(cpu), 0xef);
  assert.equal(chip.due(cpu, false), 14);
  write(0xb0, 0);
  // By the time-stamp counter: only in that mode.
  cpu.lapic.deadline = 5n;
  assert.equal(cpu.lapic.deadline, 0n);
  write(0x320, 0x400ef);
  assert.equal(chip.due(cpu, false), Number.POSITIVE_INFINITY);
  cpu.lapic.deadline = 20_000_000n;
  assert.equal(chip.due(cpu, false), 20);
  chip.expire(cpu, false, 20);
  assert.equal(cpu.lapic.deadline, 0n);
  assert.equal(chip.acknowledge(cpu), 0xef);
  write(0xb0, 0);

  // To another one: INIT, its end, the start twice, an NMI, a vector; to all others.
  write(0x310, 1 << 24);
  for (const command of [0xc500, 0x8500, 0x699, 0x699, 0x400, 0x4080]) write(0x300, command);
  assert.deepEqual(other.told, ["init", "start 153", "start 153", "nmi"]);
  assert.equal(chip.acknowledge(other), 0x80);
  write(0x300, 0xc0000 | 0x90);
  assert.deepEqual([chip.waits(cpu), chip.acknowledge(third)], [false, 0x90]);
  // A vector below 16 is an error of who sends it.
  write(0x300, 0x4003);
  write(0x280, 0);
  assert.equal(read(0x280), 0x20);

  // As MSRs.
  cpu.mode = "registers";
  assert.equal(chip.readMemory(cpu, 0xfee00020n, 4, 0), undefined);
  assert.equal(cpu.lapic.loadRegister(2, 0), 0n);
  assert.equal(cpu.lapic.loadRegister(13, 0), 1n);
  assert.ok(chip.locked(() => cpu.lapic.storeRegister(0x30, (2n << 32n) | 0x91n, 0)));
  assert.equal(chip.acknowledge(third), -1, "0x90 is being handled");
  chip.locked(() => third.lapic.storeRegister(11, 0n, 0));
  assert.equal(chip.acknowledge(third), 0x91);
  assert.ok(chip.locked(() => cpu.lapic.storeRegister(0x3f, 0x71n, 0)));
  assert.equal(chip.acknowledge(cpu), 0x71);
  for (const [register, value] of [
    [11, 1n],
    [13, 0n],
    [0x0e, 0n],
    [8, 1n << 32n],
  ] as const)
    assert.equal(cpu.lapic.storeRegister(register, value, 0), false, `${register}`);
  assert.equal(cpu.lapic.loadRegister(0x3a, 0), undefined);
});

test("a hostile guest's accesses of any kind are answered", () => {
  let seed = Number(process.env["UNIKVM_SEED"] ?? 1);
  const draw = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const { chip, vcpus } = testIrqchip(2);
  chip.createPit();
  const ports = [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61];
  let now = 0;
  for (let i = 0; i < 20_000; i++) {
    const cpu = vcpus[draw(2)];
    assert.ok(cpu);
    now += draw(100) / 50;
    const size = [1, 2, 4, 8][draw(4)] as number;
    const value = BigInt.asUintN(8 * size, BigInt(draw(2 ** 32)) * (draw(2) ? 1n : 0x1_0000_0001n));
    if (draw(40) === 0) cpu.mode = (["off", "memory", "registers"] as const)[draw(3)] ?? "off";
    const port = ports[draw(ports.length)] as number;
    const address = draw(2) ? 0xfee00000n + BigInt(draw(0x1000)) : 0xfec00000n + BigInt(draw(0x100));
    switch (draw(9)) {
      case 0:
        chip.writePort(port, Math.min(size, 4), value, now);
        break;
      case 1:
        assert.ok((chip.readPort(port, Math.min(size, 4), now) ?? 0n) >= 0n);
        break;
      case 2:
        chip.writeMemory(cpu, address, size, value, now);
        break;
      case 3: {
        const read = chip.readMemory(cpu, address, size, now) ?? 0n;
        assert.equal(BigInt.asUintN(8 * size, read), read);
        break;
      }
      case 4:
        chip.locked(() => cpu.lapic.storeRegister(draw(0x400), value, now));
        break;
      case 5:
        chip.locked(() => cpu.lapic.loadRegister(draw(0x400), now));
        break;
      case 6:
        chip.setLine(draw(30), draw(2) === 1);
        break;
      case 7:
        chip.signal(0xfee00000n + BigInt(draw(2 ** 20)), draw(2 ** 16));
        chip.locked(() => {
          cpu.lapic.deadline = value;
        });
        break;
      default: {
        chip.expire(cpu, cpu === vcpus[0], now);
        const vector = chip.acknowledge(cpu);
        assert.ok(vector >= -1 && vector < 256);
        const due = chip.due(cpu, true);
        assert.ok(due > 0, `${due}`);
      }
    }
  }
});

test("INIT leaves a local APIC as power-on does: nothing requested or in service, no timer, no errors", () => {
  const { chip, vcpus } = testIrqchip(2);
  const [first, cpu] = vcpus;
  assert.ok(first && cpu);
  const fresh = testIrqchip(2).vcpus[1];
  assert.ok(fresh);
  fresh.lapic.reset(1, false);
  chip.locked(() => {
    for (const [register, value] of [[0x32, 0x4_00ecn]] as const)
      assert.ok(cpu.lapic.storeRegister(register, value, 0), `${register}`);
    cpu.lapic.deadline = 20_000_000n;
    for (const vector of [0x41, 0xec]) cpu.lapic.accept(vector, vector === 0x41);
    cpu.lapic.accept(3, false);
  });
  assert.equal(chip.acknowledge(cpu), 0xec);
  assert.notEqual(cpu.lapic.due, Number.POSITIVE_INFINITY);
  cpu.lapic.reset(1, false);
  assert.equal(cpu.lapic.due, Number.POSITIVE_INFINITY);
  assert.equal(cpu.lapic.deadline, 0n);
  for (let register = 0; register < 0x40; register++) {
    assert.equal(cpu.lapic.loadRegister(register, 0), fresh.lapic.loadRegister(register, 0), `${register}`);
  }
});
