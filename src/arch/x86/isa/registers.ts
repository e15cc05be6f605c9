/** Registers by number, as instructions encode them and as Intel's syntax writes them. */

/** Bits of an operand. */
export type Size = 8 | 16 | 32 | 64 | 80 | 128 | 256;
/** Bits of the code that the processor runs. */
export type CodeSize = 16 | 32 | 64;

const low = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"] as const;
const numbered = Array.from({ length: 8 }, (_, i) => `r${i + 8}`);

const general: Readonly<Record<number, readonly string[]>> = {
  8: ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", ...numbered.map((name) => `${name}b`)],
  16: [...low, ...numbered.map((name) => `${name}w`)],
  32: [...low.map((name) => `e${name}`), ...numbered.map((name) => `${name}d`)],
  64: [...low.map((name) => `r${name}`), ...numbered],
};

/** Numbers of byte registers from here on are the second bytes of the first four registers: ah, ch, dh, bh. */
export const highByte = 16;
const highBytes = ["ah", "ch", "dh", "bh"] as const;

export const segments = ["es", "cs", "ss", "ds", "fs", "gs"] as const;

/** The name of a general register. */
export function registerName(number: number, size: number): string {
  const name = size === 8 && number >= highByte ? highBytes[number - highByte] : general[size]?.[number];
  if (name === undefined) throw new Error(`there is no register ${number} of ${size} bits`);
  return name;
}

let byName: ReadonlyMap<string, { readonly number: number; readonly size: 8 | 16 | 32 | 64 }> | undefined;

/** The general register of this name; undefined if none has it. */
export function registerNamed(name: string): { readonly number: number; readonly size: 8 | 16 | 32 | 64 } | undefined {
  byName ??= new Map([
    ...([8, 16, 32, 64] as const).flatMap((size) =>
      (general[size] ?? []).map((one, number) => [one, { number, size }] as const),
    ),
    ...highBytes.map((one, i) => [one, { number: highByte + i, size: 8 }] as const),
  ]);
  return byName.get(name);
}

/** Number of a byte register: without REX, 4 to 7 are the second bytes. */
export const byteRegister = (number: number, rex: boolean): number =>
  !rex && number >= 4 && number < 8 ? highByte + number - 4 : number;
