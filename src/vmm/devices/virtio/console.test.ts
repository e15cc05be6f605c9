/** Ports from the driver's side and the host's, honest and hostile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConsolePortEnd, VirtioConsole, type VirtioConsoleState } from "./console.js";
import { features, memorySize, setUpDriver } from "./driver.test-support.js";

const multiport = 2n;
const size = 8;
const [ADD, READY, OPEN, NAME] = [1, 3, 6, 7];
const needsReset = 0x40;
const text = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What the host's end of a port saw, and whether it wants more. */
class End implements ConsolePortEnd {
  readonly name: string;
  readonly seen: string[] = [];
  wants = true;

  constructor(name: string) {
    this.name = name;
  }

  output(bytes: Uint8Array): boolean {
    this.seen.push(bytes.length > 100 ? `${bytes.length} bytes` : text(bytes));
    return this.wants;
  }

  opened(open: boolean): void {
    this.seen.push(`open ${open}`);
  }

  drained(): void {
    this.seen.push("drained");
  }
}

function setUp(ends: readonly End[] = [new End("one"), new End("two")], bits = features | multiport) {
  const console = new VirtioConsole(ends);
  const it = setUpDriver(console);
  const { view, ram, set } = it;
  const queues = Array.from({ length: get(it) }, (_, index) => {
    const base = 0x1000 + 0x400 * index;
    const data = 0x8000 + 0x800 * index;
    let made = 0;
    let seen = 0;
    const add = (length: number, flags: number, address = data + 0x100 * (made % size)): void => {
      const slot = made % size;
      view.setBigUint64(base + 16 * slot, BigInt(address), true);
      view.setUint32(base + 16 * slot + 8, length, true);
      view.setUint16(base + 16 * slot + 12, flags, true);
      view.setUint16(base + 0x104 + 2 * slot, slot, true);
      view.setUint16(base + 0x102, ++made, true);
      set(0x3000 + 4 * index, 2, index);
    };
    return {
      enable: (): void => {
        set(0x16, 2, index);
        set(0x18, 2, size);
        for (const [field, at] of [
          [0x20, base],
          [0x28, base + 0x100],
          [0x30, base + 0x200],
        ] as const)
          set(field, 8, at);
        set(0x1c, 2, 1);
      },
      /** Room for what the device has to say. */
      room: (length = 0x100): void => add(length, 2),
      say: (bytes: Uint8Array, length = bytes.length, address?: number): void => {
        ram.set(bytes, data + 0x100 * (made % size));
        add(length, 0, address);
      },
      /** What came back since: what the device has written. */
      back: (): string[] => {
        const all: string[] = [];
        for (; seen !== view.getUint16(base + 0x202, true); seen++) {
          const slot = view.getUint32(base + 0x204 + 8 * (seen % size), true);
          const length = view.getUint32(base + 0x208 + 8 * (seen % size), true);
          all.push(text(ram.slice(data + 0x100 * slot, data + 0x100 * slot + length)));
        }
        return all;
      },
    };
  });
  assert.equal(it.accept(bits), 11);
  for (const queue of queues) queue.enable();
  set(0x14, 1, 15);
  const control = (id: number, event: number, value: number): void => {
    const message = new DataView(new ArrayBuffer(8));
    message.setUint32(0, id, true);
    message.setUint16(4, event, true);
    message.setUint16(6, value, true);
    queues[3]?.say(new Uint8Array(message.buffer));
  };
  const told = (): string[] =>
    (queues[2]?.back() ?? []).map((message) => {
      const view = new DataView(Uint8Array.from(message, (one) => one.charCodeAt(0)).buffer);
      return `${view.getUint32(0, true)} ${view.getUint16(4, true)} ${view.getUint16(6, true)} ${message.slice(8)}`.trim();
    });
  /** As a driver begins. */
  const start = (): void => {
    for (let i = 0; i < 6; i++) queues[2]?.room();
    control(0, 0, 1);
    for (const id of ends.keys()) control(id, READY, 1);
    for (const id of ends.keys()) control(id, OPEN, 1);
    told();
    for (const end of ends) end.seen.length = 0;
  };
  const queue = (index: number) => {
    const found = queues[index];
    assert.ok(found);
    return found;
  };
  return { ...it, console, ends, queue, control, told, start };
}
const get = (it: ReturnType<typeof setUpDriver>): number => it.get(0x12, 2);

test("a driver learns of the ports, their names, and that the host has them open", () => {
  const { get, queue, control, told, ends, console } = setUp();
  assert.deepEqual([get(0x12, 2), get(0x2004, 4)], [6, 2]);
  control(0, 0, 1);
  assert.deepEqual(told(), []);
  for (let i = 0; i < 3; i++) queue(2).room();
  assert.deepEqual(told(), [`0 ${ADD} 1`, `1 ${ADD} 1`]);
  control(1, READY, 1);
  assert.deepEqual(told(), [`1 ${NAME} 1 two`]);
  queue(2).room();
  assert.deepEqual(told(), [`1 ${OPEN} 1`]);
  control(1, OPEN, 1);
  control(0, OPEN, 1);
  assert.deepEqual([console.ports[0]?.open, console.ports[1]?.open], [false, true]);
  control(1, OPEN, 0);
  assert.deepEqual(
    ends.map(({ seen }) => seen),
    [[], ["open true", "open false"]],
  );
});

