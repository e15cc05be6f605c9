/**
 * Guests of machine pseries whose processors do what chance says, for ever: hypercalls with any arguments, RTAS calls, loads
 * and stores of every kind beyond memory and in the windows of devices, special purpose registers, invalidations, words that
 * may be instructions. Each such deed is a record in memory, of registers and code; whatever interrupt ends it, the next
 * follows.
 */
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { hcallRows } from "../../src/arch/powerpc/uapi/hcalls.js";
import { rtasCalls } from "../../src/vmm/machines/pseries/rtas/index.js";
import { hcall } from "../litmus/processors.js";

type Below = (limit: number) => number;

export const hostileRam = 32 << 20;
const recordsAt = 0x10_0000;
const recordBytes = 128;
const records = 4096;
const codeOffset = 88;
const codeWords = 10;
/** Argument buffers of RTAS calls. */
const blocksAt = 0x30_0000;
const blocks = 512;
/** Pages that begin as what H_REGISTER_VPA takes does. */
const areasAt = 0x40_0000;
const areas = 64;
const [processTable, rootTable, secondTable] = [0x1_0000, 0x2_0000, 0x3_0000];
const [startsAt, otherAt, countersAt] = [0x6000, 0x6800, 0x7000];
const startCpu = 0x2006;
const end = BigInt(hostileRam);

export interface HostileOptions {
  /** What is drawn from. */
  readonly below: Below;
  readonly cpus: number;
  readonly littleEndian: boolean;
  /** It keeps its hashed page table for a while. */
  readonly hash: boolean;
  /** Names of hypercalls and kinds of other deeds; default: all. */
  readonly only?: RegExp | undefined;
}

/** Those that end the guest, which others look at. */
const ending = new Set(["power-off", "system-reboot", "ibm,os-term"]);
const bridge = [0x0800_0000, 0x2000_0000] as const;

const ones = (1n << 64n) - 1n;

/** Numbers and addresses that are likely to be at an edge of something. */
function edges(below: Below): { address: () => bigint; word: () => bigint; pick: <T>(of: readonly T[]) => T } {
  const pick = <T>(of: readonly T[]): T => of[below(of.length)] as T;
  const wide = (): bigint => (BigInt(below(2 ** 32)) << 32n) | BigInt(below(2 ** 32));
  const address = (): bigint => {
    const small = pick([0n, 0n, 1n, 2n, 4n, 8n, 16n, 64n, 127n, 128n, 640n, 4095n, 4096n, 65535n, 65536n]);
    const base = pick([
      ...[end - small, end - small, end + small, BigInt(areasAt + 4096 * below(areas)) + small],
      ...[BigInt(areasAt + 4096 * below(areas)), BigInt(below(hostileRam)), BigInt(below(hostileRam)) & ~0xffffn],
      ...[0x2000_0000_0000n + small, 0x2000_8000_0000n + small, 0x2100_8010_0000n + BigInt(below(1 << 19))],
      ...[0x2000_8010_0000n + BigInt(below(4) << 16) + BigInt(below(0x38))],
      ...[0x2000_8010_0000n + BigInt(below(4) << 16) + BigInt(below(4) * 0x1000 + below(64))],
      ...[0x6_0302_0318_0000n + BigInt(0x10000 * below(5)) + BigInt(below(0x900))],
      ...[0x6_0100_0000_0000n + BigInt(0x10000 * below(40)) + BigInt(below(4096))],
      ...[0x6_0100_0000_0000n + (0x1200n + BigInt(below(8))) * 0x20000n + BigInt(below(0x20000))],
      ...[(1n << 60n) - small, (1n << 63n) + small, (1n << 64n) - 1n - small, small, wide()],
      ...[BigInt(recordsAt + below(records) * recordBytes), BigInt(processTable), BigInt(blocksAt), 0x300n],
    ]);
    // What keeps this guest going lies low, and is hit now and then.
    return base < 0x4_0000n && below(500) ? base + 0x60_0000n : base & ones;
  };
  const word = (): bigint =>
    pick([
      ...[0n, 1n, 2n, 3n, 4n, 7n, 16n, 0xffn, 0xffffn, 1n << BigInt(below(64)), ones, BigInt(below(64)), wide()],
      ...[BigInt(below(2 ** 32)), address()],
    ]);
  return { address, word, pick };
}

