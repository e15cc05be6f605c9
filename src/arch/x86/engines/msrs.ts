/**
 * The registers that RDMSR and WRMSR name and that a vCPU keeps as they are: the number of each, how many follow it, and the
 * place of the first in the state's `msrs`. Source: Intel SDM, volume 4; AMD APM, volume 2.
 */
interface KeptMsr {
  readonly number: number;
  readonly place: number;
  readonly count?: number;
}

export const keptMsrs = {
  efer: { number: 0xc0000080, place: 0 },
  star: { number: 0xc0000081, place: 1 },
  lstar: { number: 0xc0000082, place: 2 },
  cstar: { number: 0xc0000083, place: 3 },
  syscallMask: { number: 0xc0000084, place: 4 },
  kernelGsBase: { number: 0xc0000102, place: 5 },
  tscAux: { number: 0xc0000103, place: 6 },
  sysenterCs: { number: 0x174, place: 7 },
  sysenterEsp: { number: 0x175, place: 8 },
  sysenterEip: { number: 0x176, place: 9 },
  pat: { number: 0x277, place: 10 },
  apicBase: { number: 0x1b, place: 11 },
  miscEnable: { number: 0x1a0, place: 12 },
  mtrrDefaultType: { number: 0x2ff, place: 13 },
  /** Fixed ranges: of 64 KiB, of 16 KiB, of 4 KiB. */
  mtrrFixed64: { number: 0x250, place: 14 },
  mtrrFixed16: { number: 0x258, place: 15, count: 2 },
  mtrrFixed4: { number: 0x268, place: 17, count: 8 },
  /** Pairs. */
  mtrrVariable: { number: 0x200, place: 25, count: 16 },
  microcode: { number: 0x8b, place: 41 },
  debugControl: { number: 0x1d9, place: 42 },
} as const satisfies Readonly<Record<string, KeptMsr>>;

export type KeptName = keyof typeof keptMsrs;

const of = <T>(what: (one: KeptMsr) => T): Readonly<Record<KeptName, T>> =>
  Object.fromEntries(Object.entries(keptMsrs).map(([name, one]) => [name, what(one)])) as Record<KeptName, T>;
/** For the run-time library too (tables.ts). */
export const msrPlaces = of(({ place }) => place);
export const msrNumbers = of(({ number }) => BigInt(number));