test("bytes go both ways, each port's to its own end, also of no length", () => {
  const { queue, start, ends, console } = setUp();
  const [one, two] = console.ports;
  assert.equal(two?.send(bytes("too early")), 0);
  start();
  queue(1).say(bytes("from one"));
  queue(5).say(bytes("from two"));
  queue(5).say(new Uint8Array(0));
  assert.deepEqual(
    ends.map(({ seen }) => seen),
    [["from one"], ["from two"]],
  );
  assert.deepEqual([queue(1).back(), queue(5).back()], [[""], ["", ""]]);
  queue(4).room(4);
  queue(4).room(0);
  queue(4).room(100);
  assert.equal(two?.send(bytes("hello, two")), 10);
  assert.deepEqual(queue(4).back(), ["hell", "", "o, two"]);
  assert.equal(two?.send(bytes("more")), 0);
  queue(0).room(100);
  assert.equal(one?.send(bytes("one")), 3);
  queue(4).room(3);
  assert.deepEqual(ends[1]?.seen, ["from two", "drained"]);
  assert.equal(two?.send(bytes("more")), 3);
  assert.deepEqual(queue(4).back(), ["mor"]);
});

test("an end that wants no more holds up its port alone, and goes on where it was", () => {
  const { queue, start, ends, console } = setUp();
  start();
  const [one, two] = ends;
  assert.ok(one && two);
  one.wants = false;
  // One buffer of three pieces, all of it one place.
  queue(1).say(new Uint8Array(0), 65536, 0);
  queue(1).say(bytes("behind"));
  queue(5).say(bytes("beside"));
  assert.deepEqual([one.seen, two.seen, queue(1).back()], [["65536 bytes"], ["beside"], [""]]);
  one.wants = true;
  console.ports[0]?.resume();
  assert.deepEqual([one.seen, queue(1).back()], [["65536 bytes", "behind"], [""]]);
});

test("a buffer longer than a piece is handed on piece by piece, over a save, too", () => {
  const setUpLong = () => setUp([new End("one")]);
  const it = setUpLong();
  it.start();
  const [end] = it.ends;
  assert.ok(end);
  end.wants = false;
  // A chain of two descriptors of 40000 bytes each.
  const base = 0x1000 + 0x400;
  it.view.setBigUint64(base, 0n, true);
  it.view.setUint32(base + 8, 40000, true);
  it.view.setUint16(base + 12, 1, true);
  it.view.setUint16(base + 14, 1, true);
  it.view.setBigUint64(base + 16, 0n, true);
  it.view.setUint32(base + 24, 40000, true);
  it.view.setUint16(base + 28, 0, true);
  it.view.setUint16(base + 0x102, 1, true);
  it.set(0x3004, 2, 1);
  assert.deepEqual([end.seen, it.console.save().ports[0]?.handedOn], [["65536 bytes"], 65536]);
  const state = structuredClone(it.console.save());
  const other = new VirtioConsole([new End("one")], state);
  assert.deepEqual(other.save(), state);
  end.wants = true;
  it.console.ports[0]?.resume();
  assert.deepEqual([end.seen, it.console.save().ports[0]?.handedOn], [["65536 bytes", "14464 bytes"], 0]);
  assert.equal(it.usedCount(), 0);
});

test("what the driver added is given back when all of it was handed on, and what it is sent fills its buffers", () => {
  let used: (() => number) | undefined;
  const counts: (number | undefined)[] = [];
  class Looking extends End {
    override output(bytes: Uint8Array): boolean {
      counts.push(used?.());
      return super.output(bytes);
    }
  }
  const it = setUp([new Looking("one")]);
  it.start();
  used = () => it.view.getUint16(0x1000 + 0x400 + 0x202, true);
  const [end] = it.ends;
  assert.ok(end);
  end.wants = false;
  for (const text of ["a", "b", "c"]) it.queue(1).say(bytes(text));
  end.wants = true;
  it.console.ports[0]?.resume();
  assert.deepEqual(
    [end.seen.splice(0), counts],
    [
      ["a", "b", "c"],
      [0, 1, 1],
    ],
  );
  for (let i = 0; i < 3; i++) it.queue(0).room(2);
  assert.equal(it.console.ports[0]?.send(bytes("abcdefgh")), 6);
  assert.deepEqual(it.queue(0).back(), ["ab", "cd", "ef"]);
});