/** r4 and further of a hypercall, such that not every one is refused at once. */
function argumentsOf(name: string, below: Below, cpus: number): readonly bigint[] {
  const { address, word, pick } = edges(below);
  const cpu = (): bigint => BigInt(below(cpus + 1));
  const irq = (): bigint =>
    pick([cpu(), 0x1000n, 0x1001n, 0x1200n + BigInt(below(5)), 0x1300n + BigInt(below(260)), word()]);
  const entry = (): bigint => BigInt(below(40) ? below(1 << 10) : below(1 << 16));
  const liobn = (): bigint =>
    pick([0x8000_0000n, 0x8000_0000n, 0x8001_0000n + BigInt(256 * 12 + 20 + below(10)), word()]);
  const page = (): bigint => BigInt(below(1 << 18)) << 12n;
  const priority = (): bigint => BigInt(pick([0, 4, 5, 6, 6, 7, 8, 0xff]));
  switch (name) {
    case "H_REGISTER_VPA":
      return [BigInt(below(8)) << 45n, cpu(), below(4) ? BigInt(areasAt + 4096 * below(areas)) : address()];
    case "H_ENTER":
      return [
        ...[pick([0n, 1n << 39n, 1n << 15n, (1n << 39n) | (1n << 15n)]), entry()],
        ...[(BigInt(below(1 << 20)) << 12n) | BigInt(below(128)) | (below(2) ? 4n : 0n) | (below(3) ? 0n : 1n << 62n)],
        ...[(below(8) ? BigInt(below(hostileRam >> 12)) << 12n : address()) | BigInt(pick([0x10, 0x12, 0x190, 0x28]))],
      ];
    case "H_REMOVE":
    case "H_READ":
    case "H_PROTECT":
    case "H_CLEAR_MOD":
    case "H_CLEAR_REF":
      return [pick([0n, 1n << 31n, 1n << 30n, 1n << 37n, word()]), entry(), word()];
    case "H_BULK_REMOVE":
      return [0, 1, 2, 3].flatMap(() => [
        (BigInt(pick([1, 1, 1, 3, 2, 0])) << 62n) | (BigInt(below(4)) << 56n) | entry(),
        word(),
      ]);
    case "H_GET_TCE":
    case "H_PUT_TCE":
      return [liobn(), page(), below(2) ? (address() & ~0xfffn) | 3n : word()];
    case "H_STUFF_TCE":
      return [liobn(), page(), pick([0n, 0x1000n, word()]), pick([1n, 512n, 1n << 18n, 1n << 28n, 1n << 63n, word()])];
    case "H_PUT_TCE_INDIRECT":
      return [liobn(), page(), address() & (below(2) ? ~0xfffn : ones), pick([0n, 1n, 511n, 512n, 513n, word()])];
    case "H_PAGE_INIT":
      return [BigInt(below(8)) << 14n, address() & ~0xfffn, address() & (below(4) ? ~0xfffn : ones)];
    case "H_LOGICAL_CI_LOAD":
    case "H_LOGICAL_CI_STORE":
      return [pick([1n, 2n, 4n, 8n, 16n, word()]), address(), word()];
    case "H_PUT_TERM_CHAR":
      return [pick([0n, 0x7100_0000n, word()]), pick([0n, 1n, 16n, 17n, ones, word()]), word(), word()];
    case "H_IPI":
    case "H_IPOLL":
      return [below(4) ? cpu() : word(), BigInt(below(256))];
    case "H_EOI":
      return [(BigInt(below(256)) << 24n) | pick([2n, irq() & 0xff_ffffn, 0xff_ffffn])];
    case "H_CPPR":
      return [BigInt(below(300))];
    case "H_PROD":
    case "H_CONFER":
      return [pick([cpu(), cpu(), ones, word()]), word()];
    case "H_SET_MODE":
      // The byte order of interrupts is left alone: that of the other order has no code here.
      // Where interrupts go is changed seldom: for the most part nothing is mapped there.
      return [
        ...[BigInt(below(5)), BigInt(below(60) ? 1 + below(2) : below(4)), pick([0n, address(), address() | 3n])],
        pick([0n, word()]),
      ];
    case "H_REGISTER_PROC_TBL":
      return [
        pick([29n, 29n, 21n, 31n, BigInt(below(40))]),
        below(3) ? BigInt(processTable) : address() & ~0xfffn,
        ...[below(8) ? 0n : word(), below(3) ? 0n : BigInt(below(30))],
      ];
    case "H_INT_SET_SOURCE_CONFIG":
      return [BigInt(below(below(9) ? 4 : 16)), irq(), below(5) ? cpu() : word(), priority(), word()];
    case "H_INT_SET_QUEUE_CONFIG":
      return [
        ...[below(9) ? 1n : word(), below(5) ? cpu() : word(), priority()],
        ...[
          below(4) ? BigInt(below(hostileRam + (4 << 16))) & ~0xffffn : address(),
          pick([16n, 16n, 16n, 0n, 12n, word()]),
        ],
      ];
    case "H_INT_GET_QUEUE_INFO":
    case "H_INT_GET_QUEUE_CONFIG":
      return [BigInt(below(3)), cpu(), priority()];
    case "H_INT_ESB":
      return [BigInt(below(3)), irq(), below(5) ? BigInt(below(0x1100)) : word(), word()];
    case "H_INT_RESET":
      return [BigInt(below(12) ? 1 : 0)];
    case "H_RTAS":
      return [below(20) ? BigInt(blocksAt + 128 * below(blocks)) : address()];
    default:
      return name.startsWith("H_INT_")
        ? [BigInt(below(12) ? 0 : below(4)), irq(), word()]
        : Array.from({ length: 9 }, word);
  }
}