test("a guest whose descriptors name more than there is keeps nobody from their turn", async () => {
  const it = setUp([new End("one")]);
  it.start();
  const [end] = it.ends;
  assert.ok(end);
  // Chains of 8 descriptors of 64 KiB each, all of it one place.
  const base = 0x1000 + 0x400;
  for (let i = 0; i < 8; i++) {
    it.view.setBigUint64(base + 16 * i, 0n, true);
    it.view.setUint32(base + 16 * i + 8, 65536, true);
    it.view.setUint16(base + 16 * i + 12, i < 7 ? 1 : 0, true);
    it.view.setUint16(base + 16 * i + 14, i + 1, true);
  }
  // Each begins at the first one or the second: 8 or 7 pieces.
  for (let i = 0; i < 8; i++) it.view.setUint16(base + 0x104 + 2 * i, i % 2, true);
  const add = (count: number): void => {
    it.view.setUint16(base + 0x102, count, true);
    it.set(0x3004, 2, 1);
  };
  add(8);
  add(16);
  const first = end.seen.length;
  while (end.seen.length < 120) await new Promise<void>((resolve) => setTimeout(resolve, 1));
  assert.ok(first <= 64 + 60, `${first} pieces at once`);
  assert.equal(end.seen.length, 120);
});

test("a driver that knows of one port has that, open", () => {
  const { queue, ends, console, control } = setUp(undefined, features);
  assert.deepEqual(
    ends.map(({ seen }) => seen),
    [["open true"], []],
  );
  queue(1).say(bytes("plain"));
  queue(5).say(bytes("nobody"));
  control(1, READY, 1);
  queue(0).room();
  assert.equal(console.ports[0]?.send(bytes("back")), 4);
  assert.deepEqual([ends.map(({ seen }) => seen), queue(0).back()], [[["open true", "plain"], []], ["back"]]);
});

test("a reset closes the ports; what the host sends then goes nowhere", () => {
  const { set, start, ends, console } = setUp();
  start();
  set(0x14, 1, 0);
  assert.deepEqual(
    ends.map(({ seen }) => seen),
    [["open false"], ["open false"]],
  );
  assert.equal(console.ports[0]?.send(bytes("x")), 0);
  console.ports[0]?.resume();
});

test("a hostile driver's messages, buffers and repetitions change nothing on the host", () => {
  let state = 11;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let it = setUp();
  let [broken, heard] = [0, 0];
  for (let step = 0; step < 10_000; step++) {
    const queue = it.queue([0, 1, 2, 3, 3, 4, 5][random(7)] ?? 0);
    switch (random(6)) {
      case 0:
        queue.room([0, 1, 7, 8, 100, 0x100][random(6)]);
        break;
      case 1:
        it.control([0, 1, 2, random(2 ** 32)][random(4)] ?? 0, random(9), random(3));
        break;
      case 2:
        queue.say(Uint8Array.from({ length: random(20) }, () => random(256)));
        break;
      case 3:
        queue.say(new Uint8Array(0), random(50) === 0 ? 2 ** 32 - 1 : random(5000), random(memorySize));
        break;
      case 4:
        it.console.ports[random(2)]?.send(new Uint8Array(random(300)));
        break;
      default: {
        const end = it.ends[random(2)];
        if (end) end.wants = random(2) === 0;
        it.console.ports[random(2)]?.resume();
      }
    }
    for (const index of [0, 1, 2, 3, 4, 5]) it.queue(index).back();
    for (const end of it.ends) heard += end.seen.splice(0).length;
    const [first] = it.console.save().ports;
    assert.ok(first && first.tell < 8);
    if (!(it.get(0x14, 1) & needsReset)) continue;
    broken++;
    it = setUp();
  }
  assert.ok(broken > 50 && heard > 300, `${broken} ${heard}`);
});

test("ports and states that cannot be are refused", () => {
  for (const [ends, message] of [
    [[], /a virtio console has 1 to 31 ports, not 0/],
    [Array.from({ length: 32 }, () => new End("x")), /not 32/],
    [[new End("")], /a port's name has 1 to 64 bytes, not 0/],
    [[new End("ü".repeat(33))], /not 66/],
  ] as const) {
    assert.throws(() => new VirtioConsole(ends), { code: "EINVAL", message });
  }
  const port = { ready: true, open: true, tell: 0, handedOn: 0 };
  for (const [state, message] of [
    [{}, /ports is missing/],
    [{ ports: [] }, /the saved console has 0 ports; this one has 1/],
    [{ ports: [{ ...port, tell: 8 }] }, /tell is 8/],
    [{ ports: [{ ...port, handedOn: -1 }] }, /handedOn is -1/],
    [{ ports: [{ ...port, open: 1 }] }, /open is 1/],
  ] as const) {
    assert.throws(() => new VirtioConsole([new End("x")], state as VirtioConsoleState), { code: "EINVAL", message });
  }
});