/** A block as RTAS takes it, big-endian, and what it says. */
function rtasBlock(below: Below, cpus: number, other: number): number[] {
  const { address, word, pick } = edges(below);
  const call = pick(rtasCalls.filter(({ name }) => !ending.has(name) && (name !== "stop-self" || below(12) === 0)));
  const slot = (): number =>
    ((below(6) << 11) | pick([0, 4, 6, 0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x34, 0x3c, below(256)])) >>> 0;
  const any = (): number =>
    pick([
      ...[() => below(9), () => Number(word() & 0xffff_ffffn), () => Number(address() & 0xffff_ffffn), slot],
      ...[() => 2 ** below(32), () => 0xffff_ffff, () => pick([0x1000, 0x1200, 0x1300, 0x1303])],
    ])();
  const pci = /pci|eeh|slot|pe-dma|configure-pe|msi|interrupt-source|addr-info/.test(call.name);
  const inputs = Array.from({ length: call.inputs }, (_, i) => {
    if (!pci || below(12) === 0) return any();
    if (call.name.endsWith("config") && !call.name.startsWith("ibm")) return i === 0 ? slot() : pick([1, 2, 4, any()]);
    if (i === 0) return slot();
    if (i === 1 || i === 2) return bridge[i - 1] ?? 0;
    if (call.name.includes("create")) return i === 3 ? pick([12, 16, 24, any()]) : pick([20, 24, 30, 34, 42, any()]);
    if (call.name.endsWith("config"))
      return i === 3 ? pick([1, 2, 4, 4, 4, any()]) : pick([0, 6, 7, 0x2100, 0xc000_0000, any()]);
    if (call.name.includes("msi")) return i === 3 ? below(5) : pick([0, 1, 2, 3, 8, any()]);
    return below(5);
  });
  if (call.name === "start-cpu" && below(4)) inputs.splice(0, 3, below(cpus), other, below(cpus));
  // Those of chance about the clock and stop-self are rare by themselves.
  const [least, most] = call.outputs;
  const outputs = below(30) ? least + below(most - least + 1) : any();
  return [call.token, below(40) ? inputs.length : any(), outputs, ...inputs];
}

/** Loads and stores at r4, of any width. r5 is a length for those that take one. */
const accesses = [
  ..."lbz lhz lha lwz lwa ld stb sth stw std lwzu stwu lfd stfd lfs stfs lmw stmw".split(" "),
  ..."lhbrx lwbrx ldbrx sthbrx stwbrx stdbrx lvx stvx lvebx stvehx lxvd2x stxvd2x lxvw4x lxvb16x lxvx stxvx".split(" "),
  ..."lxvl stxvl lxvll stxvll lwarx ldarx lqarx stwcx. stdcx. stqcx. lq stq lswi stswi lswx stswx".split(" "),
  ..."lbzcix lhzcix lwzcix ldcix stbcix sthcix stwcix stdcix dcbz icbi dcbst dcbf lwat ldat stwat stdat".split(" "),
] as const;
const maintenance = [
  "tlbie 4, 5, 0, 1, 1",
  "tlbie 4, 5, 2, 1, 1",
  "tlbie 4, 5, 2, 0, 0",
  "tlbiel 4, 5, 2, 1, 1",
  "tlbsync",
  "ptesync",
  "slbia",
  "slbmte 5, 4",
  "slbie 4",
  "msgsndp 4",
  "msgclrp 4",
  "mtdec 4",
  "mtmsrd 4",
  "isync",
  "sc",
  "tw 31, 0, 0",
  "stop",
  "hrfid",
  "attn",
  "nap",
  "doze",
  "rfscv",
  "scv 0",
  "wait",
  "darn 4, 1",
  "cp_abort",
  "copy 4, 5",
  "paste. 4, 5",
];

/** The words of those of these instructions that there are. */
function words(texts: readonly string[], littleEndian: boolean): number[][] {
  return texts.flatMap((text) => {
    try {
      const { bytes } = assemble(`  ${text}\n`, { littleEndian });
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      return [Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, littleEndian))];
    } catch {
      return [];
    }
  });
}

const operandsOf = (name: string): readonly string[] => [
  ...[`${name} 6, 0(4)`, `${name} 28, 0(4)`, `${name} 6, 4, 5`, `${name} 6, 0, 4`, `${name} 0, 4`, `${name} 6, 4, 31`],
  `${name} 6, 4, 16`,
];

/** The guest's memory from address 0, where it is entered. */
export function hostileGuest({ below, cpus, littleEndian, hash, only = /./ }: HostileOptions): Uint8Array {
  const { address, word, pick } = edges(below);
  const vectors = [
    ...[0x100, 0x200, 0x300, 0x380, 0x400, 0x480, 0x500, 0x600, 0x700, 0x800, 0x900, 0x980, 0xa00, 0xc00, 0xd00, 0xe00],
    ...[0xe20, 0xe40, 0xe60, 0xe80, 0xea0, 0xf00, 0xf20, 0xf40, 0xf60, 0xf80, 0xfa0],
  ];
  const order = littleEndian ? `  li 4, 1\n  li 5, 4\n  li 6, 0\n  li 7, 0\n${hcall(0x31c)}` : "";
  const starts = Array.from(
    { length: cpus - 1 },
    (_, i) => `  li 4, ${startsAt + 128 * (i + 1)}\n${hcall(0xf000)}`,
  ).join("");
  const source = `
  b start
${vectors.map((vector) => `  .org ${vector}\n  b again\n`).join("")}
  .org 0x1000
start:
${order}
${hash ? "" : `  li 4, 29\n  lis 5, ${processTable >> 16}\n  li 6, 0\n  li 7, 0\n${hcall(0x37c)}`}
${starts}
again:
# Machine checks are off behind one.
  li 3, ${littleEndian ? 0x1001 : 0x1000}
  li 4, 1
  sldi 4, 4, 63
  or 3, 3, 4
  mtsrr1 3
  li 3, next
  mtsrr0 3
  rfid
next:
  mfspr 31, 1023
  rlwinm 31, 31, 0, 30, 31
  sldi 29, 31, 7
  addi 29, 29, ${countersAt}
  ld 30, 0(29)
  addi 30, 30, 1
  std 30, 0(29)
  mulli 28, 31, 577
  add 28, 28, 30
  rlwinm 28, 28, 7, 13, 24
  addis 28, 28, ${recordsAt >> 16}
${Array.from({ length: 10 }, (_, i) => `  ld ${3 + i}, ${8 * i}(28)`).join("\n")}
  ld 26, 80(28)
  addi 27, 28, ${codeOffset}
  mtctr 27
  mtmsrd 26
  bctr
`;
  const { bytes, symbols } = assemble(source, { origin: 0n, littleEndian });
  const again = Number(symbols.get("again"));
  // start-cpu enters in big-endian mode.
  const entered = `  mfmsr 3\n  ori 3, 3, ${littleEndian ? 1 : 0}\n  mtsrr1 3\n  li 3, ${again}\n  mtsrr0 3\n  rfid\n`;
  const memory = new Uint8Array(0x50_0000);
  memory.set(bytes);
  memory.set(assemble(entered, { littleEndian: false }).bytes, otherAt);
  const view = new DataView(memory.buffer);
  for (let cpu = 1; cpu < cpus; cpu++) {
    for (const [i, value] of [startCpu, 3, 1, cpu, otherAt, 0].entries())
      view.setUint32(startsAt + 128 * cpu + 4 * i, value);
  }
  // An identity map of the first GiB for process 0, whose kernel it is.
  view.setBigUint64(processTable, (2n << 61n) | (5n << 5n) | 13n | BigInt(rootTable));
  view.setBigUint64(rootTable, (1n << 63n) | BigInt(secondTable) | 9n);
  view.setBigUint64(secondTable, (3n << 62n) | 0x18fn);
  for (let i = 0; i < areas; i++) {
    const at = areasAt + 4096 * i;
    view.setUint32(at + 4, pick([0x0280_0000, 0x0280_0280, 640, 48, 100, 4096, 0xffff_ffff, 0x1000_0000, 0x1ff_0000]));
    view.setUint16(at + 4, pick([640, 640, 641, 4096, 0, 65535]));
    if (below(2)) view.setUint32(at + 4, pick([48, 49, 96, 4096, 4097, 1 << 20, hostileRam, 2 ** 31, 0xffff_ffff]));
  }
  for (let i = 0; i < blocks; i++) {
    for (const [j, value] of rtasBlock(below, cpus, otherAt).entries()) {
      if (j < 32) view.setUint32(blocksAt + 128 * i + 4 * j, value >>> 0);
    }
  }
  const usual = hcallRows.filter(([, row]) => row.kernel || row.user);
  const there = usual.filter(([name]) => only.test(name) && !(hash && name === "H_REGISTER_PROC_TBL" && below(30)));
  const access = words(accesses.flatMap(operandsOf), littleEndian);
  const kept = words(maintenance, littleEndian);
  const kinds = ["hcall", "hcall", "hcall", "access", "maintenance", "spr", "chance", "unknown"].filter((kind) =>
    kind === "hcall" ? there.length > 0 : only.test(kind),
  );
  const sc = 0x4400_0022;
  for (let i = 0; i < records; i++) {
    const at = recordsAt + i * recordBytes;
    const registers = Array.from({ length: 10 }, () => (below(2) ? address() : word()));
    let code: number[] = [];
    let msr = (1n << 63n) | 0x1000n | (littleEndian ? 1n : 0n);
    if (below(3) === 0) msr |= 0x8000n;
    if (below(4) === 0) msr |= 0x0280_2000n;
    switch (pick(kinds)) {
      case "hcall": {
        // Many are behind one of them.
        const [name, { number }] = (below(3) === 0 && there.find(([one]) => one === "H_RTAS")) || pick(there);
        registers.splice(0, 1, BigInt(number));
        const given = argumentsOf(name, below, cpus);
        registers.splice(1, given.length, ...given);
        // Not for ever.
        if (name === "H_CEDE") code = words(["lis 6, 1", "mtdec 6"], littleEndian).flat();
        code.push(sc);
        break;
      }
      case "unknown":
        registers[0] = below(2) ? BigInt(4 * below(0x200)) : word();
        // Not for ever, as below.
        if (registers[0] === 0xe0n) registers[0] = 0xe4n;
        code = [sc];
        break;
      case "access":
        registers[1] = address();
        registers[2] = below(2) ? 0n : BigInt(below(20)) << 56n;
        code = Array.from({ length: 1 + below(3) }, () => pick(access)).flat();
        if (below(5) === 0) msr |= 0x30n;
        break;
      case "maintenance":
        code = Array.from({ length: 1 + below(4) }, () => pick(kept)).flat();
        break;
      case "spr": {
        const spr = below(1024);
        const field = (((spr & 31) << 5) | (spr >> 5)) << 11;
        code = [(0x7c00_0000 | (4 << 21) | field | ((below(2) ? 467 : 339) << 1)) >>> 0];
        break;
      }
      default:
        code = Array.from({ length: 1 + below(6) }, () =>
          below(3) ? ((pick([31, 31, 31, 19, 60, 4, 59, 63, 30, 57, 1]) << 26) | below(2 ** 26)) >>> 0 : below(2 ** 32),
        );
        if (below(4) === 0) msr |= BigInt(pick([0x20, 0x10, 0x30, 0x4000, 0x400, 0x600]));
    }
    for (const [j, value] of registers.entries())
      view.setBigUint64(at + 8 * j, BigInt.asUintN(64, value), littleEndian);
    view.setBigUint64(at + 80, msr, littleEndian);
    code = code.slice(0, codeWords - 1);
    const back = again - (at + codeOffset + 4 * code.length);
    code.push((0x4800_0000 | (back & 0x03ff_fffc)) >>> 0);
    for (const [j, value] of code.entries()) view.setUint32(at + codeOffset + 4 * j, value, littleEndian);
  }
  return memory;
}
